use maud::{Markup, html};

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// What was asked for is done.
    Success,
    /// Worth knowing.
    Info,
    /// Something may go otherwise than thought.
    Warning,
    /// Something failed.
    Error,
}

impl Notice {
    const fn class(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// Errors interrupt who listens to the page; nothing else does.
    const fn role(self) -> Option<&'static str> {
        match self {
            Self::Success | Self::Info => Some("status"),
            Self::Warning => None,
            Self::Error => Some("alert"),
        }
    }

    const fn shape(self) -> &'static str {
        match self {
            Self::Success => "m5.500 10.500 3 3 6-7",
            Self::Info => "M10 9v5.500M10 5.500v.1",
            Self::Warning | Self::Error => "M10 5.500v5.500M10 14.400v.1",
        }
    }
}

/// Something to read first.
pub(crate) fn notice(kind: Notice, content: &Markup) -> Markup {
    html! {
        div class={ "notice " (kind.class()) } role=[kind.role()] {
            svg viewBox="0 0 20 20" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" {
                @if kind == Notice::Warning { path d="M10 1.500 19 18H1z" {} } @else { circle cx="10" cy="10" r="8.5" {} }
                path d=(kind.shape()) {}
            }
            div { (content) }
        }
    }
}

/// A list of which there is nothing yet: what it will show, and what to do next.
pub(crate) fn empty(title: &str, text: &str, next: &Markup) -> Markup {
    html! {
        div.card.empty {
            svg viewBox="0 0 40 40" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" {
                path d="M4 24v8a3 3 0 0 0 3 3h26a3 3 0 0 0 3-3v-8l-6-15a3 3 0 0 0-2.800-2H12.800A3 3 0 0 0 10 9zM4 24h9l2 5h10l2-5h9" {}
            }
            h2 { (title) }
            p { (text) }
            (next)
        }
    }
}
