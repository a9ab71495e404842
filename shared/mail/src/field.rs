//! Names of fields, the same in a CSV's header and in a template.

/// Names that mean something else in a template.
const RESERVED: [&str; 14] = [
    "and",
    "else",
    "false",
    "if",
    "in",
    "is",
    "loop",
    "none",
    "not",
    "or",
    "self",
    "true",
    "unsubscribe_url",
    "range",
];

/// The name by which a template calls a column: lower case, umlauts written out, whatever else is no ASCII letter or digit becomes one `_`
/// between words; a leading digit gets a `_` before it and a word of the template language one behind it. `field` when nothing remains.
/// Two columns may get the same name: the caller has to look.
pub fn field_name(column: &str) -> String {
    let mut name = String::with_capacity(column.len() + 1);
    let mut gap = false;
    for c in column.chars().flat_map(char::to_lowercase) {
        let letters = match c {
            'ä' => "ae",
            'ö' => "oe",
            'ü' => "ue",
            'ß' => "ss",
            _ => "",
        };
        if letters.is_empty() && !c.is_ascii_alphanumeric() {
            gap = true;
            continue;
        }
        if gap && !name.is_empty() || name.is_empty() && c.is_ascii_digit() {
            name.push('_');
        }
        gap = false;
        if letters.is_empty() { name.push(c) } else { name.push_str(letters) }
    }
    if name.is_empty() {
        return "field".to_owned();
    }
    if RESERVED.contains(&name.as_str()) {
        name.push('_');
    }
    name
}

/// Whether a field has nothing in it but white space: to a template it is missing.
pub fn is_blank(value: &str) -> bool {
    match value.bytes().next() {
        None => true,
        // Told by its first byte in almost every field: imports ask for each.
        Some(b'!'..=b'~') => false,
        Some(_) => value.trim().is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_blank() {
        for value in ["", " ", "\t\r\n", "\u{a0}\u{2003}"] {
            assert!(is_blank(value), "{value:?}");
        }
        for value in ["0", " x", "ü", "\u{a0}-"] {
            assert!(!is_blank(value), "{value:?}");
        }
    }

    #[test]
    fn columns_become_names() {
        let table = [
            ("Email", "email"),
            ("FIRST NAME", "first_name"),
            (" E-Mail (privat) ", "e_mail_privat"),
            ("Größe", "groesse"),
            ("2nd line", "_2nd_line"),
            ("In", "in_"),
            ("Unsubscribe-URL", "unsubscribe_url_"),
            ("__click", "click"),
            ("", "field"),
            ("姓名", "field"),
        ];
        for (column, name) in table {
            assert_eq!(field_name(column), name, "{column}");
        }
    }
}
