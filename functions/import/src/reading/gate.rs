//! Holds rows, in their order, until it is known whether the domains of their addresses take mail.
//!
//! The questions about many rows are under way at once; what waits is bounded by number and bytes.

use std::{cell::Cell, collections::VecDeque, rc::Rc};

use super::{
    records::{Content, Fields, Record},
    rows::Stop,
};

/// Rows that wait at most: enough for many questions at once, also where some hundred rows in a row have the same domain.
const ROWS_HELD_MAX: usize = 8_192;
/// Their bytes at most, but for a single row above it.
const BYTES_HELD_MAX: usize = 8 << 20;

/// Whether a domain takes mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Takes,
    /// It certainly does not.
    TakesNone,
    /// The name servers did not say.
    Unknown,
}

/// A question, and its answer once there is one.
pub type Question = Rc<Cell<Option<Verdict>>>;

/// Who knows about domains, and takes time to find out.
pub trait Domains {
    /// Asks. The answer may be there at once.
    fn ask(&mut self, domain: &str) -> Question;
    /// Fills in the answers that have come.
    fn look(&mut self);
    /// Waits until this question has its answer. It gets one.
    fn wait(&mut self, question: &Question) -> Verdict;
}

/// The rows that wait.
pub struct Gate<'d> {
    domains: &'d mut dyn Domains,
    held: VecDeque<Held>,
    bytes: usize,
    rows_max: usize,
    bytes_max: usize,
    unknown: u64,
}

struct Held {
    line: u64,
    content: HeldContent,
    question: Option<Question>,
}

enum HeldContent {
    Fields { bytes: Vec<u8>, ends: Vec<usize> },
    TooMany(usize),
    TooLong,
}

impl<'d> Gate<'d> {
    /// An empty one.
    pub fn new(domains: &'d mut dyn Domains) -> Self {
        let (rows_max, bytes_max) = (ROWS_HELD_MAX, BYTES_HELD_MAX);
        Self { domains, held: VecDeque::new(), bytes: 0, rows_max, bytes_max, unknown: 0 }
    }

