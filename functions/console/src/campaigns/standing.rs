//! Where a campaign, a launch and an import stand, in one word and one look.

use maud::Markup;

use super::data::Standing;
use crate::{
    look::{Tone, badge},
    person::Reader,
};

/// The badge of a campaign: what goes on comes before what is over.
pub(crate) fn campaign(reader: &Reader, standing: &Standing) -> Markup {
    let (tone, word) = judge(standing);
    badge(tone, &reader.t(&format!("campaign-{word}")))
}

fn judge(standing: &Standing) -> (Tone, &'static str) {
    match (standing.state.as_str(), standing.launch_state.as_deref()) {
        ("deleting", _) => (Tone::Idle, "deleting"),
        ("deleted", _) => (Tone::Idle, "deleted"),
        (_, Some("paused")) => (Tone::Warn, "paused"),
        (_, Some("preparing" | "running")) => (Tone::Busy, "running"),
        (_, Some("scheduled")) => (Tone::Idle, "scheduled"),
        _ if standing.imports_open > 0 => (Tone::Busy, "importing"),
        (_, Some("failed")) => (Tone::Bad, "failed"),
        (_, Some("cancelled")) => (Tone::Idle, "cancelled"),
        (_, Some(_)) => (Tone::Good, "done"),
        (_, None) => (Tone::Idle, "new"),
    }
}

/// The badge of a launch.
pub(crate) fn launch(reader: &Reader, state: &str) -> Markup {
    let tone = match state {
        "preparing" | "running" => Tone::Busy,
        "paused" => Tone::Warn,
        "done" => Tone::Good,
        "failed" => Tone::Bad,
        _ => Tone::Idle,
    };
    badge(tone, &reader.t(&format!("launch-{state}")))
}

/// The badge of an import.
pub(crate) fn import(reader: &Reader, state: &str) -> Markup {
    let tone = match state {
        "running" | "published" | "refusing" => Tone::Busy,
        "finished" => Tone::Good,
        "refused" => Tone::Bad,
        _ => Tone::Idle,
    };
    badge(tone, &reader.t(&format!("import-{state}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_comes_before_what_is_over() {
        for (state, imports_open, launch_state, expected) in [
            ("open", 0, None, "new"),
            ("open", 1, None, "importing"),
            ("open", 1, Some("done"), "importing"),
            ("open", 1, Some("running"), "running"),
            ("open", 0, Some("preparing"), "running"),
            ("open", 1, Some("paused"), "paused"),
            ("open", 0, Some("scheduled"), "scheduled"),
            ("open", 0, Some("failed"), "failed"),
            ("open", 0, Some("cancelled"), "cancelled"),
            ("open", 0, Some("done"), "done"),
            ("deleting", 0, Some("running"), "deleting"),
            ("deleted", 0, Some("done"), "deleted"),
        ] {
            let launch_state = launch_state.map(str::to_owned);
            let standing = Standing { state: state.to_owned(), imports_open, launch_state };
            assert_eq!(judge(&standing).1, expected, "{standing:?}");
        }
    }
}
