//! Whom proofs go to: the addresses and fields of seed lists and test mails, as the API takes them.

use std::collections::{BTreeMap, BTreeSet};

use fault::{Notice, Phrase};
use mail::{Address, DigestKey};

use crate::{OperationError, request::invalid};

/// Of one address: as many as an import's row has.
pub(crate) const FIELDS_MAX: usize = 1_000;

/// An address that gets a proof. Holds personal data and has no `Debug`.
pub(crate) struct Receiver {
    /// As it stands in the envelope.
    pub(crate) address: String,
    /// Stands for it.
    pub(crate) key: Vec<u8>,
}

/// Reads addresses of which none may stand there twice. `name` is that of the field for each of them.
pub(crate) fn receivers<'t>(
    texts: impl IntoIterator<Item = &'t str>,
    name: impl Fn(usize) -> String,
    digest: &DigestKey,
) -> Result<Vec<Receiver>, OperationError> {
    let mut known = BTreeSet::new();
    let mut receivers = Vec::new();
    for (at, text) in texts.into_iter().enumerate() {
        let wrong = |problem: String| invalid(&name(at), problem);
        let address = Address::parse(text)
            .map_err(|error| wrong(Notice::new(error.code()).with("column", "address").words()))?;
        let key = address.key(digest).0.to_vec();
        if !known.insert(key.clone()) {
            return Err(wrong(Phrase::AddressTwice.to_string()));
        }
        receivers.push(Receiver { address: address.envelope().to_owned(), key });
    }
    Ok(receivers)
}

/// Fields by the names that a template has for columns; `place` is where they stand in the request.
pub(crate) fn named(
    fields: BTreeMap<String, String>,
    place: &str,
) -> Result<BTreeMap<String, String>, OperationError> {
    if fields.len() > FIELDS_MAX {
        return Err(invalid(place, Phrase::AtMost.filled([("max", &FIELDS_MAX)])));
    }
    // Postgres keeps no NUL in a text, and no mail can have one.
    if fields.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
        return Err(invalid(place, Phrase::Nul));
    }
    Ok(fields.into_iter().map(|(name, value)| (mail::field_name(&name), value)).collect())
}

#[cfg(test)]
mod tests {
    use fault::{Disposition, Fault};

    use super::*;

    fn words(error: &OperationError) -> String {
        match error.disposition() {
            Disposition::Customer(notice) => notice.words(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_address_is_valid_and_stands_there_once() {
        let digest = DigestKey::new(&[7; 32]);
        let read =
            |texts: &[&str]| receivers(texts.iter().copied(), |at| format!("addresses[{at}]"), &digest);
        let two = read(&["Ann@Example.ORG", "bob@example.org"]).ok().unwrap();
        assert_eq!(two[0].address, "Ann@example.org");
        let twice = words(&read(&["ann@example.org", "ANN@example.org"]).err().unwrap());
        assert!(twice.contains("addresses[1]") && !twice.contains("example"), "{twice}");
        assert!(words(&read(&["ann"]).err().unwrap()).contains("addresses[0]"));
    }

    #[test]
    fn fields_have_the_names_of_columns() {
        let given = BTreeMap::from([("First Name".to_owned(), "Ann".to_owned())]);
        assert_eq!(named(given, "fields").ok().unwrap()["first_name"], "Ann");
        let nul = BTreeMap::from([("a".to_owned(), "\0".to_owned())]);
        assert!(named(nul, "fields").is_err());
    }
}
