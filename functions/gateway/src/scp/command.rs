//! The command line that `scp -O` has the server run: `scp -t` to take files in, `scp -f` to hand them out. Pure.
//!
//! A shell would have taken it apart, so quotes and backslashes mean what they mean to one. Nothing is run, and what only a shell could do is
//! refused.

use super::glob::{push_quoted, unquoted};

/// Longest command line: some ten paths of the longest names.
const COMMAND_BYTES_MAX: usize = 16 * 1024;
/// What a shell would act upon, outside of quotes.
const OPERATORS: &str = "|&;<>()$`\n";
/// What a backslash takes its meaning from within double quotes.
const IN_DOUBLE_QUOTES: &str = "$`\"\\";

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Command {
    /// Which way the files go.
    pub way: Way,
    /// `-r`: folders, too.
    pub recursive: bool,
    /// `-p`: with times.
    pub times: bool,
    /// `-d`: the target must be a folder.
    pub into_folder: bool,
    /// Patterns of [`super::glob`], at least one; exactly one for [`Way::In`].
    pub paths: Vec<String>,
}

/// Which way files go, as the server sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `-t`, "to".
    In,
    /// `-f`, "from".
    Out,
}

/// Why a command line is not followed. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandError {
    /// Something else than `scp -t` or `scp -f`.
    Foreign,
    /// Longer than [`COMMAND_BYTES_MAX`].
    TooLong,
    /// Not UTF-8.
    Encoding,
    /// A quote that nothing closes, or a backslash at the end.
    Quote,
    /// What only a shell could do.
    Operator,
    /// An option that the protocol does not have.
    Option,
    /// No path, or two targets.
    Paths,
}

impl CommandError {
    /// What the customer is told.
    pub fn words(self) -> &'static str {
        match self {
            Self::Foreign => "There is no shell here, only SFTP and SCP.",
            Self::TooLong => "The command is too long: 16 KiB at most.",
            Self::Encoding => "The command is not UTF-8.",
            Self::Quote => "The command has a quote without its end.",
            Self::Operator => "There is no shell here: quote the characters | & ; < > ( ) $ ` in names.",
            Self::Option => "scp was asked for something that is not supported here.",
            Self::Paths => "scp needs one target, or at least one file to send.",
        }
    }
}

/// Reads a command line.
pub fn parse(line: &[u8]) -> Result<Command, CommandError> {
    if line.len() > COMMAND_BYTES_MAX {
        return Err(CommandError::TooLong);
    }
    let line = str::from_utf8(line).map_err(|_| CommandError::Encoding)?;
    // Whatever stands behind another program's name, the answer is the same.
    if line.split_ascii_whitespace().next() != Some("scp") {
        return Err(CommandError::Foreign);
    }
    let mut words = split(line)?.into_iter().skip(1).peekable();
    let (mut incoming, mut outgoing) = (false, false);
    let (mut recursive, mut times, mut into_folder) = (false, false, false);
    while let Some(word) = words.next_if(|word| word.starts_with("\\-") || word.starts_with('-')) {
        let option = unquoted(&word);
        if option == "--" {
            break;
        }
        if option == "-" {
            return Err(CommandError::Option);
        }
        for letter in option.chars().skip(1) {
            match letter {
                't' => incoming = true,
                'f' => outgoing = true,
                'r' => recursive = true,
                'p' => times = true,
                'd' => into_folder = true,
                // How much the server tells about itself.
                'v' | 'q' => {}
                _ => return Err(CommandError::Option),
            }
        }
    }
    let way = match (incoming, outgoing) {
        (true, false) => Way::In,
        (false, true) => Way::Out,
        // A copy from here to a third machine, for one.
        _ => return Err(CommandError::Foreign),
    };
    let paths: Vec<String> = words.collect();
    if paths.is_empty() || (way == Way::In && paths.len() > 1) {
        return Err(CommandError::Paths);
    }
    Ok(Command { way, recursive, times, into_folder, paths })
}

