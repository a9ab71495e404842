use maud::{Markup, html};

use super::{bar, width};
use crate::person::Reader;

/// One line of the list.
pub(crate) struct Bar {
    pub(crate) name: Markup,
    pub(crate) count: u64,
}

/// Several of a kind with how many there are of each: domains, links, reasons.
#[expect(clippy::struct_field_names, reason = "it is a list of them")]
pub(crate) struct Bars<'a> {
    pub(crate) caption: &'a str,
    /// What the names are, and what is counted.
    pub(crate) names: &'a str,
    pub(crate) counts: &'a str,
    pub(crate) bars: Vec<Bar>,
    /// Of which each is a share. Where the list is cut it is more than its sum.
    pub(crate) whole: u64,
}

impl Bars<'_> {
    pub(crate) fn render(&self, reader: &Reader) -> Markup {
        let most = self.bars.iter().map(|bar| bar.count).max().unwrap_or(0);
        html! {
            div.scroll role="region" aria-label=(self.caption) tabindex="0" {
                table.bars {
                    caption { (self.caption) }
                    thead {
                        tr {
                            th scope="col" { (self.names) }
                            // The shape of the number beside it.
                            td.stroke {}
                            th.number scope="col" { (self.counts) }
                            th.number scope="col" { (reader.t("share")) }
                        }
                    }
                    tbody {
                        @for Bar { name, count } in &self.bars {
                            tr {
                                th scope="row" { (name) }
                                td.stroke { svg aria-hidden="true" { (bar("kept", 0, width(*count, most))) } }
                                td.number { (reader.number(*count)) }
                                td.number { (reader.percent(*count, self.whole)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
