//! A recipients' file as the world writes them: byte order mark, semicolons, quoted newlines, umlauts, bad addresses, duplicates.

use std::fmt::Write as _;

/// What a file is made of.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Domain of the good addresses.
    pub domain: String,
    /// Numbers of the recipients: `first..first + good`.
    pub first: usize,
    pub good: usize,
    pub bad: usize,
    /// Repeat the first so many addresses, in other letter case.
    pub duplicates: usize,
    /// Of the good ones, so many are unknown at their domain and bounce.
    pub unknown: usize,
}

const NAMES: [(&str, &str); 6] = [
    ("Jürgen", "Müller"),
    ("Zoë", "O'Neill"),
    ("Анна", "Иванова"),
    ("José", "García \"Pepe\""),
    ("李", "雷"),
    ("Maja", "Søndergård; Jr."),
];
const BAD: [&str; 5] =
    ["no-at-sign.example", "two@@signs.example", "space in@local.example", "", "dot.@end..example"];

impl Plan {
    /// The address of recipient number `n`.
    pub fn address(&self, n: usize) -> String {
        if n < self.first + self.unknown {
            format!("unknown-user-{n}@{}", self.domain)
        } else {
            format!("Kunde.{n}@{}", self.domain)
        }
    }

    /// Rows that the file has, header aside.
    pub fn rows(&self) -> usize {
        self.good + self.bad + self.duplicates
    }

    /// The whole file.
    pub fn write(&self) -> String {
        let mut csv = String::from("\u{feff}Kundennummer;E-Mail;Vorname;Nachname;Notiz\r\n");
        let mut rows: Vec<(usize, String)> =
            (self.first..self.first + self.good).map(|n| (n, self.address(n))).collect();
        for n in 0..self.duplicates {
            // From the end, where nobody bounces; as another person typed it.
            let n = self.first + self.good - 1 - n;
            rows.push((n, self.address(n).to_uppercase()));
        }
        for n in 0..self.bad {
            // Spread over the file, so that they do not stand together.
            let at = (n * 97) % (rows.len() + 1);
            rows.insert(at, (n, BAD[n % BAD.len()].to_owned()));
        }
        for (n, address) in rows {
            let (first, last) = NAMES[n % NAMES.len()];
            let last = last.replace('"', "\"\"");
            let note = if n % 10 == 0 { "\"erste Zeile\r\nzweite Zeile\"" } else { "" };
            write!(csv, "K{n};{address};{first};\"{last}\";{note}\r\n").unwrap();
        }
        csv
    }
}
