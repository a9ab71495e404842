//! What clients of the old SCP protocol send: lines between files, the command line, patterns.
#![no_main]

use fuzz::scp::{
    command,
    glob::{Pattern, push_quoted, unquoted},
    record::{self, Record},
};
use libfuzzer_sys::fuzz_target;

/// Parts of paths are no longer, and matching takes time by both lengths.
const PART_BYTES_MAX: usize = 255;

fuzz_target!(|bytes: &[u8]| {
    line(bytes);
    command_line(bytes);
    if let Ok(text) = str::from_utf8(bytes) {
        let (pattern, name) = text.split_once('\0').unwrap_or((text, text));
        if pattern.len() <= PART_BYTES_MAX && name.len() <= PART_BYTES_MAX {
            glob(pattern, name);
        }
    }
});

fn line(bytes: &[u8]) {
    let (kind, size, name) = match record::parse(bytes) {
        Ok(Record::File { size, name }) => ('C', size, name),
        Ok(Record::Folder { name }) => ('D', 0, name),
        _ => return,
    };
    assert!(!name.contains('/') && !matches!(name, "" | "." | ".."));
    let again = record::entry_line(kind, size, name);
    let parsed = record::parse(again.strip_suffix('\n').unwrap_or(&again).as_bytes());
    match (kind, parsed) {
        ('C', Ok(Record::File { size: s, name: n })) => assert!(s == size && n == name),
        ('D', Ok(Record::Folder { name: n })) => assert!(n == name),
        _ => panic!("a line is not read as it was written"),
    }
}

fn command_line(bytes: &[u8]) {
    let Ok(command) = command::parse(bytes) else { return };
    assert!(!command.paths.is_empty());
    // Quoted, every name comes through as it is.
    let names: Vec<String> = command.paths.iter().map(|path| unquoted(path)).collect();
    let mut line = String::from("scp -f --");
    for name in &names {
        line.push_str(&format!(" '{}'", name.replace('\'', "'\\''")));
    }
    match command::parse(line.as_bytes()) {
        Ok(again) => {
            assert!(again.paths.iter().map(|path| unquoted(path)).eq(names.iter().cloned()));
            assert!(again.paths.iter().all(|path| Pattern::parse(path).literal().is_some()));
        }
        Err(error) => assert_eq!(error, command::CommandError::TooLong),
    }
}

fn glob(pattern: &str, name: &str) {
    let parsed = Pattern::parse(pattern);
    let matches = parsed.matches(name);
    if let Some(literal) = parsed.literal() {
        assert_eq!(matches, literal == name);
    }
    let mut quoted = String::new();
    name.chars().for_each(|character| push_quoted(&mut quoted, character));
    assert!(Pattern::parse(&quoted).matches(name));
    assert!(name.starts_with('.') || Pattern::parse(&format!("*{quoted}*")).matches(name));
}
