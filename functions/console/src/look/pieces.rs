use maud::{Markup, html};

use crate::person::Reader;

/// Names and values.
pub(crate) fn pairs(pairs: &[(&str, Markup)]) -> Markup {
    html! {
        dl.pairs { @for (name, value) in pairs { div { dt { (name) } dd { (value) } } } }
    }
}

/// The few numbers that a page is opened for.
pub(crate) fn figures(figures: &[(&str, Markup)]) -> Markup {
    html! {
        dl.figures { @for (name, value) in figures { div { dt { (name) } dd { (value) } } } }
    }
}

/// How much of something is done. The text says what the bar shows.
pub(crate) fn progress(reader: &Reader, label: &str, done: u64, whole: u64) -> Markup {
    let values = [("done", reader.number(done).into()), ("whole", reader.number(whole).into())];
    let text = reader.t_with("progress-of", &values);
    html! {
        div.progress {
            div {
                span { (label) }
                span.quiet { (text) " · " (reader.percent(done, whole)) }
            }
            progress max=(whole.max(1)) value=(done.min(whole)) aria-label=(label) { (text) }
        }
    }
}

/// What is shown once and copied: a password, a key.
pub(crate) fn secret(reader: &Reader, id: &str, value: &str) -> Markup {
    html! {
        div.secret {
            code id=(id) { (value) }
            // Without scripts nothing can be copied by a button: the script shows it.
            button type="button" data-copy=(id) data-copied=(reader.t("copied")) hidden { (reader.t("copy")) }
        }
    }
}

/// A part of a page that the script keeps up to date, by the address that gives this part alone. `over` ends that.
pub(crate) fn live(id: &str, address: &str, over: bool, content: &Markup) -> Markup {
    html! { div.stack id=(id) data-live=(address) data-live-end[over] { (content) } }
}
