//! The header: names of the columns, and which of them is what.

use contract::Profile;
use fault::{Code, Notice};
use mail::{Address, field_name};

use super::records::{COLUMNS_MAX, Fields};

/// Characters of a column's name that are kept. A longer first line is data, not a header.
const NAME_CHARS_MAX: usize = 200;

/// What a column with addresses is usually called, as [`field_name`] writes it; the first of these that is there wins.
const ADDRESS_NAMES: [&str; 16] = [
    "email",
    "e_mail",
    "email_address",
    "e_mail_address",
    "emailaddress",
    "mail",
    "mail_address",
    "mailaddress",
    "e_mail_adresse",
    "email_adresse",
    "emailadresse",
    "mailadresse",
    "mail_adresse",
    "adresse_mail",
    "courriel",
    "correo",
];

/// The columns of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Columns {
    /// Their names, mapped, no two the same in a template.
    pub names: Vec<String>,
    /// Which one holds the address, from 0.
    pub address: usize,
    /// Which one holds the customer's own key, from 0.
    pub key: Option<usize>,
    /// So many columns a row must have. Those behind have no name: spreadsheets write their delimiters in some rows and not in others.
    pub needed: usize,
}

impl Columns {
    /// Where the fields of a row end, when they are as many as there are columns or can be made so without a loss: those that the row lacks
    /// have no name, those that it has too many are blank. `made` is room for that.
    pub fn fit<'r>(&self, fields: Fields<'r>, made: &'r mut Vec<usize>) -> Option<Fields<'r>> {
        let (found, expected) = (fields.ends.len(), self.names.len());
        if found == expected {
            return Some(fields);
        }
        if found > expected {
            let end = expected.checked_sub(1).map_or(0, |last| fields.ends[last]);
            let blank = fields.bytes[end..].iter().all(u8::is_ascii_whitespace);
            return blank.then(|| Fields { bytes: &fields.bytes[..end], ends: &fields.ends[..expected] });
        }
        (found >= self.needed).then(|| {
            made.clear();
            made.extend_from_slice(fields.ends);
            made.resize(expected, fields.bytes.len());
            Fields { bytes: fields.bytes, ends: made }
        })
    }
}

/// Decides on the columns from the first record: their names, or, in a file without a header, the first row.
pub fn decide(first: &[&str], profile: &Profile) -> Result<Columns, Notice> {
    if first.len() > COLUMNS_MAX {
        return Err(Notice::new(Code::FileColumns).with("found", first.len()).with("max", COLUMNS_MAX));
    }
    let has_header = profile.header.unwrap_or(true);
    let originals: Vec<String> = if has_header {
        first.iter().map(|name| tidy(name)).collect()
    } else {
        (1..=first.len()).map(|number| number.to_string()).collect()
    };
    let names = unique(originals.iter().enumerate().map(|(at, original)| {
        let mapped = profile.mapping.iter().find(|(from, _)| same(from, original)).map(|(_, to)| tidy(to));
        match mapped {
            Some(name) => name,
            None if has_header && !original.is_empty() => original.clone(),
            None => format!("column {}", at + 1),
        }
    }));
    let find = |wanted: &str| {
        let by_name = names.iter().position(|name| same(name, wanted));
        by_name.or_else(|| originals.iter().position(|original| same(original, wanted)))
    };
    let missing = |column: &str| Notice::new(Code::FileHeader).with("column", column);
    let address = match &profile.address_column {
        Some(wanted) => find(wanted).ok_or_else(|| missing(wanted))?,
        None => usual_address(&names)
            .or_else(|| {
                if has_header { None } else { first.iter().position(|value| Address::parse(value).is_ok()) }
            })
            .ok_or_else(|| missing(ADDRESS_NAMES[0]))?,
    };
    let key = match &profile.key_column {
        Some(wanted) => Some(find(wanted).ok_or_else(|| missing(wanted))?),
        None => None,
    };
    let last_named = if has_header { originals.iter().rposition(|name| !name.is_empty()) } else { None };
    let needed =
        last_named.map_or(names.len(), |last| last + 1).max(address + 1).max(key.map_or(0, |key| key + 1));
    Ok(Columns { names, address, key, needed })
}

fn usual_address(names: &[String]) -> Option<usize> {
    ADDRESS_NAMES.iter().find_map(|usual| names.iter().position(|name| field_name(name) == *usual))
}

/// Names are compared as templates spell them: case, spaces and hyphens do not matter.
fn same(one: &str, other: &str) -> bool {
    one.trim() == other.trim() || (field_name(one) != field_name("") && field_name(one) == field_name(other))
}

/// Postgres takes no NUL, and nobody a line break in a column's name, or a byte order mark, which stands within quotation marks at times.
fn tidy(name: &str) -> String {
    let visible = name.chars().filter(|c| !matches!(c, '\u{FEFF}' | '\u{200B}'));
    let printable = visible.map(|c| if c.is_control() { ' ' } else { c });
    printable.take(NAME_CHARS_MAX).collect::<String>().trim().to_owned()
}

