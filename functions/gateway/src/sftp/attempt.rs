//! What a request asks for, kept until it is answered: one that is refused has its line in the audit, too.

use bytes::Bytes;
use russh_sftp::protocol::{OpenFlags, Packet, StatusCode};

use super::{extension::text, refusal::Refusal};

/// Lines of one channel, so that a client in a loop does not fill the audit; its connections are bounded elsewhere.
pub const ATTEMPTS_MAX: u32 = 1000;
/// The longest path that a line holds; what is longer is refused for its length and cut here.
const SUBJECT_BYTES_MAX: usize = 1024;

/// A request that opens, changes or looks for something by a path.
#[derive(Debug, PartialEq, Eq)]
pub struct Attempt {
    /// As in lines of what was done; `list`, `link`, `change`, `look` and `handle` are of refusals alone.
    pub action: &'static str,
    /// The path as the client wrote it; of a rename or a link both.
    pub subject: String,
}

impl Attempt {
    /// What a request attempts; nothing for those by handle, whose files have lines of their own, but see [`Self::by_handle`].
    pub fn of(packet: &Packet) -> Option<Self> {
        let one = |action, path: &str| Some(Self { action, subject: cut(path) });
        let two =
            |action, from: &str, to: &str| Some(Self { action, subject: cut(&format!("{from} -> {to}")) });
        match packet {
            Packet::Open(open) if open.pflags.contains(OpenFlags::WRITE) => one("upload", &open.filename),
            Packet::Open(open) => one("download", &open.filename),
            Packet::OpenDir(request) => one("list", &request.path),
            Packet::Remove(request) => one("remove", &request.filename),
            Packet::MkDir(request) => one("mkdir", &request.path),
            Packet::RmDir(request) => one("rmdir", &request.path),
            Packet::Rename(request) => two("rename", &request.oldpath, &request.newpath),
            Packet::Symlink(request) => two("link", &request.linkpath, &request.targetpath),
            Packet::ReadLink(request) => one("link", &request.path),
            Packet::SetStat(request) => one("change", &request.path),
            Packet::Stat(request) => one("look", &request.path),
            Packet::Lstat(request) => one("look", &request.path),
            Packet::Extended(request) => {
                let mut data = Bytes::copy_from_slice(&request.data);
                let mut path = || text(&mut data).unwrap_or_default();
                match request.request.as_str() {
                    "posix-rename@openssh.com" => two("rename", &path(), &path()),
                    "hardlink@openssh.com" => two("link", &path(), &path()),
                    "lsetstat@openssh.com" => one("change", &path()),
                    "copy-data" => one("copy", ""),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// What a refused request by handle has attempted: a handle that the channel was never given is guessed, or another session's.
    pub fn by_handle(refusal: Refusal) -> Option<Self> {
        (refusal == Refusal::BAD_HANDLE).then(|| Self { action: "handle", subject: String::new() })
    }

    /// Whether a refusal of it is worth a line: clients look for what is not there all the time.
    pub fn counts(&self, refusal: Refusal) -> bool {
        let absent = refusal.code == StatusCode::NoSuchFile && refusal == Refusal::NO_FILE;
        !(absent && matches!(self.action, "look" | "change"))
    }
}

fn cut(path: &str) -> String {
    path[..path.floor_char_boundary(SUBJECT_BYTES_MAX)].replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use russh_sftp::protocol::{Extended, FileAttributes, Open, Rename, Stat};

    use super::*;

    #[test]
    fn a_request_by_path_is_an_attempt() {
        let open = |pflags| Open { id: 1, filename: "/x".to_owned(), pflags, attrs: FileAttributes::empty() };
        let rename = Rename { id: 1, oldpath: "/a".to_owned(), newpath: "/b".to_owned() };
        let data = b"\0\0\0\x02/a\0\0\0\x02/b".to_vec();
        let posix = Extended { id: 1, request: "posix-rename@openssh.com".to_owned(), data };
        let broken = Extended { id: 1, request: "hardlink@openssh.com".to_owned(), data: b"\xff".to_vec() };
        let long = Stat { id: 1, path: "ü".repeat(1000) };
        for (packet, action, subject) in [
            (open(OpenFlags::READ).into(), "download", "/x".to_owned()),
            (open(OpenFlags::WRITE | OpenFlags::CREATE).into(), "upload", "/x".to_owned()),
            (Packet::from(rename), "rename", "/a -> /b".to_owned()),
            (posix.into(), "rename", "/a -> /b".to_owned()),
            (broken.into(), "link", " -> ".to_owned()),
            (long.into(), "look", "ü".repeat(512)),
            (Stat { id: 1, path: "/a\0b".to_owned() }.into(), "look", "/a\u{fffd}b".to_owned()),
        ] {
            assert_eq!(Attempt::of(&packet), Some(Attempt { action, subject }));
        }
    }

    #[test]
    fn to_look_for_what_is_not_there_is_nothing() {
        let attempt = |action| Attempt { action, subject: String::new() };
        for (action, refusal, counts) in [
            ("look", Refusal::NO_FILE, false),
            ("look", Refusal::from(crate::path::PathError::Elsewhere), true),
            ("download", Refusal::NO_FILE, true),
            ("upload", Refusal::NOT_HERE, true),
            ("handle", Refusal::BAD_HANDLE, true),
        ] {
            assert_eq!(attempt(action).counts(refusal), counts, "{action}");
        }
        assert_eq!(Attempt::by_handle(Refusal::BAD_HANDLE), Some(attempt("handle")));
        assert_eq!(Attempt::by_handle(Refusal::UPLOADING), None);
    }
}
