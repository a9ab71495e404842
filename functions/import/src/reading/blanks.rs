//! Which columns are blank in some rows: a template that shows them without a default cannot be launched.

use super::{records::Fields, row::begin};

/// Counts blank fields of imported rows, by column.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Blanks {
    /// In how many rows each column is blank.
    pub counts: Vec<i64>,
    /// The line of the first of these, or 0.
    pub lines: Vec<i64>,
}

impl Blanks {
    /// None, of so many columns.
    pub fn new(columns: usize) -> Self {
        Self { counts: vec![0; columns], lines: vec![0; columns] }
    }

    /// Looks at a row that is imported. `text` are its fields.
    pub fn note(&mut self, line: i64, text: &str, fields: Fields<'_>) {
        for (at, (end, count)) in fields.ends.iter().zip(&mut self.counts).enumerate() {
            if mail::is_blank(&text[begin(fields.ends, at)..*end]) {
                if *count == 0 {
                    self.lines[at] = line;
                }
                *count += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_fields_are_counted_by_column() {
        let mut blanks = Blanks::new(3);
        for (line, fields) in [(2, ["a", "", "c"]), (3, ["a", " \t", "c"]), (5, ["a", "\u{a0}", ""])] {
            let text = fields.concat();
            let ends: Vec<usize> = (1..=3).map(|count| fields[..count].concat().len()).collect();
            blanks.note(line, &text, Fields { bytes: text.as_bytes(), ends: &ends });
        }
        assert_eq!(blanks, Blanks { counts: vec![0, 3, 1], lines: vec![0, 2, 5] });
    }
}
