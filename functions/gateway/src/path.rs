//! The jail: a path as a client writes it becomes a place in the File Exchange, or nothing. Pure; no path reaches S3 another way.

use contract::Folder;

/// One part of a path, as on the customer's own disk.
const PART_BYTES_MAX: usize = 255;
/// S3's keys end at 1,024 bytes; the folder's name, and the number that a moved file may get, come on top.
const NAME_BYTES_MAX: usize = 990;

/// The tenant's public OpenPGP key. In the root alone: in a folder this is a name like any other.
pub const KEY_NAME: &str = "broadcast-key.asc";

/// What a path names.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// `/`, which holds the four folders and the key.
    Root,
    /// [`KEY_NAME`] in the root.
    Key,
    /// One of the four.
    Folder(Folder),
    /// A file, or a folder below, by its name within one of the four. A name in the root is one in Incoming.
    Below(Folder, String),
}

/// Why a path names nothing. Holds no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// A part or the whole is too long.
    TooLong,
    /// A control character, or one that no listing could show.
    Character,
    /// Below the root, but in none of the four folders.
    Elsewhere,
}

/// Reads a path. It is relative to the root, since there is no other current folder; `.` and `..` are resolved in the text, `..` of the
/// root is the root (POSIX). Nothing is decoded: `%2e%2e` is a name.
pub fn resolve(path: &str) -> Result<Place, PathError> {
    let parts = parts(path)?;
    match parts.as_slice() {
        [] => Ok(Place::Root),
        [KEY_NAME] => Ok(Place::Key),
        [one] => Ok(match one.parse() {
            Ok(folder) => Place::Folder(folder),
            Err(()) => Place::Below(Folder::Incoming, (*one).to_owned()),
        }),
        [first, rest @ ..] => {
            let folder = first.parse().map_err(|()| PathError::Elsewhere)?;
            Ok(Place::Below(folder, rest.join("/")))
        }
    }
}

/// The path in its one form, for `realpath`: absolute, without `.`, `..` and doubled slashes.
pub fn canonical(path: &str) -> Result<String, PathError> {
    Ok(format!("/{}", parts(path)?.join("/")))
}

fn parts(path: &str) -> Result<Vec<&str>, PathError> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part if part.chars().any(is_refused) => return Err(PathError::Character),
            part if part.len() > PART_BYTES_MAX => return Err(PathError::TooLong),
            part => parts.push(part),
        }
    }
    let bytes: usize = parts.iter().map(|part| part.len() + 1).sum();
    if bytes > NAME_BYTES_MAX { Err(PathError::TooLong) } else { Ok(parts) }
}

/// Control characters, the two that S3's XML listings cannot hold, and what a library puts for bytes that are no UTF-8: two names of
/// another encoding would become one.
fn is_refused(character: char) -> bool {
    character.is_control() || matches!(character, '\u{fffd}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(folder: Folder, name: &str) -> Place {
        Place::Below(folder, name.to_owned())
    }

    #[test]
    fn a_path_names_a_place_in_the_jail() {
        let long = "x".repeat(255);
        for (path, expected) in [
            ("", Place::Root),
            ("/", Place::Root),
            (".", Place::Root),
            ("//", Place::Root),
            ("/..", Place::Root),
            ("../../..", Place::Root),
            ("/Incoming/..", Place::Root),
            ("/Incoming", Place::Folder(Folder::Incoming)),
            ("Exports/", Place::Folder(Folder::Exports)),
            ("//Finished//.", Place::Folder(Folder::Finished)),
            ("/Incoming/../Invalids", Place::Folder(Folder::Invalids)),
            ("x.csv", below(Folder::Incoming, "x.csv")),
            ("/x.csv", below(Folder::Incoming, "x.csv")),
            ("/incoming", below(Folder::Incoming, "incoming")),
            ("/broadcast-key.asc", Place::Key),
            ("Exports/../broadcast-key.asc", Place::Key),
            ("/Broadcast-key.asc", below(Folder::Incoming, "Broadcast-key.asc")),
            ("/Incoming/broadcast-key.asc", below(Folder::Incoming, "broadcast-key.asc")),
            ("/Incoming/Exports", below(Folder::Incoming, "Exports")),
            ("/Exports/a/b.csv", below(Folder::Exports, "a/b.csv")),
            ("/Exports/../x", below(Folder::Incoming, "x")),
            ("/Exports/../../../etc/../Finished/x", below(Folder::Finished, "x")),
            ("/Incoming/%2e%2e/x", below(Folder::Incoming, "%2e%2e/x")),
            ("/Incoming/..%2fExports", below(Folder::Incoming, "..%2fExports")),
            ("/Incoming/...", below(Folder::Incoming, "...")),
            ("/Incoming/a\\..\\b", below(Folder::Incoming, "a\\..\\b")),
            ("/Incoming/Grüße 1+2 %.csv", below(Folder::Incoming, "Grüße 1+2 %.csv")),
            (&long, below(Folder::Incoming, &long)),
        ] {
            assert!(resolve(path) == Ok(expected), "{path}");
        }
    }

    #[test]
    fn other_paths_are_refused() {
        let long = "x".repeat(256);
        let deep = format!("/Incoming/{}", "y/".repeat(600));
        for (path, error) in [
            ("/etc/passwd", PathError::Elsewhere),
            ("/incoming/x", PathError::Elsewhere),
            ("/Incoming/a\0b", PathError::Character),
            ("/Incoming/a\nb", PathError::Character),
            ("/Incoming/a\u{85}b", PathError::Character),
            ("/Incoming/\u{ffff}", PathError::Character),
            ("/Incoming/f\u{fffd}r", PathError::Character),
            (&long, PathError::TooLong),
            (&deep, PathError::TooLong),
        ] {
            assert_eq!(resolve(path).err(), Some(error), "{path}");
        }
    }

    #[test]
    fn a_path_has_one_form() {
        for (path, expected) in
            [(".", "/"), ("", "/"), ("a/./b/../c", "/a/c"), ("/Incoming//x/", "/Incoming/x"), ("/../x", "/x")]
        {
            assert_eq!(canonical(path).as_deref(), Ok(expected));
        }
    }
}
