use maud::{Markup, html};

use super::{WHOLE, bar, width};
use crate::person::Reader;

/// How many came so far, and what became of the others.
pub(crate) struct Stage<'a> {
    pub(crate) name: &'a str,
    pub(crate) count: u64,
    /// Of those who came to the stage before, by reason.
    pub(crate) fell: Vec<(&'a str, u64)>,
}

/// From the first to the last stage. What falls out between two of them is named, and adds up.
pub(crate) struct Funnel<'a> {
    pub(crate) caption: &'a str,
    pub(crate) stages: Vec<Stage<'a>>,
}

/// Whom no reason of a stage names, and who is named without having been there.
fn unexplained(before: u64, stage: &Stage<'_>) -> i128 {
    let fell: u64 = stage.fell.iter().map(|(_, count)| count).sum();
    i128::from(before) - i128::from(stage.count) - i128::from(fell)
}

impl Funnel<'_> {
    /// Whether each stage and what fell out before it are together the stage before.
    pub(crate) fn adds_up(&self) -> bool {
        self.stages.windows(2).all(|pair| unexplained(pair[0].count, &pair[1]) == 0)
    }

    pub(crate) fn render(&self, reader: &Reader) -> Markup {
        let first = self.stages.first().map_or(0, |stage| stage.count);
        html! {
            div.scroll role="region" aria-label=(self.caption) tabindex="0" {
                table.bars.funnel {
                    caption { (self.caption) }
                    thead {
                        tr {
                            th scope="col" { (reader.t("funnel-stage")) }
                            td.stroke {}
                            th.number scope="col" { (reader.t("funnel-people")) }
                            th.number scope="col" { (reader.t("funnel-of-before")) }
                            th.number scope="col" { (reader.t("funnel-of-all")) }
                        }
                    }
                    tbody {
                        @for (at, stage) in self.stages.iter().enumerate() {
                            @let before = if at == 0 { first } else { self.stages[at - 1].count };
                            (row(reader, stage, before, first))
                        }
                    }
                }
            }
        }
    }
}

fn row(reader: &Reader, stage: &Stage<'_>, before: u64, first: u64) -> Markup {
    let (kept, was) = (width(stage.count, first), width(before, first));
    let fell: Vec<_> = stage.fell.iter().filter(|(_, count)| *count > 0).collect();
    html! {
        tr {
            th scope="row" { (stage.name) }
            td.stroke {
                svg aria-hidden="true" {
                    (bar("lost", kept, was.min(WHOLE).saturating_sub(kept)))
                    (bar("kept", 0, kept))
                }
            }
            td.number { (reader.number(stage.count)) }
            td.number { (reader.percent(stage.count, before)) }
            td.number { (reader.percent(stage.count, first)) }
        }
        @if !fell.is_empty() {
            tr.fell {
                td colspan="5" {
                    ul {
                        @for (reason, count) in fell { li { "−" (reader.number(*count)) " " (reason) } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each with its count and what fell out before it.
    type Stages = &'static [(u64, &'static [u64])];

    fn funnel(stages: &[(u64, &[u64])]) -> Funnel<'static> {
        let stages = stages.iter().map(|(count, fell)| Stage {
            name: "stage",
            count: *count,
            fell: fell.iter().map(|count| ("reason", *count)).collect(),
        });
        Funnel { caption: "caption", stages: stages.collect() }
    }

    #[test]
    fn stages_and_what_fell_out_are_the_stage_before() {
        let table: [(Stages, bool); 7] = [
            (&[], true),
            (&[(5, &[])], true),
            (&[(0, &[]), (0, &[0])], true),
            (&[(100, &[]), (90, &[7, 3]), (45, &[45])], true),
            (&[(100, &[]), (90, &[7])], false),
            (&[(100, &[]), (101, &[])], false),
            (&[(100, &[]), (90, &[7, 4])], false),
        ];
        for (stages, expected) in table {
            assert_eq!(funnel(stages).adds_up(), expected, "{stages:?}");
        }
    }

    #[test]
    fn every_stage_and_every_loss_is_written_out() {
        let reader = Reader::stranger("en");
        let html = funnel(&[(1_000_000, &[]), (999_000, &[1_000, 0]), (0, &[999_000])])
            .render(&reader)
            .into_string();
        for expected in ["1,000,000", "999,000", "−1,000 reason", "99.9%", "0%", "width=\"99.90%\""] {
            assert!(html.contains(expected), "{expected}: {html}");
        }
        assert!(!html.contains("−0 "), "{html}");
    }

    #[test]
    fn an_empty_one_divides_by_nothing() {
        let html = funnel(&[(0, &[]), (0, &[])]).render(&Reader::stranger("en")).into_string();
        assert!(!html.contains("<rect"), "{html}");
    }
}
