//! The file: ten columns, 110 bytes a row, some rows bad and some repeated.

use std::fmt::Write;

use bytes::Bytes;

/// The first line.
pub const HEADER: &str = "id,email,first_name,last_name,street,postcode,city,company,amount,since";
/// One row in so many has no valid address: reporting is part of the work.
const BAD_EVERY: u64 = 500;
/// One row in so many repeats the address of the row before: counting them is part of the work, too.
const REPEATED_EVERY: u64 = 400;
/// Rows of a piece: some 256 KiB.
const PIECE_ROWS: u64 = 2_400;

/// A table piece by piece, made as it is read.
#[derive(Clone)]
pub struct Table {
    next: u64,
    rows: u64,
}

impl Table {
    pub fn new(rows: u64) -> Self {
        Self { next: 0, rows }
    }

    /// How many bytes all pieces have.
    pub fn bytes(&self) -> usize {
        self.clone().map(|piece| piece.len()).sum()
    }

    pub fn whole(self) -> Vec<u8> {
        self.fold(Vec::new(), |mut whole, piece| {
            whole.extend_from_slice(&piece);
            whole
        })
    }

    /// How many rows have no valid address, and how many repeat one.
    pub fn bad_and_repeated(&self) -> (u64, u64) {
        let count = |every, at| (0..self.rows).filter(|n| n % every == at).count() as u64;
        (count(BAD_EVERY, 7), count(REPEATED_EVERY, 11))
    }
}

impl Iterator for Table {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut text = String::new();
        if self.next == 0 {
            text = format!("{HEADER}\n");
        }
        let end = (self.next + PIECE_ROWS).min(self.rows);
        for n in self.next..end {
            row(&mut text, n);
        }
        let ended = self.next == end && self.next > 0;
        self.next = end;
        (!ended).then(|| text.into())
    }
}

fn row(text: &mut String, n: u64) {
    let at = if n % BAD_EVERY == 7 { " at " } else { "@" };
    let who = if n % REPEATED_EVERY == 11 { n - 1 } else { n };
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{n},recipient.{who:07}{at}mail{:02}.example.com,Anna-{:03},Mustermann,\"Long Street {:03}, left\",{:05},Springfield,Acme Ltd,{}.{:02},2026-{:02}-17",
        who % 97,
        n % 1000,
        n % 311,
        n % 99_999,
        n % 1000,
        n % 100,
        n % 12 + 1,
    );
}
