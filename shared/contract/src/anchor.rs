//! Anchors: heads of tenants' chains of receipts, kept outside of the database. Each is an object of its own in the bucket of anchors.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::TenantId;

/// What an anchor's object may have at most: an anchor has a quarter of it.
pub const ANCHOR_BYTES_MAX: i64 = 1024;
/// As many digits as the largest number has, and one: so the order of keys is the order of receipts.
const NUMBER_DIGITS: usize = 20;
const JSON: &str = ".json";

/// The newest receipt of a tenant at some time, as its object says it. One once written reads for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Whose.
    pub tenant: TenantId,
    /// The receipt's number.
    pub number: i64,
    /// The receipt's digest, in small hexadecimal letters.
    pub digest: String,
    /// The receipt's time.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Everything in the bucket of anchors that belongs to one tenant; ends in a slash.
pub fn anchor_prefix(tenant: TenantId) -> String {
    format!("{tenant}/")
}

/// The anchor of one receipt.
pub fn anchor_key(tenant: TenantId, number: i64) -> String {
    format!("{tenant}/{number:0NUMBER_DIGITS$}{JSON}")
}

/// The number of the receipt whose anchor has this key; `None` for a key that no anchor of the tenant has.
pub fn anchored_number(tenant: TenantId, key: &str) -> Option<i64> {
    let name = key.strip_prefix(&anchor_prefix(tenant))?;
    let number = name.strip_suffix(JSON)?.parse().ok()?;
    (number > 0 && anchor_key(tenant, number) == key).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_receipts() {
        assert_eq!(anchor_key(TenantId(7), 40), "7/00000000000000000040.json");
        assert!(anchor_key(TenantId(7), 9) < anchor_key(TenantId(7), 10));
        assert!(anchor_key(TenantId(7), 10) < anchor_key(TenantId(7), i64::MAX));
        for number in [1, 40, i64::MAX] {
            assert_eq!(anchored_number(TenantId(7), &anchor_key(TenantId(7), number)), Some(number));
        }
        for key in [
            "7/40.json",
            "7/+0000000000000000040.json",
            "7/00000000000000000000.json",
            "7/00000000000000000040",
            "8/00000000000000000040.json",
            "70/00000000000000000040.json",
            "00000000000000000040.json",
        ] {
            assert_eq!(anchored_number(TenantId(7), key), None, "{key}");
        }
    }

    #[test]
    fn an_anchor_once_written_reads_for_ever() {
        let written = r#"{"tenant":7,"number":40,"digest":"00ff","at":"2026-11-23T12:00:00.000001Z"}"#;
        let anchor: Anchor = serde_json::from_str(written).unwrap();
        assert_eq!(serde_json::to_string(&anchor).unwrap(), written);
        let at = anchor.at.unix_timestamp_nanos();
        assert_eq!((anchor.tenant, anchor.number, at), (TenantId(7), 40, 1_795_435_200_000_001_000));
    }
}
