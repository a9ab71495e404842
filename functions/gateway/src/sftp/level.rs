//! One level of a folder as S3 listed it a moment ago: a client that matches a pattern lists a folder and looks at every name of it, and one
//! that puts many files opens one name after the other. Neither needs a request for each.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use contract::Folder;
use exchange::{Meta, Page};
use tokio::time::Instant;

use crate::partial::Moment;

/// How long a listing tells what stands there, unless this process changes something before. Whoever asks a second earlier sees no more.
pub const FRESH_TIME: Duration = Duration::from_secs(1);
/// What one level may hold in memory: some two thousand names. Those beyond it are looked at one by one.
const LEVEL_BYTES_MAX: usize = 256 * 1024;
/// What an entry costs beside its name.
const ENTRY_BYTES: usize = 128;
/// Uploads in a row, each within a second of the one before, after which their folder is listed: what it costs must be worth it.
const ROW_MIN: u32 = 3;
/// After a listing that told nothing: it was longer than a page, or unfinished uploads were in the folder.
const LISTING_PAUSE: Duration = Duration::from_secs(10);

/// What stood in a level when it was listed.
pub struct Level {
    folder: Folder,
    /// What all names in it begin with: nothing, or a path and a slash.
    prefix: String,
    files: HashMap<String, Meta>,
    folders: HashSet<String>,
    /// Stored since, by the session itself.
    stored: HashSet<String>,
    bytes: usize,
    full: bool,
    /// Nothing that stood there is missing.
    whole: bool,
    /// When it was asked for; own changes since are known.
    asked: Moment,
}

impl Level {
    /// `asked`: from before the listing.
    pub fn new(folder: Folder, path: &str, asked: Moment) -> Self {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        Self {
            folder,
            prefix,
            files: HashMap::new(),
            folders: HashSet::new(),
            stored: HashSet::new(),
            bytes: 0,
            full: false,
            whole: false,
            asked,
        }
    }

    fn has_room(&mut self, name: &str) -> bool {
        self.bytes += name.len() + ENTRY_BYTES;
        self.full |= self.bytes > LEVEL_BYTES_MAX;
        !self.full
    }

    pub fn add(&mut self, page: &Page) {
        for file in &page.files {
            if self.has_room(&file.name) {
                self.files.insert(file.name.clone(), file.meta.clone());
            }
        }
        for folder in &page.folders {
            if self.has_room(folder) {
                self.folders.insert(folder.clone());
            }
        }
    }

    /// There are no more pages.
    pub fn end(&mut self) {
        self.whole = !self.full;
    }

    /// The name in this level, while that tells what is so.
    fn own<'a>(&self, folder: Folder, name: &'a str, now: Moment) -> Option<&'a str> {
        let fresh = now.is_within(FRESH_TIME, self.asked) && self.folder == folder;
        let own = name.strip_prefix(&self.prefix)?;
        (fresh && !own.contains('/') && !self.stored.contains(own)).then_some(own)
    }
}

/// What a session knows of the level that it was in last, and whether it puts one file after the other there.
#[derive(Default)]
pub struct Levels {
    level: Option<Level>,
    /// Uploads in a row, and when the last one was stored.
    row: Option<(u32, Instant)>,
    /// No listing for the sake of uploads before that.
    next_listing: Option<Instant>,
}

impl Levels {
    /// What a listing has shown.
    pub fn keep(&mut self, level: Level) {
        self.level = Some(level);
    }

    /// A file that is known to stand there.
    pub fn file(&self, folder: Folder, name: &str, now: Moment) -> Option<&Meta> {
        let level = self.level.as_ref()?;
        level.files.get(level.own(folder, name, now)?)
    }

    /// What stands under a name, if anything, and whether it is a folder's; `None`: that is not known.
    pub fn look(&self, folder: Folder, name: &str, now: Moment) -> Option<(Option<Meta>, bool)> {
        let level = self.level.as_ref().filter(|level| level.whole)?;
        let own = level.own(folder, name, now)?;
        Some((level.files.get(own).cloned(), level.folders.contains(own)))
    }

    /// Whether a listing is worth its cost: uploads come one after the other.
    pub fn is_worth_a_listing(&self, now: Moment) -> bool {
        self.row.is_some_and(|(count, last)| count >= ROW_MIN && now.at < last + FRESH_TIME)
            && self.next_listing.is_none_or(|next| now.at >= next)
    }

    /// The listing that was worth it, asked for at that moment; `None`: it did not tell all.
    pub fn listed(&mut self, level: Option<Level>, asked: Moment) {
        self.next_listing = Some(asked.at + if level.is_some() { FRESH_TIME } else { LISTING_PAUSE });
        self.level = level;
    }

    /// The session has stored a file: if nothing else has changed meanwhile, the level goes on without that name.
    pub fn stored(&mut self, folder: Folder, name: &str, before: Moment, now: Moment) {
        let count = self.row.filter(|(_, last)| now.at < *last + FRESH_TIME).map_or(0, |(count, _)| count);
        self.row = Some((count + 1, now.at));
        let Some(mut level) = self.level.take() else { return };
        let own = level.own(folder, name, before).map(ToOwned::to_owned);
        if let Some(own) = own.filter(|own| before.and_one_file(now) && level.has_room(own)) {
            level.asked.after_one_file();
            level.stored.insert(own);
            self.level = Some(level);
        }
    }
}

