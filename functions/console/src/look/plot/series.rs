use maud::{Markup, html};
use time::OffsetDateTime;

use super::scale;
use crate::{
    look::{Cell, Column, Table},
    person::Reader,
};

/// Of the drawing, in its own units.
const WIDTH: u32 = 720;
const HEIGHT: u32 = 240;
/// For the numbers of the axes.
const LEFT: u32 = 64;
const RIGHT: u32 = 16;
const TOP: u32 = 12;
const BOTTOM: u32 = 32;
/// Labels of times that fit under it.
const LABELS_MAX: usize = 6;
/// How many lines can be told apart: each has a dash, a mark and a colour.
const LINES_MAX: usize = 4;

/// One line, with as many numbers as there are times.
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    pub(crate) counts: Vec<u64>,
}

/// How several things went, hour by hour.
pub(crate) struct Series<'a> {
    /// Tells plots of one page apart.
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    /// When each hour began.
    pub(crate) times: Vec<OffsetDateTime>,
    pub(crate) lines: Vec<Line<'a>>,
}

/// Where a number of the plot stands.
fn place(at: usize, of: usize, count: u64, top: u64) -> (String, String) {
    let (inner_width, inner_height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    // One time alone stands in the middle.
    let along =
        if of < 2 { tenths(1, 2, inner_width) } else { tenths(at as u64, of as u64 - 1, inner_width) };
    let up = tenths(count, top, inner_height);
    (written(u64::from(LEFT) * 10 + along), written(u64::from(HEIGHT - BOTTOM) * 10 - up))
}

/// A share of a length, in tenths of a unit.
fn tenths(part: u64, whole: u64, length: u32) -> u64 {
    let share = u128::from(part.min(whole)) * u128::from(length) * 10 / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or_default()
}

fn written(tenths: u64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

impl Series<'_> {
    pub(crate) fn render(&self, reader: &Reader) -> Markup {
        let Self { id, title, .. } = self;
        html! {
            figure.card.plot {
                figcaption { h3 { (title) } }
                (self.legend())
                div.scroll role="region" aria-label=(title) tabindex="0" {
                    svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby={ (id) "-title " (id) "-text" } {
                        title id={ (id) "-title" } { (title) }
                        desc id={ (id) "-text" } { (self.description(reader)) }
                        (self.axes(reader))
                        @for (number, line) in self.lines.iter().take(LINES_MAX).enumerate() { (self.line(number + 1, line)) }
                    }
                }
                details.more {
                    summary { (reader.t("plot-numbers")) }
                    (self.table(reader))
                }
            }
        }
    }

    fn top(&self) -> u64 {
        scale::top(self.lines.iter().flat_map(|line| &line.counts).copied().max().unwrap_or(0))
    }

    /// What somebody who does not see it is told: from when to when, and how many of each there were.
    fn description(&self, reader: &Reader) -> String {
        let (Some(first), Some(last)) = (self.times.first(), self.times.last()) else {
            return reader.t("plot-empty");
        };
        let sums = self
            .lines
            .iter()
            .map(|line| format!("{}: {}", line.name, reader.number(line.counts.iter().sum())));
        let span = [("from", reader.minute(*first).into()), ("to", reader.minute(*last).into())];
        format!("{} {}.", reader.t_with("plot-span", &span), sums.collect::<Vec<_>>().join(", "))
    }

    fn legend(&self) -> Markup {
        html! {
            ul.legend {
                @for (number, line) in self.lines.iter().take(LINES_MAX).enumerate() {
                    li {
                        svg viewBox="0 0 32 12" aria-hidden="true" {
                            path class={ "line line-" (number + 1) } d="M1 6h30" {}
                            (mark(number + 1, "16", "6"))
                        }
                        (line.name)
                    }
                }
            }
        }
    }

    fn axes(&self, reader: &Reader) -> Markup {
        let (top, step) = (self.top(), scale::step(self.top()));
        let across = (0..=top / step).map(|number| number * step);
        let every = scale::every(self.times.len(), LABELS_MAX);
        let labelled = self.times.iter().enumerate().step_by(every);
        html! {
            @for count in across {
                @let (_, y) = place(0, 1, count, top);
                line class=(if count == 0 { "axis" } else { "grid" }) x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y) y2=(y) {}
                text x=(LEFT - 8) y=(y) dy="4" text-anchor="end" { (reader.number(count)) }
            }
            @for (at, time) in labelled {
                @let (x, _) = place(at, self.times.len(), 0, 1);
                line.axis x1=(x) x2=(x) y1=(HEIGHT - BOTTOM) y2=(HEIGHT - BOTTOM + 5) {}
                text x=(x) y=(HEIGHT - BOTTOM + 20) text-anchor=(if at == 0 && self.times.len() > 1 { "start" } else { "middle" }) {
                    (reader.tick(*time, every >= 24))
                }
            }
            @if self.times.is_empty() {
                text x=(WIDTH / 2) y=(HEIGHT / 2) text-anchor="middle" { (reader.t("plot-empty")) }
            }
        }
    }

    fn line(&self, number: usize, line: &Line<'_>) -> Markup {
        let top = self.top();
        let points: Vec<_> = line
            .counts
            .iter()
            .take(self.times.len())
            .enumerate()
            .map(|(at, count)| place(at, self.times.len(), *count, top))
            .collect();
        let path: Vec<_> = points.iter().map(|(x, y)| format!("{x} {y}")).collect();
        // Marks on many points would be a second line.
        let every = scale::every(points.len(), 12);
        html! {
            @if points.len() > 1 { path class={ "line line-" (number) } d={ "M" (path.join("L")) } {} }
            @for (x, y) in points.iter().step_by(every) { (mark(number, x, y)) }
        }
    }

    fn table(&self, reader: &Reader) -> Markup {
        let hour = reader.t("plot-hour");
        let columns: Vec<_> = [Column { name: &hour, cell: Cell::Short }]
            .into_iter()
            .chain(self.lines.iter().map(|line| Column::number(line.name)))
            .collect();
        let rows = self.times.iter().enumerate().map(|(at, time)| {
            let counts = self.lines.iter().map(|line| {
                let count = line.counts.get(at).copied().unwrap_or(0);
                html! { (reader.number(count)) }
            });
            [reader.time(*time)].into_iter().chain(counts).collect()
        });
        Table {
            caption: self.title,
            caption_hidden: true,
            columns: &columns,
            rows: rows.collect(),
            total: None,
        }
        .render()
    }
}

