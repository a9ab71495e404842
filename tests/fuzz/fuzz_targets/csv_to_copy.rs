//! A recipients' file -> rows as Postgres takes them, and the report. Whatever bytes, in whatever pieces they arrive: what the `csv` crate reads of the same
//! text, no record lost, each with its line.
#![no_main]

use std::{
    io::{self, Read},
    sync::{LazyLock, atomic::AtomicU64},
};

use contract::Profile;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use fault::Code;
use fuzz::{
    AddressKey, DigestKey, fields,
    peer::{self, Expected},
    reading::{
        dialect::{DELIMITERS, SAMPLE_BYTES},
        repeats::Repeated,
        report::Report,
        rows::{self, Rows, Stop, Terms},
    },
};
use libfuzzer_sys::fuzz_target;

/// What is read before the first record is made; only behind it do records meet the seams between reads.
const AHEAD_BYTES: usize = SAMPLE_BYTES + 1;
const STEP_BYTES_MAX: u64 = 7;

static DIGEST_KEY: LazyLock<DigestKey> = LazyLock::new(|| DigestKey::new(&[7; 32]));

fuzz_target!(|bytes: &[u8]| {
    let mut numbers = Numbers::of(bytes);
    // As it comes, with everything detected.
    check(bytes, &Settings::default(), Steps { rest: bytes, ahead: 0, numbers });
    let settings = Settings {
        delimiter: Some(DELIMITERS[numbers.below(4)]),
        charset: Some([UTF_8, WINDOWS_1252][numbers.below(2)]),
        headless: numbers.below(2) == 0,
    };
    if let Some(longer) = with_a_gap(bytes) {
        check(&longer, &settings, Steps { rest: &longer, ahead: AHEAD_BYTES, numbers });
    }
});

/// With so much white space behind the first line that the rest is read later.
fn with_a_gap(bytes: &[u8]) -> Option<Vec<u8>> {
    let at = bytes.iter().position(|byte| b"\r\n".contains(byte))? + 1;
    Some([&bytes[..at], &vec![b' '; AHEAD_BYTES], b"\n", &bytes[at..]].concat())
}

#[derive(Debug, Default)]
struct Settings {
    delimiter: Option<u8>,
    charset: Option<&'static Encoding>,
    headless: bool,
}

fn check(bytes: &[u8], settings: &Settings, source: Steps<'_>) {
    let mut report = Vec::new();
    let mut copied = Vec::new();
    match read(source, settings, &mut report, &mut copied) {
        Ok(rows) => compare(bytes, settings, rows, &copied, &report),
        Err(Stop::Refused(notice)) => {
            let _ = reported(&report);
            let (Some(charset), Some(delimiter)) = (settings.charset, settings.delimiter) else { return };
            let text = peer::decoded(bytes, Encoding::for_bom(bytes).map_or(charset, |(marked, _)| marked));
            let records = peer::records(&text, delimiter);
            if notice.code == Code::FileQuote {
                assert!(peer::ends_quoted(&text, delimiter, records.len()));
                let line = records.last().unwrap().0;
                assert_eq!(notice.params, [("line", line.to_string())]);
            }
            assert!(notice.code != Code::FileEmpty || records.is_empty());
        }
        Err(stop) => panic!("{stop:?}"),
    }
}

fn read(
    source: Steps<'_>,
    settings: &Settings,
    report: &mut Vec<u8>,
    copied: &mut Vec<u8>,
) -> Result<Rows, Stop> {
    let profile = Profile {
        header: settings.headless.then_some(false),
        key_column: settings.headless.then(|| "1".to_owned()),
        ..Profile::default()
    };
    let terms = Terms {
        profile: &profile,
        delimiter: settings.delimiter,
        charset: settings.charset,
        digest_key: &DIGEST_KEY,
    };
    let mut lines = Report::new(|| Ok(report));
    let read = rows::read_rows(source, &terms, None, &mut lines, &AtomicU64::new(0), |chunk| {
        copied.extend_from_slice(&chunk);
        true
    });
    lines.finish().unwrap();
    read
}

