//! Which addresses of a file stand in it twice, in bounded memory.
//!
//! Of up to some two million different addresses it is known exactly, and the database is not asked: to look through the table that was
//! just written, for some thousand digests, costs it a third of what writing it did. With more of them the same memory becomes a Bloom filter
//! (in blocks of one cache line), and the database counts the few that may be repeated.
//!
//! What counts exactly knows an address by 83 bits of its digest: of two million addresses two that differ are taken for the same once in
//! 10^12 files.

use std::{collections::HashSet, hint::black_box};

use mail::AddressKey;

/// Words of a line: 64 bytes, what the processor fetches from memory at once.
const LINE_WORDS: usize = 8;
/// Lines, 32 MiB of them. Each has room for eight addresses.
const LINES: usize = 1 << 19;
/// Digests for which their line has no room: there are so many at 2.6 million addresses. A megabyte and a half.
const SPILLED_MAX: usize = 1 << 15;
/// Digests that are known to be, or may be, repeated: 30 MiB at most. A file that repeats more addresses than that, and is too long to be
/// counted exactly, is counted as a whole.
const REPEATED_MAX: usize = 500_000;
/// Rows looked up together. Their lines come from memory at the same time, not each after the other.
const BATCH_ROWS: usize = 64;
/// Bits set for an address in its line once that is a filter: one false alarm in 10,000 at ten million addresses.
const FILTER_BITS: u32 = 6;
/// What a position among the 512 bits of a line takes.
const POSITION_BITS: u32 = 9;

type Line = [u64; LINE_WORDS];

/// Digests seen so far.
pub struct Repeats {
    words: Vec<u64>,
    /// Where the first line begins: lines of the vector are lines of the processor.
    aligned: usize,
    /// Whether lines are filters; they hold tags before, and 0 where there is none.
    filter: bool,
    batch: Vec<AddressKey>,
    spilled: HashSet<AddressKey>,
    /// Rows whose address was there before, while that is known exactly.
    rows: u64,
    /// Their addresses, and others once lines are filters; `None` when there were too many.
    repeated: Option<HashSet<AddressKey>>,
}

/// How many rows repeat an address of an earlier one.
#[derive(Debug, PartialEq, Eq)]
pub enum Repeated {
    /// So many.
    Rows(u64),
    /// All whose address is one of these stands in several rows, and some more.
    Among(Vec<AddressKey>),
    /// Too many to tell.
    Many,
}

impl Default for Repeats {
    fn default() -> Self {
        // Of zeros the system gives pages only where something is written: a short file takes little memory.
        let words = vec![0; (LINES + 1) * LINE_WORDS];
        let aligned = words.as_ptr().align_offset(size_of::<Line>()).min(LINE_WORDS);
        Self {
            words,
            aligned,
            filter: false,
            batch: Vec::with_capacity(BATCH_ROWS),
            spilled: HashSet::new(),
            rows: 0,
            repeated: Some(HashSet::new()),
        }
    }
}

impl Repeats {
    /// Notes one row's digest.
    pub fn note(&mut self, key: AddressKey) {
        self.batch.push(key);
        if self.batch.len() == BATCH_ROWS {
            self.look_up();
        }
    }

    /// What there is to say in the end.
    pub fn finish(mut self) -> Repeated {
        self.look_up();
        match (self.filter, self.repeated) {
            (false, _) => Repeated::Rows(self.rows),
            (true, Some(repeated)) => Repeated::Among(repeated.into_iter().collect()),
            (true, None) => Repeated::Many,
        }
    }

    fn look_up(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let lines = self.lines();
        black_box(batch.iter().fold(0, |read, key| read ^ lines[place(*key).0][0]));
        for key in &batch {
            if self.filter {
                self.filter(*key);
            } else {
                self.count(*key);
            }
        }
        self.batch = batch;
        self.batch.clear();
    }

    fn lines(&mut self) -> &mut [Line] {
        let lines = self.words.get_mut(self.aligned..).map(<[u64]>::as_chunks_mut);
        lines.map_or(&mut [], |(lines, _)| &mut lines[..LINES])
    }

    fn count(&mut self, key: AddressKey) {
        let (at, tag) = place(key);
        let line = &mut self.lines()[at];
        if line.contains(&tag) {
            self.rows += 1;
            self.repeat(key);
        } else if let Some(free) = line.iter_mut().find(|word| **word == 0) {
            *free = tag;
        } else if !self.spilled.insert(key) {
            self.rows += 1;
            self.repeat(key);
        } else if self.spilled.len() > SPILLED_MAX {
            self.become_filter();
        }
    }

