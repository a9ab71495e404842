use std::path::Path;

use super::*;

/// Archives as tools of the world make them, all of `list.csv`.
fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/packed").join(name)).unwrap()
}

/// Gives a few bytes at a time, so that every seam is met.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(out.len()).min(self.0.len());
        out[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn unpack(bytes: &[u8], step: usize, room: usize) -> Result<Vec<u8>, Problem> {
    let slow = Slow(bytes, step);
    let mut unpacked = if bytes.starts_with(b"PK") { Unpacked::zip(slow) } else { Unpacked::gzip(slow) };
    let mut all = Vec::new();
    let mut out = vec![0; room];
    loop {
        match unpacked.read(&mut out) {
            Ok(0) => return Ok(all),
            Ok(count) => all.extend(&out[..count]),
            Err(_) => {
                assert!(unpacked.read(&mut out).is_err(), "an error was forgotten");
                return Err(unpacked.problem().unwrap());
            }
        }
    }
}

const GOOD: [&str; 8] = [
    "gzip.gz",
    "gzip-members-padded.gz",
    "zip.zip",
    "zip-stored.zip",
    "zip-streamed.zip",
    "zip-64.zip",
    "zip-64-streamed.zip",
    "zip-macos-streamed.zip",
];

#[test]
fn what_tools_pack_is_unpacked() {
    let expected = fixture("list.csv");
    for name in GOOD {
        for (step, room) in [(1, 1), (7, 64), (100_000, 100_000)] {
            assert_eq!(unpack(&fixture(name), step, room), Ok(expected.clone()), "{name}");
        }
    }
}

#[test]
fn a_file_that_was_cut_is_damaged() {
    for name in GOOD {
        let whole = fixture(name);
        // Zeros at the end may be padding.
        let needed = whole.len() - whole.iter().rev().take_while(|byte| **byte == 0).count();
        for length in 4..needed {
            let cut = unpack(&whole[..length], 50, 1_000);
            let between_members =
                name == "gzip-members-padded.gz" && cut.as_ref().is_ok_and(|text| text.len() < 200);
            assert!(cut == Err(Problem::Damaged) || between_members, "{name} at {length}: {cut:?}");
        }
    }
}

#[test]
fn a_changed_bit_changes_no_row_in_silence() {
    let expected = fixture("list.csv");
    for name in GOOD {
        let mut bytes = fixture(name);
        for at in 3..bytes.len() {
            for bit in [0, 6] {
                bytes[at] ^= 1 << bit;
                let read = unpack(&bytes, 1_000, 1_000);
                assert!(read.as_ref().map_or(true, |text| *text == expected), "{name} at {at}");
                bytes[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn what_is_not_read_is_told_by_its_kind() {
    let table = [
        ("zip-two-files.zip", Problem::ManyFiles),
        ("zip-empty.zip", Problem::NoFile),
        ("zip-folder-alone.zip", Problem::NoFile),
        ("zip-password.zip", Problem::Password),
        ("zip-bzip2.zip", Problem::Method),
        ("workbook.xlsx", Problem::Document),
        ("sheet.ods", Problem::Document),
        ("gzip-bomb.gz", Problem::Expansion),
    ];
    for (name, problem) in table {
        assert_eq!(unpack(&fixture(name), 100_000, 100_000).err(), Some(problem), "{name}");
    }
}

#[test]
fn a_size_beyond_the_limit_is_refused_before_the_first_byte() {
    let mut bytes = fixture("zip-64.zip");
    let extra = 30 + "list.csv".len() + 4;
    bytes[extra..extra + 8].copy_from_slice(&(UNPACKED_BYTES_MAX + 1).to_le_bytes());
    assert_eq!(unpack(&bytes, 1_000, 1_000), Err(Problem::TooLarge));
}

#[test]
fn a_source_that_fails_is_not_the_files_fault() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let half = fixture("gzip.gz");
    let mut unpacked = Unpacked::gzip(half[..40].chain(Broken));
    let error = unpacked.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!((error.kind(), unpacked.problem()), (io::ErrorKind::ConnectionReset, None));
}