#[cfg(test)]
mod tests {
    use exchange::Entry;
    use time::OffsetDateTime;

    use super::*;

    const MOMENT: fn(u64, Duration) -> Moment = Moment::of_test;

    fn page(files: &[&str], folders: &[&str]) -> Page {
        let meta = Meta { etag: "e".to_owned(), size: 1, modified: OffsetDateTime::UNIX_EPOCH };
        let file = |name: &&str| Entry { name: (*name).to_owned(), meta: meta.clone() };
        Page {
            files: files.iter().map(file).collect(),
            folders: folders.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn listed(path: &str, asked: Moment, files: &[&str], folders: &[&str]) -> Level {
        let mut level = Level::new(Folder::Incoming, path, asked);
        level.add(&page(files, folders));
        level.end();
        level
    }

    #[test]
    fn a_level_tells_of_its_own_names_while_it_is_fresh() {
        let (asked, half) = (MOMENT(1, Duration::ZERO), FRESH_TIME / 2);
        for (name, now, known) in [
            ("a/x", MOMENT(1, half), Some((true, false))),
            ("a/b", MOMENT(1, half), Some((false, true))),
            ("a/y", MOMENT(1, half), Some((false, false))),
            ("a/b/x", MOMENT(1, half), None),
            ("x", MOMENT(1, half), None),
            ("a/x", MOMENT(2, half), None),
            ("a/x", MOMENT(1, FRESH_TIME), None),
        ] {
            let mut levels = Levels::default();
            levels.keep(listed("a", asked, &["x"], &["b"]));
            let look = levels.look(Folder::Incoming, name, now);
            assert_eq!(look.map(|(meta, folder)| (meta.is_some(), folder)), known, "{name} {now:?}");
            assert_eq!(levels.file(Folder::Incoming, name, now).is_some(), known == Some((true, false)));
            assert!(levels.look(Folder::Exports, name, now).is_none());
        }
    }

    #[test]
    fn a_level_with_more_than_it_holds_tells_only_what_it_has() {
        let (mut level, now) =
            (Level::new(Folder::Incoming, "", MOMENT(0, Duration::ZERO)), MOMENT(0, Duration::ZERO));
        let names: Vec<_> = (0..10_000).map(|number| format!("{number:0100}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        level.add(&page(&names, &[]));
        level.end();
        assert!(level.files.len() == LEVEL_BYTES_MAX / (100 + ENTRY_BYTES));
        let mut levels = Levels::default();
        levels.keep(level);
        assert!(levels.file(Folder::Incoming, names[0], now).is_some());
        assert!(levels.look(Folder::Incoming, names[0], now).is_none());
        assert!(levels.look(Folder::Incoming, names[9_999], now).is_none());
    }

    #[test]
    fn what_the_session_stores_is_not_known_and_the_rest_stays_known() {
        let now = |files| MOMENT(files, Duration::ZERO);
        for (name, after, rest_is_known) in [("y", 1, true), ("y", 2, false), ("a/y", 1, false)] {
            let mut levels = Levels::default();
            levels.keep(listed("", now(0), &["x"], &[]));
            assert!(levels.look(Folder::Incoming, name, now(0)).is_some() || name == "a/y");
            levels.stored(Folder::Incoming, name, now(0), now(after));
            assert!(levels.look(Folder::Incoming, name, now(after)).is_none(), "{name} {after}");
            let rest = levels.look(Folder::Incoming, "x", now(after)).is_some();
            assert_eq!(rest, rest_is_known, "{name} {after}");
        }
    }

    #[test]
    fn uploads_that_come_one_after_the_other_are_worth_a_listing_now_and_then() {
        let mut levels = Levels::default();
        let at = |time| MOMENT(0, time);
        let mut time = Duration::ZERO;
        for number in 1..=ROW_MIN {
            assert!(!levels.is_worth_a_listing(at(time)));
            time = FRESH_TIME / 2 * number;
            levels.stored(Folder::Incoming, "x", at(time), at(time));
        }
        assert!(levels.is_worth_a_listing(at(time)) && !levels.is_worth_a_listing(at(time + FRESH_TIME)));
        for (told, pause) in [(true, FRESH_TIME), (false, LISTING_PAUSE)] {
            levels.listed(told.then(|| listed("", at(time), &[], &[])), at(time));
            let early = time + pause / 2;
            time += pause;
            levels.row = Some((ROW_MIN, at(time).at));
            assert!(!levels.is_worth_a_listing(at(early)), "{told}");
            assert!(levels.is_worth_a_listing(at(time)), "{told}");
        }
        // A slow client is not one.
        levels.stored(Folder::Incoming, "x", at(time), at(time + FRESH_TIME));
        assert_eq!(levels.row.map(|(count, _)| count), Some(1));
    }
}