    fn filter(&mut self, key: AddressKey) {
        let (at, tag) = place(key);
        if !set(&mut self.lines()[at], tag) {
            self.repeat(key);
        }
    }

    fn repeat(&mut self, key: AddressKey) {
        if let Some(repeated) = &mut self.repeated {
            repeated.insert(key);
            if repeated.len() > REPEATED_MAX {
                self.repeated = None;
            }
        }
    }

    fn become_filter(&mut self) {
        self.filter = true;
        for line in self.lines() {
            let tags = std::mem::take(line);
            for tag in tags.into_iter().filter(|tag| *tag != 0) {
                set(line, tag);
            }
        }
        for key in std::mem::take(&mut self.spilled) {
            let (at, tag) = place(key);
            set(&mut self.lines()[at], tag);
        }
    }
}

/// The number of a digest's line, and what it is known by there. Digests are keyed and evenly spread: any part of one is as good as a hash.
#[allow(clippy::cast_possible_truncation, reason = "of the lowest bits")]
fn place(AddressKey(key): AddressKey) -> (usize, u64) {
    let number = u128::from_be_bytes(key);
    (number as usize % LINES, ((number >> 64) as u64).max(1))
}

/// Sets the bits of an address; says whether one of them was not set.
fn set(line: &mut Line, tag: u64) -> bool {
    let mut new = false;
    for bit in 0..FILTER_BITS {
        let position = (tag >> (bit * POSITION_BITS)) % (1 << POSITION_BITS);
        let (word, bit) = ((position / 64) as usize, 1 << (position % 64));
        new |= line[word] & bit == 0;
        line[word] |= bit;
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> AddressKey {
        // As spread as a digest is (splitmix64).
        let mix = |number: u64| {
            let mut mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        };
        let mut key = [0; 16];
        key[..8].copy_from_slice(&mix(number).to_be_bytes());
        key[8..].copy_from_slice(&mix(!number).to_be_bytes());
        AddressKey(key)
    }

    fn note(numbers: impl IntoIterator<Item = u64>) -> Repeats {
        let mut repeats = Repeats::default();
        numbers.into_iter().for_each(|number| repeats.note(key(number)));
        repeats
    }

    #[test]
    fn repeats_are_counted_exactly() {
        let table: [(Vec<u64>, u64); 5] = [
            (vec![], 0),
            (vec![1], 0),
            (vec![1, 1], 1),
            (vec![1, 2, 1, 1, 2], 3),
            ((0..200_000).chain(500..510).chain([7, 7]).collect(), 12),
        ];
        for (numbers, rows) in table {
            assert_eq!(note(numbers).finish(), Repeated::Rows(rows));
        }
    }

    #[test]
    fn a_full_line_spills_and_forgets_nothing() {
        let line = |number: u64| {
            let mut key = key(number);
            key.0[8..].fill(0);
            key
        };
        let mut repeats = Repeats::default();
        (0..30).chain(0..30).for_each(|number| repeats.note(line(number)));
        repeats.note(AddressKey([0; 16]));
        repeats.note(AddressKey([0; 16]));
        assert_eq!(repeats.finish(), Repeated::Rows(31));
    }

    #[test]
    fn of_many_addresses_no_repeat_is_missed_and_few_are_imagined() {
        let mut repeats = note((0..1_000).chain(0..100));
        // As if the lines were full.
        repeats.look_up();
        repeats.become_filter();
        (1_000..100_000).chain(500..510).chain([50_000]).for_each(|number| repeats.note(key(number)));
        let Repeated::Among(repeated) = repeats.finish() else { panic!("counted") };
        for number in (0..100).chain(500..510).chain([50_000]) {
            assert!(repeated.contains(&key(number)), "{number}");
        }
        assert!(repeated.len() < 111 + 20, "{}", repeated.len());
    }

    #[test]
    fn lines_become_filters_when_too_much_is_spilled() {
        let mut repeats = Repeats::default();
        let crowded = |number: u64| {
            let mut key = key(number);
            // Of the lines only each 64th is used.
            key.0[15] &= 0xC0;
            key
        };
        let mut number = 0;
        while !repeats.filter {
            repeats.note(crowded(number));
            number += 1;
        }
        repeats.note(crowded(3));
        let Repeated::Among(repeated) = repeats.finish() else { panic!("counted") };
        assert!(repeated.contains(&crowded(3)));
    }

    #[test]
    fn too_many_are_not_kept() {
        let mut repeats = Repeats::default();
        repeats.become_filter();
        for _ in 0..2 {
            (0..=REPEATED_MAX as u64).for_each(|number| repeats.note(key(number)));
        }
        assert_eq!(repeats.finish(), Repeated::Many);
    }
}
