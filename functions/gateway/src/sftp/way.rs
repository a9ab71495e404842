//! How an upload begins and ends: decided by the flags of the open, by the file that stands under the name, and by an upload that was
//! begun under it and not ended.

use russh_sftp::protocol::OpenFlags;

use super::refusal::Refusal;

/// From where an upload goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// From nothing; an unfinished upload of the name is given up.
    Anew,
    /// From where the unfinished upload of the name ends.
    Resume,
}

/// What an upload does to what stands under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// Nothing stands there, and nothing may when the upload ends. Otherwise whatever stands there goes.
    pub new: bool,
    /// Bytes that stood there before, and that the client has not said to give up: they must all be written over, or the size must be set to
    /// what was written. `scp` does the latter.
    pub floor: u64,
}

/// What closing does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The file is there.
    Stored,
    /// Opened and closed again: what stands there stays.
    Unchanged,
}

impl Closed {
    pub fn words(self) -> &'static str {
        match self {
            Self::Stored => "done",
            Self::Unchanged => "unchanged",
        }
    }
}

impl Way {
    /// Judges the flags of an open for writing over a file of `standing` bytes, if there is one, and an unfinished upload.
    pub fn of(flags: OpenFlags, standing: Option<u64>, unfinished: bool) -> Result<(Self, Start), Refusal> {
        let way = Self { new: standing.is_none(), floor: 0 };
        if standing.is_none() && !unfinished {
            let made = flags.contains(OpenFlags::CREATE);
            return if made { Ok((way, Start::Anew)) } else { Err(Refusal::NO_FILE) };
        }
        if flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUDE) {
            return Err(Refusal::TAKEN);
        }
        if flags.contains(OpenFlags::TRUNCATE) {
            return Ok((way, Start::Anew));
        }
        if unfinished {
            return Ok((way, Start::Resume));
        }
        let floor = standing.unwrap_or_default();
        if floor > 0 && flags.intersects(OpenFlags::APPEND | OpenFlags::READ) {
            return Err(Refusal::IN_PLACE);
        }
        Ok((Self { floor, ..way }, Start::Anew))
    }

    /// How an upload of `written` bytes ends.
    pub fn end(self, written: u64) -> Result<Closed, Refusal> {
        if written >= self.floor {
            Ok(Closed::Stored)
        } else if written == 0 {
            Ok(Closed::Unchanged)
        } else {
            Err(Refusal::IN_PLACE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: OpenFlags = OpenFlags::WRITE;
    const CREATE: OpenFlags = OpenFlags::CREATE;
    const TRUNCATE: OpenFlags = OpenFlags::TRUNCATE;
    const EXCLUDE: OpenFlags = OpenFlags::EXCLUDE;
    const APPEND: OpenFlags = OpenFlags::APPEND;
    const READ: OpenFlags = OpenFlags::READ;

    fn new(start: Start) -> (Way, Start) {
        (Way { new: true, floor: 0 }, start)
    }

    fn over(floor: u64, start: Start) -> (Way, Start) {
        (Way { new: false, floor }, start)
    }

    #[test]
    fn flags_tell_what_happens_to_the_file_that_stands_there() {
        use Start::Anew;
        for (flags, standing, expected) in [
            (WRITE | CREATE | TRUNCATE, None, Ok(new(Anew))),
            (WRITE | CREATE | TRUNCATE, Some(5), Ok(over(0, Anew))),
            (WRITE | CREATE | TRUNCATE | EXCLUDE, Some(5), Err(Refusal::TAKEN)),
            (WRITE | CREATE | EXCLUDE, None, Ok(new(Anew))),
            (WRITE | CREATE, Some(5), Ok(over(5, Anew))),
            (WRITE | CREATE | APPEND, None, Ok(new(Anew))),
            (WRITE | CREATE | APPEND, Some(5), Err(Refusal::IN_PLACE)),
            (WRITE | CREATE | APPEND, Some(0), Ok(over(0, Anew))),
            (WRITE | READ, Some(5), Err(Refusal::IN_PLACE)),
            (WRITE | READ | CREATE | TRUNCATE, Some(5), Ok(over(0, Anew))),
            (WRITE | TRUNCATE, None, Err(Refusal::NO_FILE)),
            (WRITE, None, Err(Refusal::NO_FILE)),
            // Without a creation the flag means nothing (draft 6.3).
            (WRITE | EXCLUDE, Some(5), Ok(over(5, Anew))),
        ] {
            assert_eq!(Way::of(flags, standing, false), expected, "{flags:?} {standing:?}");
        }
    }

    #[test]
    fn an_unfinished_upload_goes_on_unless_it_is_given_up() {
        use Start::{Anew, Resume};
        for (flags, standing, expected) in [
            (WRITE | CREATE, None, Ok(new(Resume))),
            (WRITE, None, Ok(new(Resume))),
            (WRITE | CREATE, Some(5), Ok(over(0, Resume))),
            (WRITE | CREATE | APPEND, None, Ok(new(Resume))),
            (WRITE | CREATE | APPEND, Some(5), Ok(over(0, Resume))),
            (WRITE | READ, Some(5), Ok(over(0, Resume))),
            (WRITE | TRUNCATE, None, Ok(new(Anew))),
            (WRITE | CREATE | TRUNCATE, Some(5), Ok(over(0, Anew))),
            (WRITE | CREATE | EXCLUDE, None, Err(Refusal::TAKEN)),
            (WRITE | CREATE | EXCLUDE | TRUNCATE, None, Err(Refusal::TAKEN)),
        ] {
            assert_eq!(Way::of(flags, standing, true), expected, "{flags:?} {standing:?}");
        }
    }

    #[test]
    fn a_file_that_was_not_given_up_must_be_written_over_whole() {
        for (floor, written, expected) in [
            (0, 0, Ok(Closed::Stored)),
            (0, 3, Ok(Closed::Stored)),
            (5, 5, Ok(Closed::Stored)),
            (5, 3, Err(Refusal::IN_PLACE)),
            (5, 0, Ok(Closed::Unchanged)),
        ] {
            for new in [false, true] {
                assert_eq!(Way { new, floor }.end(written), expected, "{floor} {written}");
            }
        }
    }
}
