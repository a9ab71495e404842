//! What became of a campaign's rows, addresses and mails, as plots and tables.

use std::collections::BTreeMap;

use maud::{Markup, html};
use time::{Duration, OffsetDateTime};

use super::data::{Accounting, Bounces, Domains, Figures, Link, Report, Responses, Version};
use crate::{
    look::{Bar, Bars, Column, Funnel, Line, Notice, Series, Stage, Table, figures, notice},
    person::Reader,
};

/// Hours that the plot shows: two weeks, as the report has them.
const HOURS_MAX: usize = 336;
/// What the plot shows, each where there is some of it.
const PLOTTED: [&str; 4] = ["delivered", "opened", "clicked", "bounced"];
/// What a mail that waits for something is: its way is not at its end.
const UNDER_WAY: [&str; 4] = ["pending", "spooled", "sending", "deferred"];
/// Ends of mails that were not sent, in the order in which they are named.
const NOT_SENT: [&str; 6] = ["suppressed", "refused", "failed", "cancelled", "expired", "unknown"];

/// The few numbers first.
pub(crate) fn summary(reader: &Reader, report: &Report) -> Markup {
    let Some(Responses { totals, .. }) = &report.responses else { return html! {} };
    let of = |count: u64, whole: u64| html! { (reader.number(count)) " " span.quiet { (reader.percent(count, whole)) } };
    figures(&[
        (&reader.t("figure-sent"), html! { (reader.number(totals.sent)) }),
        (&reader.t("figure-delivered"), of(totals.delivered, totals.sent)),
        (&reader.t("figure-opened"), of(totals.opened_by_people, totals.delivered)),
        (&reader.t("figure-clicked"), of(totals.clicked_by_people, totals.delivered)),
        (&reader.t("figure-bounced"), of(totals.bounced, totals.sent)),
        (&reader.t("figure-unsubscribed"), of(totals.unsubscribed, totals.delivered)),
        (&reader.t("figure-complained"), of(totals.complained, totals.delivered)),
    ])
}

/// From the rows of all files to the mails that arrived.
pub(crate) fn funnel(reader: &Reader, accounting: &Accounting) -> Markup {
    let names: BTreeMap<String, String> = stages(accounting)
        .iter()
        .flat_map(|(stage, _, fell)| std::iter::once(*stage).chain(fell.iter().map(|(name, _)| *name)))
        .map(|name| (name.to_owned(), reader.t(&format!("funnel-{name}"))))
        .collect();
    let name = |key: &str| names.get(key).map_or("", String::as_str);
    let stages = stages(accounting).into_iter().map(|(stage, count, fell)| Stage {
        name: name(stage),
        count,
        fell: fell.into_iter().map(|(reason, count)| (name(reason), count)).collect(),
    });
    let funnel = Funnel { caption: &reader.t("funnel-caption"), stages: stages.collect() };
    html! {
        @if !(accounting.balanced && funnel.adds_up()) {
            (notice(Notice::Warning, &html! { p { (reader.t("funnel-unbalanced")) } }))
        }
        (funnel.render(reader))
        @if accounting.delivered_assumed && accounting.mails("sent") > 0 { p.quiet { (reader.t("funnel-assumed")) } }
    }
}

type StageNumbers = (&'static str, u64, Vec<(&'static str, u64)>);

