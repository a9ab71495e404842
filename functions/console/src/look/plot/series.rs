use maud::{Markup, html};
use time::OffsetDateTime;

use super::{WHOLE, percent, scale};
use crate::{
    look::{Cell, Column, Table},
    person::Reader,
};

/// Labels of times that fit under it, on a phone too.
const LABELS_MAX: usize = 5;
/// Marks on one line. More would be a second line.
const MARKS_MAX: usize = 12;
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

/// Where things stand: in hundredths of a percent of the width and of the height, from the left and from the top. So it is as wide as the screen is,
/// and its letters are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Scale {
    /// The highest number.
    top: u64,
    /// Between two lines across.
    step: u64,
    /// Between two labels of times, in times.
    every: usize,
    /// Of the last label: the axis may end behind the last time.
    end: usize,
}

impl Scale {
    fn new(times: usize, most: u64) -> Self {
        let top = scale::top(most);
        let last = times.saturating_sub(1);
        let every = scale::every(last, LABELS_MAX - 1);
        Self { top, step: scale::step(top), every, end: last.next_multiple_of(every) }
    }

    fn place(self, at: usize, count: u64) -> (u64, u64) {
        // One time alone stands in the middle.
        let along = if self.end == 0 { WHOLE / 2 } else { share(at as u64, self.end as u64) };
        (along, WHOLE - share(count, self.top))
    }
}

fn share(part: u64, whole: u64) -> u64 {
    let share = u128::from(part.min(whole)) * u128::from(WHOLE) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(WHOLE)
}

