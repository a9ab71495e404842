//! What became of a file, in a form that people can read and that is the same wherever it was observed.

use std::fmt::{self, Write as _};

use flate2::Crc;
use serde_json::json;

/// A longer value is shown by its beginning, its length and a checksum.
const SHOWN_BYTES_MAX: usize = 320;
const SHOWN_CHARS: usize = 16;

/// What became of a file.
#[derive(Debug)]
pub struct Outcome {
    /// The rows that are there, or the code of the whole file's refusal.
    pub table: Result<Table, String>,
    /// By their lines.
    pub rejected: Vec<Rejected>,
}

/// What was imported.
#[derive(Debug)]
pub struct Table {
    /// By WHATWG's name.
    pub charset: String,
    pub delimiter: char,
    pub columns: Vec<String>,
    /// As counted by what is tested.
    pub imported: u64,
    /// As counted by what is tested.
    pub rejected: u64,
    pub rows: Vec<Row>,
}

/// A recipient.
#[derive(Debug)]
pub struct Row {
    pub line: i64,
    pub address: String,
    /// What stands for the address elsewhere.
    pub address_key: Vec<u8>,
    /// The customer's own.
    pub key: Option<String>,
    pub fields: Vec<String>,
}

/// A line of the report.
#[derive(Debug)]
pub struct Rejected {
    pub line: u64,
    pub column: String,
    pub code: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.table {
            Ok(table) => table.fmt(f)?,
            Err(code) => writeln!(f, "refused    {code}")?,
        }
        if !self.rejected.is_empty() {
            writeln!(f, "\nrejected: line, column, code")?;
        }
        for Rejected { line, column, code } in &self.rejected {
            writeln!(f, "{line:>4}  {}  {code}", shown(column))?;
        }
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "charset    {}", self.charset)?;
        writeln!(f, "delimiter  {}", json!(self.delimiter))?;
        writeln!(f, "columns    {}", list(&self.columns))?;
        let mut keys: Vec<&[u8]> = self.rows.iter().map(|row| row.address_key.as_slice()).collect();
        keys.sort_unstable();
        keys.dedup();
        match self.rows.len() - keys.len() {
            0 => writeln!(f, "imported   {}", self.imported)?,
            repeated => writeln!(f, "imported   {}, addresses of earlier rows: {repeated}", self.imported)?,
        }
        writeln!(f, "rejected   {}", self.rejected)?;
        writeln!(f, "\nimported: line, address, fields")?;
        for row in &self.rows {
            let key = row.key.as_ref().map_or(String::new(), |key| format!("key {}  ", shown(key)));
            writeln!(f, "{:>4}  {}  {key}{}", row.line, row.address, list(&row.fields))?;
        }
        Ok(())
    }
}

/// As a list of JSON, where it is not long.
fn list(values: &[String]) -> String {
    let mut text = String::new();
    for value in values {
        write!(text, "{}{}", if text.is_empty() { "" } else { ", " }, shown(value)).unwrap();
    }
    if text.len() <= SHOWN_BYTES_MAX {
        return format!("[{text}]");
    }
    format!("[{}, ... {} in all, CRC-32 {:08x}]", shown(&values[0]), values.len(), checksum(&text))
}

fn shown(value: &str) -> String {
    if value.len() <= SHOWN_BYTES_MAX {
        return json!(value).to_string();
    }
    let begin: String = value.chars().take(SHOWN_CHARS).collect();
    format!("{}... ({} bytes, CRC-32 {:08x})", json!(begin), value.len(), checksum(value))
}

fn checksum(text: &str) -> u32 {
    let mut crc = Crc::new();
    crc.update(text.as_bytes());
    crc.sum()
}