fn compare(bytes: &[u8], settings: &Settings, rows: Rows, copied: &[u8], report: &[u8]) {
    let charset = Encoding::for_label(rows.charset.as_bytes()).unwrap();
    let marked = Encoding::for_bom(bytes).map(|(marked, _)| marked);
    assert!(marked.or(settings.charset).is_none_or(|known| known == charset), "{}", rows.charset);
    let text = peer::decoded(bytes, charset);
    let named = peer::separator(&text).and_then(|(_, named)| named);
    let delimiter = rows.delimiter;
    assert!(DELIMITERS.contains(&delimiter));
    assert!(settings.delimiter.or(named).is_none_or(|known| known == delimiter), "{delimiter}");

    let records = peer::records(&text, delimiter);
    let is_open = peer::ends_quoted(&text, delimiter, records.len());
    assert!(!is_open, "a quotation mark that stays open is accepted");
    assert_eq!(rows.columns.names.len(), records[0].1.len(), "columns");
    let table = &records[usize::from(!settings.headless)..];
    let judged = table.iter().map(|(line, record)| peer::judged(*line, record, &rows.columns, &DIGEST_KEY));
    let (blank, expected): (Vec<_>, Vec<_>) = judged.partition(|judged| *judged == Expected::Blank);
    let (expected, rejected): (Vec<_>, Vec<_>) =
        expected.into_iter().partition(|judged| matches!(judged, Expected::Row { .. }));
    assert_eq!(imported(copied), expected, "rows of {settings:?}");
    assert_eq!(reported(report), rejected, "rejected rows of {settings:?}");
    assert_eq!((rows.imported, rows.rejected), (expected.len() as u64, rejected.len() as u64));
    assert_eq!(expected.len() + rejected.len() + blank.len(), table.len(), "records");
    assert_eq!(rows.repeats.finish(), Repeated::Rows(peer::repeated(&expected)));
}

fn imported(copied: &[u8]) -> Vec<Expected> {
    let rows = forms::copy::rows(copied);
    let read = rows.iter().map(|row| Expected::Row {
        line: row.line,
        address: row.address.to_owned(),
        address_key: AddressKey(row.address_key.try_into().unwrap()),
        key: row.own_key.map(str::to_owned),
        fields: fields::decode(row.fields, row.address).unwrap(),
    });
    read.collect()
}

fn reported(report: &[u8]) -> Vec<Expected> {
    let mut lines = csv::Reader::from_reader(report);
    let rejected = lines.records().map(|line| {
        let line = line.unwrap();
        let code = Code::ALL.iter().find(|code| code.slug() == &line[2]).unwrap();
        assert!(!line[3].is_empty(), "no words");
        Expected::Rejected { line: line[0].parse().unwrap(), column: line[1].to_owned(), code: code.slug() }
    });
    rejected.collect()
}

/// Gives so much at once, and from there on a few bytes at a time.
struct Steps<'a> {
    rest: &'a [u8],
    ahead: usize,
    numbers: Numbers,
}

impl Read for Steps<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let step = if self.ahead > 0 { self.ahead } else { 1 + self.numbers.below(STEP_BYTES_MAX) };
        let count = step.min(out.len()).min(self.rest.len());
        let (given, rest) = self.rest.split_at(count);
        out[..count].copy_from_slice(given);
        self.rest = rest;
        self.ahead = self.ahead.saturating_sub(count);
        Ok(count)
    }
}

/// Xorshift, begun by the input: the same input is read in the same pieces.
#[derive(Clone, Copy)]
struct Numbers(u64);

impl Numbers {
    fn of(bytes: &[u8]) -> Self {
        // FNV-1a.
        let hash = bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
        });
        Self(hash.max(1))
    }

    fn below(&mut self, end: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end).unwrap_or(0)
    }
}
