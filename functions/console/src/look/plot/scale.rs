//! Round numbers for an axis.

/// Steps that people count in, of each power of ten.
const ROUND: [u64; 3] = [1, 2, 5];
/// Lines across a plot, the lowest aside.
const STEPS_MAX: u64 = 5;

/// The smallest round step of which a few reach the number. Nothing is less than one: counts have no halves.
pub(super) fn step(most: u64) -> u64 {
    let mut power: u64 = 1;
    loop {
        for round in ROUND {
            let step = power.saturating_mul(round);
            if most.div_ceil(step) <= STEPS_MAX {
                return step;
            }
        }
        power = power.saturating_mul(10);
    }
}

/// Where the axis ends: the first round number that is not below any other.
pub(super) fn top(most: u64) -> u64 {
    let step = step(most);
    most.div_ceil(step).max(1).saturating_mul(step)
}

/// Which of so many places have a label, when only so many fit: the first, and then every one of this many.
pub(super) fn every(places: usize, fit: usize) -> usize {
    /// Hours that people count in.
    const EVERY: [usize; 8] = [1, 2, 3, 6, 12, 24, 48, 168];
    let least = places.div_ceil(fit.max(1)).max(1);
    EVERY.into_iter().find(|every| *every >= least).unwrap_or_else(|| least.next_multiple_of(168))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (most, expected_step, expected_top) in [
            (0, 1, 1),
            (1, 1, 1),
            (3, 1, 3),
            (5, 1, 5),
            (6, 2, 6),
            (7, 2, 8),
            (10, 2, 10),
            (11, 5, 15),
            (99, 20, 100),
            (101, 50, 150),
            (1_000_000, 200_000, 1_000_000),
            (1_000_001, 500_000, 1_500_000),
        ] {
            assert_eq!((step(most), top(most)), (expected_step, expected_top), "{most}");
        }
        assert!(top(u64::MAX) >= u64::MAX / 2, "the largest number has an axis, too");
    }

    #[test]
    fn labels_stand_where_they_fit() {
        for (places, fit, expected) in [
            (0, 8, 1),
            (1, 8, 1),
            (8, 8, 1),
            (9, 8, 2),
            (24, 8, 3),
            (25, 8, 6),
            (72, 8, 12),
            (672, 8, 168),
            (9, 0, 12),
            (3000, 8, 504),
        ] {
            assert_eq!(every(places, fit), expected, "{places} in {fit}");
        }
    }
}