    /// Takes a record in and lets those out that are decided. `domain` is its address's, where it has a valid one; `out` is told whether
    /// that domain takes no mail.
    pub fn pass(
        &mut self,
        record: &Record<'_>,
        domain: Option<&str>,
        mut out: impl FnMut(&Record<'_>, bool) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let question = domain.map(|domain| self.domains.ask(domain));
        self.domains.look();
        self.release(&mut out, |gate| answered(gate.held.front()?.question.as_ref()))?;
        if self.held.is_empty()
            && let Some(verdict) = answered(question.as_ref())
        {
            return out(record, self.refused(verdict));
        }
        let held = Held::new(record, question);
        self.bytes += held.bytes();
        self.held.push_back(held);
        self.release(&mut out, |gate| {
            let full = gate.held.len() > gate.rows_max || gate.bytes > gate.bytes_max;
            if full { gate.decide_first() } else { None }
        })
    }

    /// Lets the rest out. How many of all rows were imported although nobody knows whether their domain takes mail.
    pub fn finish(mut self, mut out: impl FnMut(&Record<'_>, bool) -> Result<(), Stop>) -> Result<u64, Stop> {
        self.release(&mut out, Self::decide_first)?;
        Ok(self.unknown)
    }

    /// Lets rows out from the front as long as `decided` says what became of the first one's question.
    fn release(
        &mut self,
        out: &mut impl FnMut(&Record<'_>, bool) -> Result<(), Stop>,
        decided: impl Fn(&mut Self) -> Option<Verdict>,
    ) -> Result<(), Stop> {
        while let Some(verdict) = decided(self) {
            let Some(held) = self.held.pop_front() else { break };
            self.bytes -= held.bytes();
            let refused = self.refused(verdict);
            out(&held.record(), refused)?;
        }
        Ok(())
    }

    fn decide_first(&mut self) -> Option<Verdict> {
        let question = self.held.front()?.question.clone();
        Some(question.map_or(Verdict::Takes, |question| self.domains.wait(&question)))
    }

    fn refused(&mut self, verdict: Verdict) -> bool {
        self.unknown += u64::from(verdict == Verdict::Unknown);
        verdict == Verdict::TakesNone
    }
}

/// The verdict, once there is one. Of a row without a question the domain does not matter.
fn answered(question: Option<&Question>) -> Option<Verdict> {
    question.map_or(Some(Verdict::Takes), |question| question.get())
}

impl Held {
    fn new(record: &Record<'_>, question: Option<Question>) -> Self {
        let content = match &record.content {
            Content::Fields(Fields { bytes, ends }) => {
                HeldContent::Fields { bytes: bytes.to_vec(), ends: ends.to_vec() }
            }
            Content::TooMany(found) => HeldContent::TooMany(*found),
            Content::TooLong => HeldContent::TooLong,
        };
        Self { line: record.line, content, question }
    }

    fn record(&self) -> Record<'_> {
        let content = match &self.content {
            HeldContent::Fields { bytes, ends } => Content::Fields(Fields { bytes, ends }),
            HeldContent::TooMany(found) => Content::TooMany(*found),
            HeldContent::TooLong => Content::TooLong,
        };
        Record { line: self.line, content }
    }

    fn bytes(&self) -> usize {
        match &self.content {
            HeldContent::Fields { bytes, ends } => bytes.len() + size_of_val(ends.as_slice()),
            HeldContent::TooMany(_) | HeldContent::TooLong => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers only who is waited for, the last question first.
    #[derive(Default)]
    struct Slow {
        asked: Vec<(String, Question)>,
        waits: usize,
    }

    fn verdict(domain: &str) -> Verdict {
        match domain.as_bytes()[0] {
            b'n' => Verdict::TakesNone,
            b'u' => Verdict::Unknown,
            _ => Verdict::Takes,
        }
    }

    impl Domains for Slow {
        fn ask(&mut self, domain: &str) -> Question {
            let question = Question::default();
            self.asked.push((domain.to_owned(), Rc::clone(&question)));
            question
        }

        fn look(&mut self) {}

        fn wait(&mut self, question: &Question) -> Verdict {
            self.waits += usize::from(question.get().is_none());
            for (domain, question) in self.asked.drain(..).rev() {
                question.set(Some(verdict(&domain)));
            }
            question.get().unwrap()
        }
    }

    struct Passed {
        /// Line, first field's text, refused.
        rows: Vec<(u64, String, bool)>,
        unknown: u64,
        waits: usize,
        held_most: usize,
    }

    fn pass(rows: &[&str], rows_max: usize, bytes_max: usize) -> Passed {
        let mut domains = Slow::default();
        let mut gate = Gate { rows_max, bytes_max, ..Gate::new(&mut domains) };
        let (mut passed, mut held_most) = (Vec::new(), 0);
        let mut out = |record: &Record<'_>, refused: bool| {
            let text = match &record.content {
                Content::Fields(fields) => {
                    String::from_utf8(fields.bytes[..fields.ends[0]].to_vec()).unwrap()
                }
                Content::TooMany(found) => format!("{found} fields"),
                Content::TooLong => "long".to_owned(),
            };
            passed.push((record.line, text, refused));
            Ok(())
        };
        for (at, row) in rows.iter().enumerate() {
            let ends = [row.len()];
            let content = match *row {
                "many" => Content::TooMany(9),
                "long" => Content::TooLong,
                row => Content::Fields(Fields { bytes: row.as_bytes(), ends: &ends }),
            };
            let domain = row.split_once('@').map(|(_, domain)| domain);
            gate.pass(&Record { line: at as u64, content }, domain, &mut out).unwrap();
            held_most = held_most.max(gate.held.len());
        }
        let unknown = gate.finish(&mut out).unwrap();
        Passed { rows: passed, unknown, waits: domains.waits, held_most }
    }

    #[test]
    fn rows_leave_in_their_order_with_their_domains_verdict() {
        let rows = ["many", "a@yes", "bad", "b@no", "long", "c@unknown", "d@no", "e@unknown"];
        for (rows_max, waits) in [(100, 1), (2, 3), (0, 5)] {
            let passed = pass(&rows, rows_max, 1 << 20);
            let texts: Vec<_> =
                passed.rows.iter().map(|(_, text, refused)| (text.as_str(), *refused)).collect();
            let expected = [
                ("9 fields", false),
                ("a@yes", false),
                ("bad", false),
                ("b@no", true),
                ("long", false),
                ("c@unknown", false),
                ("d@no", true),
                ("e@unknown", false),
            ];
            assert_eq!(texts, expected);
            assert!(passed.rows.iter().enumerate().all(|(at, (line, ..))| *line == at as u64));
            assert_eq!(passed.unknown, 2);
            assert!(passed.held_most <= rows_max);
            assert!(passed.waits <= waits, "{} waits", passed.waits);
        }
    }

    #[test]
    fn what_is_held_is_bounded_by_bytes_too() {
        let rows = ["a@yes", "b@yes", "c@yes", "d@yes"];
        let bytes = rows[0].len() + size_of::<usize>();
        assert_eq!(pass(&rows, 100, 2 * bytes).held_most, 2);
        assert_eq!(pass(&rows, 100, 0).held_most, 0);
    }

    #[test]
    fn a_row_without_a_question_is_not_held() {
        assert_eq!(pass(&["bad", "many", "long"], 100, 100).held_most, 0);
    }
}
