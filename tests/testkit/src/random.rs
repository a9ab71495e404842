//! Random choices of a test, which another run can repeat.

/// Names the seed; the clock gives one when absent.
const SEED_VARIABLE: &str = "BROADCAST_SEED";

/// Any numbers, the same for the same seed.
pub struct Random(u64);

impl Random {
    /// From the seed of the environment or a new one, which is printed: a failed test shows it.
    pub fn from_env() -> Self {
        let seed = std::env::var(SEED_VARIABLE).ok().map(|seed| seed.parse().unwrap());
        let now = || u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp()).unwrap();
        let seed = seed.unwrap_or_else(now);
        println!("{SEED_VARIABLE}={seed}");
        Self(seed)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }
}
