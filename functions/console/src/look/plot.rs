//! Plots, as SVG that is made here. No number is told by a shape alone: each stands beside it, or in a table under it.

mod bars;
mod funnel;
mod scale;
mod series;

pub(crate) use bars::{Bar, Bars};
pub(crate) use funnel::{Funnel, Stage};
pub(crate) use series::{Line, Series};

use maud::{Markup, html};

/// Hundredths of a percent in a whole: widths are integers until they are written.
const WHOLE: u64 = 10_000;

/// A share of the whole width, in hundredths of a percent. What is more than nothing is seen.
fn width(part: u64, whole: u64) -> u64 {
    /// Of what is there at all: two or three pixels.
    const SEEN_MIN: u64 = 50;
    if part == 0 || whole == 0 {
        return 0;
    }
    let share = u128::from(part.min(whole)) * u128::from(WHOLE) / u128::from(whole);
    u64::try_from(share).unwrap_or(WHOLE).max(SEEN_MIN)
}

fn percent(width: u64) -> String {
    format!("{}.{:02}%", width / 100, width % 100)
}

/// A bar of the given width that begins there, both in hundredths of a percent.
fn bar(class: &str, from: u64, wide: u64) -> Markup {
    html! { @if wide > 0 { rect class=(class) x=(percent(from)) width=(percent(wide)) height="100%" rx="2" {} } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_say_what_numbers_say() {
        for (part, whole, expected) in [
            (0, 0, 0),
            (0, 10, 0),
            (5, 0, 0),
            (1, 3, 3_333),
            (10, 10, 10_000),
            // More than all is all; a little is seen.
            (11, 10, 10_000),
            (1, 1_000_000, 50),
            (u64::MAX, u64::MAX, 10_000),
        ] {
            assert_eq!(width(part, whole), expected, "{part} of {whole}");
        }
        assert_eq!(percent(3_333), "33.33%");
        assert_eq!(percent(5), "0.05%");
    }
}
