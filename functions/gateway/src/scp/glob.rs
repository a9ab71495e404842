//! Patterns in names, as a customer's shell would have matched them.
//!
//! A backslash makes the character after it stand for itself, so that a quoted `*` of a command line stays one.

/// What has a meaning in a pattern, somewhere in it.
const SPECIAL: &str = r"*?[]\!^-";

/// Appends a character that stands for itself.
pub fn push_quoted(pattern: &mut String, character: char) {
    if SPECIAL.contains(character) {
        pattern.push('\\');
    }
    pattern.push(character);
}

/// What a pattern names when nothing in it is special.
pub fn unquoted(pattern: &str) -> String {
    let mut name = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        name.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
    }
    name
}

/// One part of a path, between two slashes.
#[derive(Debug, PartialEq, Eq)]
pub struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// This character.
    One(char),
    /// `?`
    Any,
    /// `*`
    Many,
    /// `[...]`
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl Token {
    fn matches(&self, character: char) -> bool {
        match self {
            Self::One(one) => *one == character,
            Self::Any | Self::Many => true,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&character)) != *negated
            }
        }
    }
}

impl Pattern {
    /// Reads a part. A bracket that nothing closes stands for itself.
    pub fn parse(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            tokens.push(match character {
                '?' => Token::Any,
                // Two of them match what one does, and would only cost time.
                '*' if tokens.last() == Some(&Token::Many) => continue,
                '*' => Token::Many,
                '[' => match set(rest.as_str()) {
                    Some((token, after)) => {
                        rest = after.chars();
                        token
                    }
                    None => Token::One('['),
                },
                '\\' => Token::One(rest.next().unwrap_or('\\')),
                one => Token::One(one),
            });
        }
        Self { tokens }
    }

    /// The one name that it matches, unless it is a pattern.
    pub fn literal(&self) -> Option<String> {
        let one = |token: &Token| if let Token::One(one) = token { Some(*one) } else { None };
        self.tokens.iter().map(one).collect()
    }

    /// Whether a name fits. A leading dot must stand in the pattern, too. Takes time by both lengths multiplied, at most.
    pub fn matches(&self, name: &str) -> bool {
        if name.starts_with('.') && self.tokens.first() != Some(&Token::One('.')) {
            return false;
        }
        let mut rest = name.chars();
        let mut at = 0;
        // Where the last `*` stands, and what it has not taken yet.
        let mut many = None;
        loop {
            let before = rest.clone();
            let next = rest.next();
            match (self.tokens.get(at), next) {
                (Some(Token::Many), _) => {
                    at += 1;
                    many = Some((at, before.clone()));
                    rest = before;
                }
                (None, None) => return true,
                (Some(token), Some(character)) if token.matches(character) => at += 1,
                _ => {
                    // The `*` takes one character more, and the rest is tried again.
                    let Some((after, mut left)) = many.take() else { return false };
                    if left.next().is_none() {
                        return false;
                    }
                    at = after;
                    rest = left.clone();
                    many = Some((after, left));
                }
            }
        }
    }
}

/// A set without its opening bracket, and what follows it. A bracket that closes stands for itself when it comes first.
fn set(text: &str) -> Option<(Token, &str)> {
    let (negated, body) =
        text.strip_prefix(['!', '^']).map_or((false, text), |after_mark| (true, after_mark));
    let mut characters = body.chars();
    let mut ranges = Vec::new();
    loop {
        let from = match characters.next()? {
            ']' if !ranges.is_empty() => return Some((Token::Set { negated, ranges }, characters.as_str())),
            '\\' => characters.next()?,
            one => one,
        };
        let to = match characters.as_str().strip_prefix('-') {
            // A minus before the end stands for itself.
            Some(after) if !after.starts_with(']') => {
                characters = after.chars();
                match characters.next()? {
                    '\\' => characters.next()?,
                    one => one,
                }
            }
            _ => from,
        };
        ranges.push((from, to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("x.csv", "x.csv", true),
            ("x.csv", "x.cs", false),
            ("x.csv", "x.csv2", false),
            ("*", "", true),
            ("*", "anything at all", true),
            ("*", ".hidden", false),
            (".*", ".hidden", true),
            ("?hidden", ".hidden", false),
            ("[.]hidden", ".hidden", false),
            ("*.csv", "a.csv", true),
            ("*.csv", "a.csv.pgp", false),
            ("*.csv*", "a.csv.pgp", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("a**c", "abc", true),
            ("?", "ü", true),
            ("??", "ü", false),
            ("[a-c]1", "b1", true),
            ("[a-c]1", "d1", false),
            ("[!a-c]1", "d1", true),
            ("[^a-c]1", "b1", false),
            ("[]x]", "]", true),
            ("[a-]", "-", true),
            ("[a\\-c]", "b", false),
            ("[\\!a]", "!", true),
            ("[ä-ü]", "ö", true),
            ("[c-a]", "b", false),
            ("[a", "[a", true),
            ("[", "[", true),
            ("[]", "[]", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("\\[a]", "[a]", true),
            ("x\\", "x\\", true),
        ] {
            assert_eq!(Pattern::parse(pattern).matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_quoted_is_no_pattern() {
        for name in ["x.csv", "a*b?[c]", "[!x]", "[^a-z]", "\\", "ü*"] {
            let mut pattern = String::new();
            name.chars().for_each(|character| push_quoted(&mut pattern, character));
            assert_eq!(Pattern::parse(&pattern).literal().as_deref(), Some(name));
            assert_eq!(unquoted(&pattern), name);
        }
        for pattern in ["*", "?", "[a]", "a*"] {
            assert_eq!(Pattern::parse(pattern).literal(), None, "{pattern}");
        }
    }

    #[test]
    fn many_stars_take_no_long_time() {
        let pattern = Pattern::parse(&"*a".repeat(120));
        assert!(!pattern.matches(&"a".repeat(119)));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(254))));
    }
}
