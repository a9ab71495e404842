//! What becomes of a file that was read whole.

use contract::ImportCall;
use fault::{Code, Notice, Phrase};

/// The share of bad rows that a file may have when its profile says nothing.
const BAD_ROWS_MAX_PERCENT: u8 = 10;

/// How a file was uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The table itself.
    Plain,
    /// gzip or zip.
    Packed,
    /// OpenPGP.
    Encrypted,
}

impl Kind {
    /// The largest file that is begun. 10 GiB of text are through within four minutes on two cores (`tests/bench`), so within the fifteen
    /// of one invocation at a third of that speed. A packed file of this size usually holds as much text as a plain one may have.
    pub fn bytes_max(self) -> u64 {
        match self {
            Self::Plain | Self::Encrypted => 10 << 30,
            Self::Packed => 2 << 30,
        }
    }

    fn phrase(self) -> Phrase {
        match self {
            Self::Plain => Phrase::File,
            Self::Packed => Phrase::FilePacked,
            Self::Encrypted => Phrase::FileEncrypted,
        }
    }
}

/// Before the first row: whether the file is too large for one import.
pub fn of_kind(kind: Kind, bytes: u64) -> Option<Notice> {
    let max = kind.bytes_max();
    (bytes > max).then(|| {
        Notice::new(Code::FileTooLarge)
            .with("size", gib(bytes))
            .with("max", gib(max))
            .with("kind", kind.phrase())
            .with("parts", bytes.div_ceil(max))
    })
}

/// In tenths, rounded up: a size above a limit never reads as the limit.
fn gib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10).div_ceil(1 << 30);
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} GiB"),
        (whole, tenth) => format!("{whole}.{tenth} GiB"),
    }
}

/// Before the first byte: whether it has the size that was announced.
pub fn of_size(call: &ImportCall, bytes: u64) -> Option<Notice> {
    let expected = call.size?;
    let differs = u64::try_from(expected) != Ok(bytes);
    differs.then(|| Notice::new(Code::FileSize).with("found", bytes).with("expected", expected))
}

/// After the last byte: whether it is the file that was announced.
pub fn of_digest(call: &ImportCall, sha256: &str) -> Option<Notice> {
    let differs = call.sha256.as_ref().is_some_and(|expected| !expected.trim().eq_ignore_ascii_case(sha256));
    differs.then(|| Code::FileDigest.into())
}

/// After the last row: whether enough of them are good.
pub fn of_rows(imported: u64, rejected: u64, max_percent: Option<u8>) -> Option<Notice> {
    let rows = imported + rejected;
    let max_percent = max_percent.unwrap_or(BAD_ROWS_MAX_PERCENT);
    if u128::from(rejected) * 100 > u128::from(max_percent) * u128::from(rows) {
        return Some(
            Notice::new(Code::FileTooManyBadRows)
                .with("rejected", rejected)
                .with("rows", rows)
                .with("max_percent", max_percent),
        );
    }
    (imported == 0).then(|| Code::FileEmpty.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(size: Option<i64>, sha256: Option<&str>) -> ImportCall {
        let sha256 = sha256.map(str::to_owned);
        let campaign = "c".to_owned();
        ImportCall { campaign, profile: None, overrides: None, size, sha256, launch: false, again: false }
    }

    #[test]
    fn the_share_of_bad_rows_decides() {
        let table = [
            (90, 10, None, None),
            (89, 11, None, Some(Code::FileTooManyBadRows)),
            (9, 1, None, None),
            (8, 1, None, Some(Code::FileTooManyBadRows)),
            (1, 0, Some(0), None),
            (1_000_000, 1, Some(0), Some(Code::FileTooManyBadRows)),
            (1, 99, Some(100), None),
            (0, 1, Some(100), Some(Code::FileEmpty)),
            (0, 1, None, Some(Code::FileTooManyBadRows)),
            (0, 0, None, Some(Code::FileEmpty)),
        ];
        for (imported, rejected, percent, expected) in table {
            let code = of_rows(imported, rejected, percent).map(|notice| notice.code);
            assert_eq!(code, expected, "{imported} {rejected} {percent:?}");
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_told_how_to_be_split() {
        for kind in [Kind::Plain, Kind::Packed, Kind::Encrypted] {
            assert_eq!(of_kind(kind, kind.bytes_max()), None, "{kind:?}");
        }
        let words = |kind: Kind, bytes| of_kind(kind, bytes).unwrap().words();
        let plain = words(Kind::Plain, Kind::Plain.bytes_max() + 1);
        assert!(plain.starts_with("The file has 10.1 GiB; at most 10 GiB of a file"), "{plain}");
        assert!(plain.contains("into 2 files or more"), "{plain}");
        let packed = words(Kind::Packed, 9 << 30);
        assert!(packed.contains("9 GiB; at most 2 GiB of a packed file") && packed.contains("into 5 files"));
    }

    #[test]
    fn size_and_digest_must_be_the_announced_ones() {
        let code = |notice: Option<Notice>| notice.map(|notice| notice.code);
        assert_eq!(code(of_size(&call(None, None), 7)), None);
        assert_eq!(code(of_size(&call(Some(7), None), 7)), None);
        assert_eq!(code(of_size(&call(Some(8), None), 7)), Some(Code::FileSize));
        assert_eq!(code(of_size(&call(Some(-1), None), 7)), Some(Code::FileSize));
        assert_eq!(code(of_digest(&call(None, None), "ab")), None);
        assert_eq!(code(of_digest(&call(None, Some(" AB")), "ab")), None);
        assert_eq!(code(of_digest(&call(None, Some("ac")), "ab")), Some(Code::FileDigest));
    }
}
