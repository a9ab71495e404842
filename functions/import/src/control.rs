//! The control file: what it asks for.

use contract::{ImportCall, campaign_from_file_name};
use fault::{Code, Notice};

/// A control file is one small JSON document; its profile's mapping of a thousand columns is the largest part.
pub const CONTROL_BYTES_MAX: usize = 64 << 10;

/// The import call of a control file beside the file `name`. An empty one leaves it to the file's name.
pub fn read_call(name: &str, content: &[u8]) -> Result<ImportCall, Notice> {
    let content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content).trim_ascii();
    if content.is_empty() {
        let base = name.rsplit('/').next().unwrap_or(name);
        return campaign_from_file_name(base).ok_or_else(|| Code::ControlName.into());
    }
    serde_json::from_slice(content).map_err(|error| malformed(&error.to_string()))
}

/// With what is wrong in words.
pub fn malformed(problem: &str) -> Notice {
    Notice::new(Code::ControlMalformed).with("problem", problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_file_is_empty_or_an_import_call() {
        let name = "folder/7-spring-default-20261123120000.csv";
        let empty = read_call(name, b" \r\n").unwrap();
        assert_eq!((empty.campaign.as_str(), empty.profile.as_deref()), ("spring", Some("default")));
        let json = read_call("x.csv", b"\xEF\xBB\xBF{\"campaign\":\"c\",\"launch\":true}").unwrap();
        assert_eq!((json.campaign.as_str(), json.launch), ("c", true));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(read_call("x.csv", b"").unwrap_err().code, Code::ControlName);
        let words = |content: &[u8]| read_call("x.csv", content).unwrap_err().words();
        assert!(words(b"{\"campaign\":\"c\",\"lunch\":true}").contains("lunch"));
        assert!(words(b"{\"launch\":true}").contains("campaign"));
        assert!(words(b"campaign: c").contains("line 1"));
    }
}