/// A circle, a square, a triangle, a diamond.
fn mark(number: usize, x: &str, y: &str) -> Markup {
    let shape = match number {
        2 => "M-4-4h8v8h-8z",
        3 => "M0-5 5 4H-5z",
        4 => "M0-5.500 5.500 0 0 5.500-5.500 0z",
        _ => "M-4.200 0a4.200 4.200 0 1 0 8.400 0a4.200 4.200 0 1 0-8.400 0z",
    };
    html! { path class={ "dot dot-" (number) } transform={ "translate(" (x) " " (y) ")" } d=(shape) {} }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(counts: &[&[u64]]) -> String {
        let hours = counts.first().map_or(0, |counts| i64::try_from(counts.len()).unwrap());
        let times = (0..hours).map(|hour| OffsetDateTime::UNIX_EPOCH + time::Duration::hours(hour));
        let lines = counts.iter().map(|counts| Line { name: "opens", counts: counts.to_vec() });
        let series = Series { id: "a", title: "Responses", times: times.collect(), lines: lines.collect() };
        series.render(&Reader::stranger("en")).into_string()
    }

    #[test]
    fn numbers_stand_at_their_place() {
        for (at, of, count, top, expected) in [
            (0, 2, 0, 10, ("64.0", "208.0")),
            (1, 2, 10, 10, ("704.0", "12.0")),
            (1, 3, 5, 10, ("384.0", "110.0")),
            // One alone, and what is above the top.
            (0, 1, 0, 1, ("384.0", "208.0")),
            (0, 1, 99, 10, ("384.0", "12.0")),
        ] {
            let (x, y) = place(at, of, count, top);
            assert_eq!((x.as_str(), y.as_str()), expected, "{at} of {of}, {count} of {top}");
        }
    }

    #[test]
    fn nothing_one_hour_and_zeros_are_plots_too() {
        for (counts, lines, marks) in
            [(&[][..], 0, 0), (&[&[][..]][..], 0, 0), (&[&[7][..]][..], 0, 1), (&[&[0, 0, 0][..]][..], 1, 3)]
        {
            let html = series(counts);
            let plot = html.split_once("role=\"img\"").unwrap().1.split_once("</svg>").unwrap().0;
            assert_eq!(plot.matches("class=\"line ").count(), lines, "{plot}");
            assert_eq!(plot.matches("class=\"dot ").count(), marks, "{plot}");
            assert_eq!(plot.contains("Nothing yet"), marks == 0, "{plot}");
        }
    }

    #[test]
    fn every_number_stands_in_the_table() {
        let html = series(&[&[1_200, 3], &[4, 56]]);
        let table = html.split_once("<table>").unwrap().1;
        for number in ["1,200", "3", "4", "56"] {
            assert!(table.contains(&format!(">{number}</td>")), "{number}: {table}");
        }
    }
}