impl Series<'_> {
    pub(crate) fn render(&self, reader: &Reader) -> Markup {
        html! {
            figure.card.plot {
                figcaption { (self.title) }
                @if self.times.is_empty() {
                    p.quiet { (reader.t("plot-empty")) }
                } @else {
                    (self.legend())
                    (self.chart(reader))
                    details.more {
                        summary { (reader.t("plot-numbers")) }
                        (self.table(reader))
                    }
                }
            }
        }
    }

    fn chart(&self, reader: &Reader) -> Markup {
        let (Self { id, title, .. }, scale) = (self, self.scale());
        let across = || (0..=scale.top / scale.step).map(|number| number * scale.step);
        html! {
            div.chart {
                // The table under it has them for those who do not see.
                ol.up aria-hidden="true" { @for count in across().rev() { li { span { (reader.number(count)) } } } }
                svg role="img" aria-labelledby={ (id) "-title " (id) "-text" } {
                    title id={ (id) "-title" } { (title) }
                    desc id={ (id) "-text" } { (self.description(reader)) }
                    @for count in across() {
                        @let y = percent(scale.place(0, count).1);
                        line class=(if count == 0 { "axis" } else { "grid" }) x1="0" x2="100%" y1=(y) y2=(y) {}
                    }
                    @for (number, line) in self.lines().enumerate() { (self.line(number + 1, line, scale)) }
                }
                ol.along aria-hidden="true" {
                    @for time in self.labels(scale) { li { span { (reader.tick(time, scale.every >= 24)) } } }
                }
            }
        }
    }

    fn scale(&self) -> Scale {
        Scale::new(self.times.len(), self.lines().flat_map(|line| &line.counts).copied().max().unwrap_or(0))
    }

    fn lines(&self) -> impl Iterator<Item = &Line<'_>> {
        self.lines.iter().take(LINES_MAX)
    }

    /// The times that are written under it. The last one may be yet to come.
    fn labels(&self, scale: Scale) -> Vec<OffsetDateTime> {
        let (Some(first), Some(last)) = (self.times.first(), self.times.last()) else { return Vec::new() };
        let between = i32::try_from(self.times.len().saturating_sub(1)).ok().filter(|between| *between > 0);
        let step = between.map_or(time::Duration::HOUR, |between| (*last - *first) / between);
        let labels = (0..=scale.end).step_by(scale.every);
        labels.map(|at| *first + step * i32::try_from(at).unwrap_or(i32::MAX)).collect()
    }

    /// What somebody who does not see it is told: from when to when, and how many of each there were.
    fn description(&self, reader: &Reader) -> String {
        let (Some(first), Some(last)) = (self.times.first(), self.times.last()) else {
            return reader.t("plot-empty");
        };
        let sums =
            self.lines().map(|line| format!("{}: {}", line.name, reader.number(line.counts.iter().sum())));
        let span = [("from", reader.minute(*first).into()), ("to", reader.minute(*last).into())];
        format!("{} {}.", reader.t_with("plot-span", &span), sums.collect::<Vec<_>>().join(", "))
    }

    fn legend(&self) -> Markup {
        html! {
            ul.legend {
                @for (number, line) in self.lines().enumerate() {
                    li {
                        svg aria-hidden="true" {
                            line class={ "line line-" (number + 1) } x1="0" x2="100%" y1="50%" y2="50%" {}
                            (mark(number + 1, "50%", "50%"))
                        }
                        (line.name)
                    }
                }
            }
        }
    }

    fn line(&self, number: usize, line: &Line<'_>, scale: Scale) -> Markup {
        let counts = line.counts.iter().take(self.times.len()).enumerate();
        let points: Vec<_> = counts.map(|(at, count)| scale.place(at, *count)).collect();
        let path: Vec<_> = points.iter().map(|(x, y)| format!("{x} {y}")).collect();
        html! {
            @if points.len() > 1 {
                svg viewBox={ "0 0 " (WHOLE) " " (WHOLE) } preserveAspectRatio="none" overflow="visible" {
                    path class={ "line line-" (number) } vector-effect="non-scaling-stroke" d={ "M" (path.join("L")) } {}
                }
            }
            @for (x, y) in points.iter().step_by(scale::every(points.len(), MARKS_MAX)) {
                (mark(number, &percent(*x), &percent(*y)))
            }
        }
    }

    fn table(&self, reader: &Reader) -> Markup {
        let hour = reader.t("plot-hour");
        let columns: Vec<_> = [Column { name: &hour, cell: Cell::Short }]
            .into_iter()
            .chain(self.lines().map(|line| Column::number(line.name)))
            .collect();
        let rows = self.times.iter().enumerate().map(|(at, time)| {
            let counts = self.lines().map(|line| {
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
    html! { svg x=(x) y=(y) overflow="visible" { path class={ "dot dot-" (number) } d=(shape) {} } }
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
        for (times, most, at, count, expected) in [
            (2, 10, 0, 0, (0, 10_000)),
            (2, 10, 1, 10, (10_000, 0)),
            (3, 10, 1, 5, (5_000, 5_000)),
            // The axis ends at a round number, and at a label: 36 hours are 0, 12, 24 and 36.
            (36, 7, 35, 7, (9_722, 1_250)),
            // One alone, none at all, and what is above the top.
            (1, 1, 0, 0, (5_000, 10_000)),
            (0, 0, 0, 0, (5_000, 10_000)),
            (2, 10, 9, 99, (10_000, 0)),
        ] {
            assert_eq!(
                Scale::new(times, most).place(at, count),
                expected,
                "{at} of {times}, {count} of {most}"
            );
        }
    }

    #[test]
    fn labels_stand_at_equal_distances() {
        let series = |hours: i64| Series {
            id: "a",
            title: "a",
            times: (0..hours).map(|hour| OffsetDateTime::UNIX_EPOCH + time::Duration::hours(hour)).collect(),
            lines: vec![],
        };
        for (hours, expected) in [
            (0, &[][..]),
            (1, &[0]),
            (2, &[0, 1]),
            (5, &[0, 1, 2, 3, 4]),
            (6, &[0, 2, 4, 6]),
            (36, &[0, 12, 24, 36]),
            (673, &[0, 168, 336, 504, 672]),
        ] {
            let series = series(hours);
            let labels: Vec<_> =
                series.labels(series.scale()).iter().map(|time| time.unix_timestamp() / 3600).collect();
            assert_eq!(labels, expected, "{hours}");
        }
    }

    #[test]
    fn nothing_one_hour_and_zeros_are_plots_too() {
        for (counts, lines, marks) in
            [(&[][..], 0, 0), (&[&[][..]][..], 0, 0), (&[&[7][..]][..], 0, 1), (&[&[0, 0, 0][..]][..], 1, 3)]
        {
            let html = series(counts);
            let plot = html
                .split_once("role=\"img\"")
                .map_or("Nothing yet", |(_, rest)| rest.split_once("<ol").unwrap().0);
            assert_eq!(plot.matches("class=\"line ").count(), lines, "{plot}");
            assert_eq!(plot.matches("class=\"dot ").count(), marks, "{plot}");
            assert_eq!(html.contains("Nothing yet"), marks == 0, "{html}");
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