/// Splits a line into words, each a pattern in which what was quoted stands for itself. `~` is the root, everyone's home.
fn split(line: &str) -> Result<Vec<String>, CommandError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line.chars();
    while let Some(character) = rest.next() {
        match character {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => single_quoted(word.get_or_insert_default(), &mut rest)?,
            '"' => double_quoted(word.get_or_insert_default(), &mut rest)?,
            '\\' => match rest.next().ok_or(CommandError::Quote)? {
                // A line that goes on.
                '\n' => {}
                one => push_quoted(word.get_or_insert_default(), one),
            },
            '~' if word.is_none() && is_home(rest.as_str()) => {
                word = Some(".".to_owned());
            }
            one if OPERATORS.contains(one) => return Err(CommandError::Operator),
            one => word.get_or_insert_default().push(one),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Whether what follows `~` makes it the home of whoever logged in.
fn is_home(after: &str) -> bool {
    after.is_empty() || after.starts_with(['/', ' ', '\t'])
}

fn single_quoted(word: &mut String, rest: &mut std::str::Chars<'_>) -> Result<(), CommandError> {
    loop {
        match rest.next().ok_or(CommandError::Quote)? {
            '\'' => return Ok(()),
            one => push_quoted(word, one),
        }
    }
}

fn double_quoted(word: &mut String, rest: &mut std::str::Chars<'_>) -> Result<(), CommandError> {
    loop {
        match rest.next().ok_or(CommandError::Quote)? {
            '"' => return Ok(()),
            '\\' => match rest.next().ok_or(CommandError::Quote)? {
                '\n' => {}
                one if IN_DOUBLE_QUOTES.contains(one) => push_quoted(word, one),
                one => {
                    push_quoted(word, '\\');
                    push_quoted(word, one);
                }
            },
            '$' | '`' => return Err(CommandError::Operator),
            one => push_quoted(word, one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(way: Way, flags: &str, paths: &[&str]) -> Command {
        let has = |flag| flags.contains(flag);
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        Command { way, recursive: has('r'), times: has('p'), into_folder: has('d'), paths }
    }

    #[test]
    fn commands_of_clients_are_understood() {
        for (line, expected) in [
            ("scp -t .", command(Way::In, "", &["."])),
            ("scp -v -r -p -d -t Incoming/", command(Way::In, "rpd", &["Incoming/"])),
            ("scp -pt 'Incoming/a b'", command(Way::In, "p", &["Incoming/a b"])),
            ("scp -t -- -x.csv", command(Way::In, "", &["-x.csv"])),
            ("scp  -f\tx.csv   y.csv ", command(Way::Out, "", &["x.csv", "y.csv"])),
            ("scp -f Incoming/*.csv", command(Way::Out, "", &["Incoming/*.csv"])),
            ("scp -f 'Incoming/*.csv'", command(Way::Out, "", &["Incoming/\\*.csv"])),
            ("scp -f a\\ b\\*", command(Way::Out, "", &["a b\\*"])),
            ("scp -f \"a b\\\"\"c", command(Way::Out, "", &["a b\"c"])),
            ("scp -f \"a\\b\"", command(Way::Out, "", &["a\\\\b"])),
            ("scp -f 'it'\"'\"'s'", command(Way::Out, "", &["it's"])),
            ("scp -f '$x;`y`'", command(Way::Out, "", &["$x;`y`"])),
            ("scp -f ''", command(Way::Out, "", &[""])),
            ("scp -f ~/x ~ a~ '~' ~b", command(Way::Out, "", &["./x", ".", "a~", "~", "~b"])),
            ("scp -f Grüße.csv", command(Way::Out, "", &["Grüße.csv"])),
            ("scp -f a\\\nb", command(Way::Out, "", &["ab"])),
            ("scp -f x -r", command(Way::Out, "", &["x", "-r"])),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(expected), "{line}");
        }
    }

    #[test]
    fn other_commands_are_refused() {
        let long = format!("scp -f {}", "x".repeat(COMMAND_BYTES_MAX));
        for (line, error) in [
            ("", CommandError::Foreign),
            ("ls", CommandError::Foreign),
            ("scpx -t .", CommandError::Foreign),
            ("/bin/sh -c 'scp -t .'", CommandError::Foreign),
            ("rsync --server . $HOME", CommandError::Foreign),
            ("scp a b", CommandError::Foreign),
            ("scp", CommandError::Foreign),
            ("scp -t -f x", CommandError::Foreign),
            ("scp -t", CommandError::Paths),
            ("scp -f", CommandError::Paths),
            ("scp -t a b", CommandError::Paths),
            ("scp -S /bin/sh -t x", CommandError::Option),
            ("scp -t -o x", CommandError::Option),
            ("scp - -t x", CommandError::Option),
            ("scp -f x; ls", CommandError::Operator),
            ("scp -f $(ls)", CommandError::Operator),
            ("scp -f `ls`", CommandError::Operator),
            ("scp -f \"`ls`\"", CommandError::Operator),
            ("scp -f \"$HOME\"", CommandError::Operator),
            ("scp -f x | ls", CommandError::Operator),
            ("scp -f x > y", CommandError::Operator),
            ("scp -f x\nls", CommandError::Operator),
            ("scp -f 'x", CommandError::Quote),
            ("scp -f \"x", CommandError::Quote),
            ("scp -f x\\", CommandError::Quote),
            (&long, CommandError::TooLong),
        ] {
            assert_eq!(parse(line.as_bytes()), Err(error), "{line}");
        }
        assert_eq!(parse(b"scp -f \xff"), Err(CommandError::Encoding));
    }
}