/// Numbers the second and later columns of one name: `city`, `city 2`.
fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut taken = std::collections::HashSet::new();
    let numbered = |name: String| {
        let free = |candidate: &String| !taken.contains(&field_name(candidate));
        let chosen = if free(&name) {
            name
        } else {
            (2..=COLUMNS_MAX + 1).map(|number| format!("{name} {number}")).find(free).unwrap_or_default()
        };
        taken.insert(field_name(&chosen));
        chosen
    };
    names.map(numbered).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(columns: &Columns) -> Vec<&str> {
        columns.names.iter().map(String::as_str).collect()
    }

    #[test]
    fn the_address_column_is_named_or_usual() {
        let named = |column: &str| Profile { address_column: Some(column.to_owned()), ..Profile::default() };
        let table: [(&[&str], Profile, Option<usize>); 9] = [
            (&["name", "Email"], Profile::default(), Some(1)),
            (&["mail", " E-MAIL "], Profile::default(), Some(1)),
            (&["id", "E-Mail-Adresse"], Profile::default(), Some(1)),
            (&["name", "contact"], Profile::default(), None),
            (&["name", "contact"], named("Contact"), Some(1)),
            (&["email", "contact"], named("contact"), Some(1)),
            (&["email"], named("contact"), None),
            (&["anna@example.com", "Anna"], Profile::default(), None),
            (&["7", "anna@example.com"], Profile { header: Some(false), ..Profile::default() }, Some(1)),
        ];
        for (first, profile, address) in table {
            let decided = decide(first, &profile);
            assert_eq!(decided.as_ref().ok().map(|columns| columns.address), address, "{first:?}");
            assert!(decided.is_ok() || decided.is_err_and(|notice| notice.code == Code::FileHeader));
        }
    }

    #[test]
    fn names_are_mapped_tidied_and_unique() {
        let profile = Profile {
            mapping: [("Vorname".to_owned(), "first name".to_owned())].into(),
            key_column: Some("ID".to_owned()),
            ..Profile::default()
        };
        let first = ["email", "vorname", "", "City", "city", "city 2", "id\0"];
        let columns = decide(&first, &profile).unwrap();
        assert_eq!(names(&columns), ["email", "first name", "column 3", "City", "city 2", "city 2 2", "id"]);
        assert_eq!((columns.address, columns.key), (0, Some(6)));
    }

    #[test]
    fn a_file_without_a_header_is_mapped_by_number() {
        let profile = Profile {
            header: Some(false),
            mapping: [("1".to_owned(), "email".to_owned()), ("3".to_owned(), "name".to_owned())].into(),
            ..Profile::default()
        };
        let columns = decide(&["x", "y", "z"], &profile).unwrap();
        assert_eq!(names(&columns), ["email", "column 2", "name"]);
        assert_eq!(columns.address, 0);
        let by_number =
            Profile { header: Some(false), address_column: Some("2".to_owned()), ..Profile::default() };
        assert_eq!(decide(&["x", "y"], &by_number).unwrap().address, 1);
    }

    #[test]
    fn rows_may_differ_by_what_is_blank() {
        let columns = decide(&["\u{FEFF}email", "name", "", " "], &Profile::default()).unwrap();
        assert_eq!((names(&columns), columns.needed), (vec!["email", "name", "column 3", "column 4"], 2));
        let table: [(&str, Option<&str>); 7] = [
            ("a|b|c|d", Some("a|b|c|d")),
            ("a|b", Some("a|b||")),
            ("a|b|c", Some("a|b|c|")),
            ("a", None),
            ("a|b|c|d||", Some("a|b|c|d")),
            ("a|b|c|d| ", Some("a|b|c|d")),
            ("a|b|c|d||x", None),
        ];
        for (row, expected) in table {
            let bytes = row.replace('|', "").into_bytes();
            let mut end = 0;
            let ends: Vec<usize> = row
                .split('|')
                .map(|field| {
                    end += field.len();
                    end
                })
                .collect();
            let mut made = Vec::new();
            let fitted = columns.fit(Fields { bytes: &bytes, ends: &ends }, &mut made).map(|fields| {
                let mut begin = 0;
                let parts = fields.ends.iter().map(|end| {
                    let part = std::str::from_utf8(&fields.bytes[begin..*end]).unwrap();
                    begin = *end;
                    part
                });
                parts.collect::<Vec<_>>().join("|")
            });
            assert_eq!(fitted.as_deref(), expected, "{row}");
        }
    }

    #[test]
    fn too_many_columns_are_refused() {
        let first = vec!["x"; COLUMNS_MAX + 1];
        assert_eq!(decide(&first, &Profile::default()).unwrap_err().code, Code::FileColumns);
    }
}
