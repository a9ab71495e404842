//! Texts with gaps: `{name}` is one; `{{` and `}}` stand for a brace each.

/// A part of a text.
enum Piece {
    Words(String),
    Gap(&'static str),
}

fn pieces(text: &'static str) -> Vec<Piece> {
    let (mut pieces, mut words, mut rest) = (Vec::new(), String::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        words.push_str(before);
        match brace[1..].split_once('}') {
            _ if brace.starts_with("{{") || brace.starts_with("}}") => {
                words.push_str(&brace[..1]);
                rest = &brace[2..];
            }
            Some((name, after)) => {
                pieces.extend([Piece::Words(std::mem::take(&mut words)), Piece::Gap(name)]);
                rest = after;
            }
            None => break,
        }
    }
    words.push_str(rest);
    pieces.push(Piece::Words(words));
    pieces
}

/// The names of a text's gaps.
pub(crate) fn names(text: &'static str) -> Vec<&'static str> {
    let name = |piece| if let Piece::Gap(name) = piece { Some(name) } else { None };
    pieces(text).into_iter().filter_map(name).collect()
}

/// The text with its gaps filled. One that has no value stays as it is written.
pub(crate) fn fill<'v>(text: &'static str, value: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Words(words) => filled.push_str(&words),
            Piece::Gap(name) => match value(name) {
                Some(value) => filled.push_str(value),
                None => filled.extend(["{", name, "}"]),
            },
        }
    }
    filled
}

/// What fills the gaps of a text in these finished words, and how many bytes of them are the text's own. `None`: they are not this text.
pub(crate) fn read(text: &'static str, words: &str) -> Option<(Vec<(&'static str, String)>, usize)> {
    let pieces = pieces(text);
    // Words stand at both ends, and between two gaps.
    let own: Vec<&str> = pieces
        .iter()
        .filter_map(|piece| if let Piece::Words(own) = piece { Some(&**own) } else { None })
        .collect();
    let length = own.iter().map(|own| own.len()).sum();
    let [first, between @ .., last] = &own[..] else {
        return (own == [words]).then_some((Vec::new(), length));
    };
    let mut rest = words.strip_prefix(first)?.strip_suffix(last)?;
    let mut values = Vec::with_capacity(own.len());
    for own in between {
        let (value, behind) = rest.split_once(own)?;
        values.push(value.to_owned());
        rest = behind;
    }
    values.push(rest.to_owned());
    Some((names(text).into_iter().zip(values).collect(), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "put {{{{ {what} }}}} into {place}, please";

    #[test]
    fn gaps_are_filled_and_read_back() {
        let filled = fill(TEXT, |name| Some(if name == "what" { "{place}" } else { "it" }));
        assert_eq!(filled, "put {{ {place} }} into it, please");
        assert_eq!(names(TEXT), ["what", "place"]);
        let (values, own) = read(TEXT, &filled).unwrap();
        assert_eq!(values, [("what", "{place}".to_owned()), ("place", "it".to_owned())]);
        assert_eq!(own, filled.len() - "{place}".len() - "it".len());
        assert_eq!(read("none", "none"), Some((Vec::new(), 4)));
        for other in ["", "put {{ x }} into it", "put {{ x into it, please", ", please"] {
            assert_eq!(read(TEXT, other), None, "{other}");
        }
    }
}
