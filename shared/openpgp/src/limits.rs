/// What a message may hold at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of plaintext in all.
    pub plaintext_bytes_max: u64,
    /// Bytes of plaintext for each byte of the message, beyond [`EXPANSION_GRACE_BYTES`].
    pub expansion_max: u64,
}

/// So much plaintext may come from however few bytes: one short message full of the same row is no attack.
pub const EXPANSION_GRACE_BYTES: u64 = 16 * 1024 * 1024;

impl Default for Limits {
    /// 64 GiB, some six times the largest file that is measured. 200 to 1: tables of addresses compress 3 to 20 times, deflate's best is
    /// 1,032, and bzip2 has no bound worth the name.
    fn default() -> Self {
        Self { plaintext_bytes_max: 64 * 1024 * 1024 * 1024, expansion_max: 200 }
    }
}

impl Limits {
    /// The largest plaintext allowed after `consumed` bytes of the message.
    pub(crate) fn bytes_max(&self, consumed: u64) -> u64 {
        let expanded = consumed.saturating_mul(self.expansion_max).saturating_add(EXPANSION_GRACE_BYTES);
        expanded.min(self.plaintext_bytes_max)
    }
}
