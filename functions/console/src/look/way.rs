//! Where a page stands among others.

use maud::{Markup, html};

use crate::person::Reader;

/// A page above this one.
pub(crate) struct Crumb<'a> {
    pub(crate) name: &'a str,
    pub(crate) path: &'a str,
}

/// The way from the top to this page, which is not named again.
pub(crate) fn crumbs(reader: &Reader, above: &[Crumb<'_>]) -> Markup {
    html! {
        nav.crumbs aria-label=(reader.t("way-here")) {
            ol { @for crumb in above { li { a href=(crumb.path) { (crumb.name) } } } }
        }
    }
}

/// One of several pages about the same thing.
pub(crate) struct Tab<'a> {
    pub(crate) name: &'a str,
    pub(crate) path: &'a str,
    pub(crate) here: bool,
}

/// They are links: each is a page with an address.
pub(crate) fn tabs(label: &str, tabs: &[Tab<'_>]) -> Markup {
    html! {
        nav.tabs aria-label=(label) {
            ul {
                @for tab in tabs {
                    li { a href=(tab.path) aria-current=[tab.here.then_some("page")] { (tab.name) } }
                }
            }
        }
    }
}

/// Which part of a long list a page shows.
pub(crate) struct Pages<'a> {
    /// The page before, and the one behind.
    pub(crate) newer: Option<&'a str>,
    pub(crate) older: Option<&'a str>,
}

impl Pages<'_> {
    /// Lists have no numbers of pages: they grow while somebody reads them, so pages begin behind the last row of the one before.
    pub(crate) fn render(&self, reader: &Reader) -> Markup {
        html! {
            @if self.newer.is_some() || self.older.is_some() {
                nav.pages aria-label=(reader.t("pages")) {
                    @if let Some(path) = self.newer { a.button href=(path) rel="prev" { (reader.t("pages-newer")) } }
                    @if let Some(path) = self.older { a.button href=(path) rel="next" { (reader.t("pages-older")) } }
                }
            }
        }
    }
}
