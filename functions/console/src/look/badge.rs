use maud::{Markup, html};

/// How a state is to be taken. Each has a shape of its own beside its colour, and the text says it besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It came to a good end.
    Good,
    /// It goes on by itself.
    Busy,
    /// It waits for its time, or is over.
    Idle,
    /// Somebody may want to look.
    Warn,
    /// It failed.
    Bad,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Idle => "idle",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    /// In a square of 12.
    fn shape(self) -> Markup {
        html! {
            svg viewBox="0 0 12 12" aria-hidden="true" {
                @match self {
                    Self::Good => path d="m1.500 6.500 3 3 6-7" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" {},
                    Self::Busy => path d="M2.500 1.500v9l8-4.500z" fill="currentColor" {},
                    Self::Idle => circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" stroke-width="2" {},
                    Self::Warn => path d="M6 1 11.500 11H.5z" fill="currentColor" {},
                    Self::Bad => path d="m2 2 8 8m0-8-8 8" fill="none" stroke="currentColor" stroke-width="2.200" stroke-linecap="round" {},
                }
            }
        }
    }
}

/// A state.
pub(crate) fn badge(tone: Tone, text: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (tone.shape()) (text) } }
}
