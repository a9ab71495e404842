//! The journal: what must survive a restore of the database, in objects outside of it. Each is a file of lines, one JSON document a line, as the
//! triggers of the database make them and its function `replay` reads them.

/// As many digits as the largest number has, and one: so the order of keys is the order of objects.
const NUMBER_DIGITS: usize = 20;
const LINES: &str = ".jsonl";

/// The object of this number, from 1.
pub fn journal_key(number: i64) -> String {
    format!("{number:0NUMBER_DIGITS$}{LINES}")
}

/// The number of the object that has this key; `None` for a key that none has.
pub fn journal_number(key: &str) -> Option<i64> {
    let number = key.strip_suffix(LINES)?.parse().ok()?;
    (number > 0 && journal_key(number) == key).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_objects() {
        assert_eq!(journal_key(40), "00000000000000000040.jsonl");
        assert!(journal_key(9) < journal_key(10) && journal_key(10) < journal_key(i64::MAX));
        for number in [1, 40, i64::MAX] {
            assert_eq!(journal_number(&journal_key(number)), Some(number));
        }
        for key in
            ["40.jsonl", "+0000000000000000040.jsonl", "00000000000000000000.jsonl", "00000000000000000040"]
        {
            assert_eq!(journal_number(key), None, "{key}");
        }
    }
}
