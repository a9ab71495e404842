//! Pieces of an upload that came before those that they follow: clients with several writes under way send them in any order.

use std::collections::BTreeMap;

/// What is held at most; a part of the upload's 32 MiB. OpenSSH, asyncssh and rclone have at most a few megabytes under way out of order.
const WINDOW_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What a piece counts for beside its bytes, so that a million tiny ones do not fit either.
const PIECE_BYTES: usize = 256;

/// The pieces by their offset; none overlaps another.
#[derive(Default)]
pub struct Window {
    pieces: BTreeMap<u64, Vec<u8>>,
    cost: usize,
}

impl Window {
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes in memory.
    pub fn held(&self) -> usize {
        self.cost
    }

    /// Keeps a piece. `false`: there is no room, or it overlaps another in a way that leaves open which bytes are meant. The same piece sent
    /// again replaces its earlier form.
    pub fn hold(&mut self, offset: u64, bytes: &[u8]) -> bool {
        let Some(end) = offset.checked_add(bytes.len() as u64) else { return false };
        let before = self.pieces.range(..end).next_back();
        let overlaps = before.is_some_and(|(begin, piece)| begin + piece.len() as u64 > offset);
        if overlaps {
            let same = self.pieces.get_mut(&offset).filter(|piece| piece.len() == bytes.len());
            return same.map(|piece| piece.copy_from_slice(bytes)).is_some();
        }
        let cost = bytes.len() + PIECE_BYTES;
        let room = self.cost + cost <= WINDOW_BYTES_MAX;
        if room {
            self.cost += cost;
            self.pieces.insert(offset, bytes.to_vec());
        }
        room
    }

    /// The piece that goes on at `written`, without what was written over it since.
    pub fn take(&mut self, written: u64) -> Option<Vec<u8>> {
        loop {
            let first = self.pieces.first_entry().filter(|piece| *piece.key() <= written)?;
            let (offset, mut piece) = first.remove_entry();
            self.cost -= piece.len() + PIECE_BYTES;
            let past = usize::try_from(written - offset).unwrap_or(usize::MAX).min(piece.len());
            if past < piece.len() {
                piece.drain(..past);
                return Some(piece);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out after `written` bytes, in order.
    fn taken(window: &mut Window, mut written: u64) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(piece) = window.take(written) {
            written += piece.len() as u64;
            all.extend(piece);
        }
        all
    }

    #[test]
    fn pieces_come_out_in_their_order() {
        let mut window = Window::default();
        for (offset, bytes) in [(6, b"gh"), (2, b"cd"), (4, b"ef"), (10, b"kl")] {
            assert!(window.hold(offset, bytes));
        }
        assert_eq!(taken(&mut window, 0), b"");
        assert_eq!(taken(&mut window, 2), b"cdefgh");
        assert!(!window.is_empty());
        assert_eq!(taken(&mut window, 10), b"kl");
        assert!(window.is_empty() && window.cost == 0);
    }

    #[test]
    fn what_was_written_over_a_piece_stays() {
        let mut window = Window::default();
        assert!(window.hold(2, b"cd") && window.hold(4, b"ef") && window.hold(6, b"gh"));
        assert_eq!(taken(&mut window, 5), b"fgh");
        assert_eq!(window.cost, 0);
    }

    #[test]
    fn pieces_that_overlap_are_refused_unless_they_are_the_same() {
        for (offset, bytes, held) in [
            (10, "same", true),
            (10, "longer", false),
            (10, "no", false),
            (8, "abc", false),
            (13, "x", false),
            (14, "x", true),
            (8, "ab", true),
            (u64::MAX, "x", false),
        ] {
            let mut window = Window::default();
            assert!(window.hold(10, b"1234"));
            assert_eq!(window.hold(offset, bytes.as_bytes()), held, "{offset} {bytes}");
        }
    }

    #[test]
    fn it_is_bounded() {
        let mut window = Window::default();
        let piece = vec![0; 1024 * 1024];
        let held = (1..20).take_while(|number| window.hold(number * 2_000_000, &piece)).count();
        assert_eq!(held, 7);
        let mut window = Window::default();
        let held = (1..100_000).take_while(|number| window.hold(number * 2, b"x")).count();
        assert_eq!(held, WINDOW_BYTES_MAX / (1 + PIECE_BYTES));
    }
}
