//! Every form of a recipients' file, with what must come out of it: one list for the reading part alone, and for the whole import on real servers.
//!
//! `fixtures/<group>/<form>.<ending>` is the file, `<form>.call.json` what its control file says beside the campaign, `<form>.expected` what becomes of it.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "tests: a broken expectation panics"
)]

pub mod copy;
mod made;
mod outcome;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

pub use outcome::{Outcome, Rejected, Row, Table};
use serde_json::{Map, Value};

const CALL: &str = ".call.json";
const EXPECTED: &str = ".expected";
/// Set by whoever wants expectations to be written, not compared.
const UPDATE: &str = "UPDATE_FORMS";

/// One file.
pub struct Form {
    /// Group and form: `quotes/doubled`.
    pub name: String,
    /// The same with the file's ending.
    pub file: String,
    pub bytes: Vec<u8>,
    call: Map<String, Value>,
}

impl Form {
    fn new(name: &str, ending: &str, bytes: Vec<u8>) -> Self {
        Self { name: name.to_owned(), file: format!("{name}{ending}"), bytes, call: Map::new() }
    }

    fn overriding(mut self, overrides: Value) -> Self {
        self.call.insert("overrides".to_owned(), overrides);
        self
    }

    /// Its import call, without a launch.
    pub fn call(&self, campaign: &str) -> Value {
        let mut call = self.call.clone();
        call.insert("campaign".to_owned(), campaign.into());
        // Many forms are of the same text.
        call.insert("again".to_owned(), true.into());
        call.into()
    }

    /// What is wrong with what became of the file.
    pub fn compare(&self, found: &Outcome) -> Option<String> {
        let path = folder().join(format!("{}{EXPECTED}", self.name));
        let found = found.to_string();
        let expected = fs::read_to_string(&path).unwrap_or_default();
        (found != expected).then(|| format!("{}: expected\n{expected}\nfound\n{found}", self.name))
    }

    /// The same, or, where `UPDATE_FORMS` is set, nothing: then what was found is expected from now on.
    pub fn compare_or_update(&self, found: &Outcome) -> Option<String> {
        if std::env::var_os(UPDATE).is_none() {
            return self.compare(found);
        }
        let path = folder().join(format!("{}{EXPECTED}", self.name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, found.to_string()).unwrap();
        None
    }
}

/// All forms, by name. `encrypt` makes an OpenPGP message to the tenant who reads them.
pub fn all(encrypt: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<Form> {
    let mut forms = committed();
    forms.extend(made::forms(encrypt));
    forms.sort_by(|one, other| one.name.cmp(&other.name));
    let names: BTreeSet<&str> = forms.iter().map(|form| form.name.as_str()).collect();
    assert_eq!(names.len(), forms.len(), "two forms of one name");
    for expected in names_ending(EXPECTED) {
        assert!(names.contains(expected.as_str()), "{expected} is expected of no form");
    }
    forms
}

fn committed() -> Vec<Form> {
    let mut forms = Vec::new();
    for path in files() {
        let file = relative(&path);
        if file.ends_with(CALL) || file.ends_with(EXPECTED) {
            continue;
        }
        let base = file.rfind('/').map_or(0, |slash| slash + 1);
        let (name, ending) = file.split_at(base + file[base..].find('.').expect("an ending"));
        let mut form = Form::new(name, ending, fs::read(&path).unwrap());
        if let Ok(call) = fs::read(folder().join(format!("{name}{CALL}"))) {
            form.call = serde_json::from_slice(&call).unwrap();
        }
        forms.push(form);
    }
    assert!(forms.len() > 100, "only {} forms", forms.len());
    forms
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn files() -> Vec<PathBuf> {
    let entries = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries(&folder()).flat_map(|group| entries(&group)).collect()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(folder()).unwrap().to_str().unwrap().to_owned()
}

fn names_ending(ending: &str) -> Vec<String> {
    files().iter().filter_map(|path| relative(path).strip_suffix(ending).map(str::to_owned)).collect()
}
