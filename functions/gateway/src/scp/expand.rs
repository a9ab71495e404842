//! The patterns of a command line become paths, as a shell would have made them, within the jail.

use contract::Folder;
use exchange::{Page, TenantFiles};

use super::{
    Words,
    glob::{Pattern, unquoted},
};
use crate::path::{KEY_NAME, Place, resolve};

/// Requests for one pattern: a thousand names each, so one folder may have a million.
const REQUESTS_MAX: usize = 1000;
/// Bytes of all paths that a pattern may become: what Linux allows a command line, so that no customer has had more.
const PATHS_BYTES_MAX: usize = 2 * 1024 * 1024;
const TOO_MANY_NAMES: Words =
    Words("The pattern matches too many names: use a longer one, or copy the folder with -r.");

/// The paths that a word stands for, in the order of their names. What matches nothing stands for itself.
pub async fn expand(files: &TenantFiles, word: &str) -> Result<Vec<String>, Words> {
    let parts = parts(word);
    if parts.iter().all(|part| part.literal().is_some()) {
        return Ok(vec![unquoted(word)]);
    }
    let mut found = below(files, "", &parts).await?;
    if found.is_empty() && parts.len() == 1 {
        // A bare name is one in Incoming; so is a bare pattern.
        found = below(files, &format!("/{}", Folder::Incoming.name()), &parts).await?;
    }
    if found.is_empty() {
        found.push(unquoted(word));
    }
    found.sort();
    Ok(found)
}

/// The parts of a path, `.` and `..` resolved.
fn parts(word: &str) -> Vec<Pattern> {
    let mut parts = Vec::new();
    for part in word.split('/').map(Pattern::parse) {
        match part.literal().as_deref() {
            Some("" | ".") => {}
            Some("..") => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts
}

async fn below(files: &TenantFiles, start: &str, parts: &[Pattern]) -> Result<Vec<String>, Words> {
    let mut search = Search { files, requests: 0, bytes: 0 };
    let mut paths = vec![start.to_owned()];
    let mut guessed = false;
    for (at, part) in parts.iter().enumerate() {
        let last = at + 1 == parts.len();
        if let Some(name) = part.literal() {
            for path in &mut paths {
                path.push('/');
                path.push_str(&name);
            }
            // Behind a pattern a fixed name stands in some of the folders only.
            guessed = last;
            continue;
        }
        let mut next = Vec::new();
        for path in &paths {
            search.matching(path, part, last, &mut next).await?;
        }
        paths = next;
    }
    if !guessed || paths == [start] {
        return Ok(paths);
    }
    let mut standing = Vec::new();
    for path in paths {
        if search.stands(&path).await? {
            standing.push(path);
        }
    }
    Ok(standing)
}

/// What one pattern may cost.
struct Search<'a> {
    files: &'a TenantFiles,
    requests: usize,
    bytes: usize,
}

impl Search<'_> {
    /// Adds what stands in the folder `path` and fits.
    async fn matching(
        &mut self,
        path: &str,
        part: &Pattern,
        with_files: bool,
        found: &mut Vec<String>,
    ) -> Result<(), Words> {
        let (folder, name) = match resolve(path) {
            Ok(Place::Root) => {
                // The key is no object of its own.
                let folders = Folder::ALL.iter().map(|folder| folder.name().to_owned()).collect();
                self.take(path, part, with_files, Page { folders, ..Page::default() }, found)?;
                if with_files && part.matches(KEY_NAME) {
                    found.push(format!("{path}/{KEY_NAME}"));
                }
                return Ok(());
            }
            Ok(Place::Folder(folder)) => (folder, String::new()),
            Ok(Place::Below(folder, name)) => (folder, name),
            Ok(Place::Key) | Err(_) => return Ok(()),
        };
        let mut listing = self.files.list_level(folder, &name);
        loop {
            self.request()?;
            let Some(page) = listing.next().await? else { return Ok(()) };
            self.take(path, part, with_files, page, found)?;
        }
    }

    fn take(
        &mut self,
        path: &str,
        part: &Pattern,
        with_files: bool,
        page: Page,
        found: &mut Vec<String>,
    ) -> Result<(), Words> {
        let files = page.files.into_iter().filter(|_| with_files).map(|entry| entry.name);
        for name in page.folders.into_iter().chain(files).filter(|name| part.matches(name)) {
            let path = format!("{path}/{name}");
            self.bytes += path.len();
            if self.bytes > PATHS_BYTES_MAX {
                return Err(TOO_MANY_NAMES);
            }
            found.push(path);
        }
        Ok(())
    }

    async fn stands(&mut self, path: &str) -> Result<bool, Words> {
        self.request()?;
        Ok(match resolve(path) {
            Ok(Place::Below(folder, name)) => {
                self.files.head(folder, &name).await?.is_some() || self.files.is_folder(folder, &name).await?
            }
            Ok(_) => true,
            Err(_) => false,
        })
    }

    fn request(&mut self) -> Result<(), Words> {
        self.requests += 1;
        if self.requests > REQUESTS_MAX { Err(TOO_MANY_NAMES) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_resolved_in_the_text() {
        let literals = |word| -> Vec<String> {
            parts(word).iter().map(|part| part.literal().unwrap_or_else(|| "PATTERN".to_owned())).collect()
        };
        for (word, expected) in [
            ("", &[][..]),
            ("/", &[]),
            ("../..", &[]),
            ("Incoming/*.csv", &["Incoming", "PATTERN"]),
            ("/./Incoming//*/../x", &["Incoming", "x"]),
            ("*/../../Exports", &["Exports"]),
            ("\\*/a[b", &["*", "a[b"]),
        ] {
            assert_eq!(literals(word), expected, "{word}");
        }
    }
}