/// The stages with their numbers: each and what fell out before it are together the one before.
fn stages(accounting: &Accounting) -> Vec<StageNumbers> {
    let Accounting { rows, imported, rejected, duplicates, erased, delivered, .. } = *accounting;
    let addresses = imported.saturating_sub(duplicates + erased);
    let sent = accounting.mails("sent");
    let under_way = UNDER_WAY.iter().map(|state| accounting.mails(state)).sum();
    let unlaunched = u64::try_from(accounting.unlaunched).unwrap_or(0);
    let mut not_sent = vec![("unlaunched", unlaunched), ("under-way", under_way)];
    not_sent.extend(NOT_SENT.iter().map(|state| (*state, accounting.mails(state))));
    let some = |fell: Vec<(&'static str, u64)>| fell.into_iter().filter(|(_, count)| *count > 0).collect();
    let missing = if accounting.delivered_assumed { "bounced" } else { "undelivered" };
    vec![
        ("rows", rows, Vec::new()),
        ("imported", imported, some(vec![("rejected", rejected)])),
        ("addresses", addresses, some(vec![("duplicates", duplicates), ("erased", erased)])),
        ("sent", sent, some(not_sent)),
        ("delivered", delivered, some(vec![(missing, sent.saturating_sub(delivered))])),
    ]
}

/// What came back, hour by hour.
pub(crate) fn hours(reader: &Reader, responses: &Responses) -> Markup {
    let (times, lines) = series(responses);
    if times.is_empty() {
        return html! { h2 { (reader.t("hours-title")) } p.quiet { (reader.t("hours-none")) } };
    }
    let named: Vec<(String, Vec<u64>)> =
        lines.into_iter().map(|(kind, counts)| (reader.t(&format!("kind-{kind}")), counts)).collect();
    let lines = named.iter().map(|(name, counts)| Line { name, counts: counts.clone() }).collect();
    Series { id: "hours", title: &reader.t("hours-title"), times, lines }.render(reader)
}

/// Every hour from the first to the last, and what happened in each. A kind of which there is nothing has no line.
fn series(responses: &Responses) -> (Vec<OffsetDateTime>, Vec<(&'static str, Vec<u64>)>) {
    let hours = responses.hours.iter().filter(|hour| PLOTTED.contains(&hour.kind.as_str()));
    let (Some(first), Some(last)) =
        (hours.clone().map(|hour| hour.hour).min(), hours.clone().map(|hour| hour.hour).max())
    else {
        return (Vec::new(), Vec::new());
    };
    let place = |hour: OffsetDateTime| usize::try_from((hour - first).whole_hours()).unwrap_or(usize::MAX);
    let length = place(last).min(HOURS_MAX - 1) + 1;
    let times = (0..length).map(|at| first + Duration::HOUR * i32::try_from(at).unwrap_or(0)).collect();
    let lines = PLOTTED.iter().filter_map(|kind| {
        let mut counts = vec![0; length];
        for hour in hours.clone().filter(|hour| hour.kind == *kind) {
            if let Some(count) = counts.get_mut(place(hour.hour)) {
                *count += hour.total;
            }
        }
        counts.iter().any(|count| *count > 0).then_some((*kind, counts))
    });
    (times, lines.collect())
}

/// Clicks by link.
pub(crate) fn links(reader: &Reader, links: &[Link]) -> Markup {
    if links.is_empty() {
        return html! { p.quiet { (reader.t("links-none")) } };
    }
    let row = |link: &Link| {
        vec![
            html! { span.break { (link.url) } },
            html! { (link.template_version) },
            html! { (reader.number(link.mails)) },
            html! { (reader.number(link.total)) },
            html! { (reader.number(link.human)) },
        ]
    };
    let heads =
        ["links-url", "version", "links-mails", "links-total", "links-human"].map(|key| reader.t(key));
    Table {
        caption: &reader.t("links-title"),
        caption_hidden: true,
        columns: &[
            Column::text(&heads[0]),
            Column::number(&heads[1]),
            Column::number(&heads[2]),
            Column::number(&heads[3]),
            Column::number(&heads[4]),
        ],
        rows: links.iter().map(row).collect(),
        total: None,
    }
    .render()
}

/// What became of the mails to each domain.
pub(crate) fn domains(reader: &Reader, domains: &Domains) -> Markup {
    if domains.items.is_empty() {
        return html! { p.quiet { (reader.t("domains-none")) } };
    }
    let shown = domains.items.len() as u64;
    let rows = domains.items.iter().map(|domain| (html! { span.break { (domain.domain) } }, &domain.figures));
    html! {
        (figures_table(reader, "domains-title", "domain", rows))
        @if domains.domains > shown {
            p.quiet { (reader.t_with("domains-more", &[("shown", shown.into()), ("all", domains.domains.into())])) }
        }
    }
}

/// What became of the mails of each version.
pub(crate) fn versions(reader: &Reader, versions: &[Version]) -> Markup {
    let rows = versions.iter().map(|version| (html! { (version.template_version) }, &version.figures));
    figures_table(reader, "versions-title", "version", rows)
}

fn figures_table<'a>(
    reader: &Reader,
    caption: &str,
    name: &str,
    rows: impl Iterator<Item = (Markup, &'a Figures)>,
) -> Markup {
    let heads = ["sent", "delivered", "bounced", "opened", "clicked", "unsubscribed", "complained"]
        .map(|name| reader.t(&format!("figure-{name}")));
    let name = reader.t(name);
    let columns: Vec<Column<'_>> =
        std::iter::once(Column::text(&name)).chain(heads.iter().map(|head| Column::number(head))).collect();
    let row = |(name, f): (Markup, &Figures)| {
        let counts = [
            f.sent,
            f.delivered,
            f.bounced,
            f.opened_by_people,
            f.clicked_by_people,
            f.unsubscribed,
            f.complained,
        ];
        std::iter::once(name).chain(counts.map(|count| html! { (reader.number(count)) })).collect()
    };
    let caption = reader.t(caption);
    Table {
        caption: &caption,
        caption_hidden: true,
        columns: &columns,
        rows: rows.map(row).collect(),
        total: None,
    }
    .render()
}

/// Why mails came back.
pub(crate) fn bounces(reader: &Reader, bounces: &[Bounces]) -> Markup {
    if bounces.is_empty() {
        return html! { h2 { (reader.t("bounces-title")) } p.quiet { (reader.t("bounces-none")) } };
    }
    let bars = bounces.iter().map(|bounce| Bar { name: reason(reader, bounce), count: bounce.mails });
    Bars {
        caption: &reader.t("bounces-title"),
        names: &reader.t("bounces-reason"),
        counts: &reader.t("bounces-mails"),
        bars: bars.collect(),
        whole: bounces.iter().map(|bounce| bounce.mails).sum(),
    }
    .render(reader)
}

/// In words where the code (RFC 3463) is one of the usual ones.
fn reason(reader: &Reader, bounce: &Bounces) -> Markup {
    let class = reader.t(&format!("bounce-{}", bounce.class));
    let Some(status) = &bounce.status else { return html! { (class) } };
    let words = match status.split_once('.').map(|(_, rest)| rest) {
        Some("1.1" | "1.2" | "1.10") => Some("bounce-unknown"),
        Some("2.1") => Some("bounce-disabled"),
        Some("2.2") => Some("bounce-full"),
        Some("3.4") => Some("bounce-large"),
        Some("4.1" | "4.4" | "4.7") => Some("bounce-unreachable"),
        Some("7.1" | "7.0") => Some("bounce-policy"),
        Some("7.20" | "7.21" | "7.22" | "7.23" | "7.24" | "7.25" | "7.26" | "7.27") => {
            Some("bounce-authentication")
        }
        _ => None,
    };
    html! { (class) ": " @if let Some(words) = words { (reader.t(words)) " " } code { (status) } }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::campaigns::data::Hour;

    fn accounting() -> Accounting {
        let ledger = [("sent", 70), ("suppressed", 5), ("deferred", 2), ("pending", 1), ("unknown", 1)];
        Accounting {
            rows: 100,
            imported: 95,
            rejected: 5,
            duplicates: 6,
            erased: 1,
            unlaunched: 9,
            ledger: ledger.map(|(state, count)| (state.to_owned(), count)).into(),
            delivered: 68,
            delivered_assumed: true,
            balanced: true,
        }
    }

    #[test]
    fn the_stages_add_up() {
        let stages = stages(&accounting());
        let text: Vec<String> =
            stages.iter().map(|(name, count, fell)| format!("{name} {count} {fell:?}")).collect();
        assert_eq!(
            text,
            [
                "rows 100 []",
                "imported 95 [(\"rejected\", 5)]",
                "addresses 88 [(\"duplicates\", 6), (\"erased\", 1)]",
                "sent 70 [(\"unlaunched\", 9), (\"under-way\", 3), (\"suppressed\", 5), (\"unknown\", 1)]",
                "delivered 68 [(\"bounced\", 2)]",
            ]
        );
        let reader = Reader::stranger("en");
        assert!(!funnel(&reader, &accounting()).into_string().contains("notice"), "it adds up");
        let odd = Accounting { rejected: 4, ..accounting() };
        assert!(funnel(&reader, &odd).into_string().contains("notice"), "it does not");
    }

    #[test]
    fn hours_without_responses_stand_there_too() {
        let hour = |hour, kind: &str, total| Hour { hour, kind: kind.to_owned(), total };
        let responses = Responses {
            totals: Figures::default(),
            links: Vec::new(),
            hours: vec![
                hour(datetime!(2026-12-01 10:00 UTC), "opened", 3),
                hour(datetime!(2026-12-01 12:00 UTC), "clicked", 1),
                hour(datetime!(2026-12-01 12:00 UTC), "opened", 2),
                hour(datetime!(2026-12-01 13:00 UTC), "unsubscribed", 9),
            ],
            versions: Vec::new(),
        };
        let (times, lines) = series(&responses);
        assert_eq!(times.len(), 3);
        assert_eq!(lines, [("opened", vec![3, 0, 2]), ("clicked", vec![0, 0, 1])]);
        let none = Responses { hours: Vec::new(), ..responses };
        assert!(series(&none).0.is_empty());
    }
}
