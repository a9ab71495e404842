//! Which addresses of a file may stand in it twice, in bounded memory.
//!
//! The database counts duplicates exactly; asked about all rows it takes as long as half of the import itself. Asked about the few that may
//! be some, it takes one pass.

use std::collections::HashSet;

use mail::AddressKey;

/// One bit for every so many values of a digest: 16 MiB, and one false alarm in 270 among a million addresses.
const BITS: u64 = 1 << 27;
/// Digests that are kept: 30 MiB at most. A file that repeats more addresses is counted as a whole.
const CANDIDATES_MAX: usize = 500_000;

/// Digests seen so far.
pub struct Repeats {
    seen: Vec<u64>,
    /// `None` when there were too many.
    candidates: Option<HashSet<AddressKey>>,
}

impl Default for Repeats {
    fn default() -> Self {
        Self { seen: vec![0; usize::try_from(BITS / 64).unwrap_or(0)], candidates: Some(HashSet::new()) }
    }
}

impl Repeats {
    /// Notes one row's digest.
    pub fn note(&mut self, key: AddressKey) {
        // Digests are keyed and evenly spread: any part of one is as good as a hash.
        let at = key.0.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte)) % BITS;
        let Some(word) = usize::try_from(at / 64).ok().and_then(|word| self.seen.get_mut(word)) else {
            return;
        };
        let bit = 1 << (at % 64);
        let known = *word & bit != 0;
        *word |= bit;
        if let (true, Some(candidates)) = (known, &mut self.candidates) {
            candidates.insert(key);
            if candidates.len() > CANDIDATES_MAX {
                self.candidates = None;
            }
        }
    }

    /// Every digest that was noted twice or more, and some that were not; `None` when there are too many to tell.
    pub fn candidates(self) -> Option<Vec<AddressKey>> {
        Some(self.candidates?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> AddressKey {
        // As spread as a digest is (splitmix64).
        let mut mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let mut key = [0; 16];
        key[..8].copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
        key[8..].copy_from_slice(&number.to_be_bytes());
        AddressKey(key)
    }

    #[test]
    fn no_repeat_is_missed_and_few_are_imagined() {
        let mut repeats = Repeats::default();
        (0..100_000).chain(500..510).chain([7, 7]).for_each(|number| repeats.note(key(number)));
        let candidates = repeats.candidates().unwrap();
        for number in (500..510).chain([7]) {
            assert!(candidates.contains(&key(number)), "{number}");
        }
        assert!(candidates.len() < 11 + 200, "{}", candidates.len());
    }

    #[test]
    fn too_many_are_not_kept() {
        let mut repeats = Repeats::default();
        for _ in 0..2 {
            (0..=CANDIDATES_MAX as u64).for_each(|number| repeats.note(key(number)));
        }
        assert!(repeats.candidates().is_none());
    }
}
