//! Every form of a file (`tests/forms`) through all that reads it, without servers: what comes out of each is what is expected there.

use std::{
    collections::BTreeSet,
    io,
    sync::{LazyLock, atomic::AtomicU64},
};

use contract::ImportCall;
use fault::{Code, Disposition, Fault, Notice};
use forms::{Form, Outcome, Rejected, Row, Table};
use mail::DigestKey;

use crate::{
    Error,
    customer::{Customer, NOW},
    layers::Layers,
    plan::{self, Terms},
    reading::{
        file::Metered,
        report::Report,
        rows::{self, Rows, Stop},
    },
    verdict,
};

impl Customer {
    fn outcome(&self, form: &Form) -> Outcome {
        let call: ImportCall = serde_json::from_value(form.call("spring")).unwrap();
        let mut report = Vec::new();
        let table = self.table(form, &call, &mut report).map_err(|notice| notice.code.slug().to_owned());
        Outcome { table, rejected: rejected(&report) }
    }

    /// As `plan`, `fill` and `extract` do it.
    fn table(&self, form: &Form, call: &ImportCall, report: &mut Vec<u8>) -> Result<Table, Notice> {
        let profile = call.overrides.clone().unwrap_or_default();
        let terms = plan::check(profile, false, DigestKey::new(&[7; 32]))?;
        if let Some(notice) = verdict::of_size(call, form.bytes.len() as u64) {
            return Err(notice);
        }
        let bytes = AtomicU64::new(0);
        let mut raw = Metered::new(&form.bytes[..], &bytes);
        let mut copied = Vec::new();
        let mut report = Report::new(|| Ok(report));
        let rows = self.rows(&terms, form.bytes.len() as u64, &mut raw, &mut report, &mut copied)?;
        report.finish().unwrap();
        let (_, sha256) = raw.finish().unwrap();
        let Rows { imported, rejected, .. } = rows;
        let refused = verdict::of_digest(call, &sha256)
            .or_else(|| verdict::of_rows(imported, rejected, terms.profile.bad_rows_max_percent));
        match refused {
            Some(notice) => Err(notice),
            None => Ok(table(rows, &copied)),
        }
    }

    fn rows<'r, F: FnOnce() -> io::Result<&'r mut Vec<u8>>>(
        &self,
        terms: &Terms,
        bytes: u64,
        raw: &mut Metered<'_, &[u8]>,
        report: &mut Report<&'r mut Vec<u8>, F>,
        copied: &mut Vec<u8>,
    ) -> Result<Rows, Notice> {
        let keys = || self.keys();
        let layers = Layers {
            bytes,
            pgp_required: terms.profile.pgp_required == Some(true),
            signature_required: false,
            now: NOW,
            keys: &keys,
        };
        let read = layers.read(raw, |text, _| {
            rows::read_rows(text, &terms.borrowed(), None, report, &AtomicU64::new(0), |chunk| {
                copied.extend_from_slice(&chunk);
                true
            })
        });
        match read {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(Stop::Refused(notice))) => Err(notice),
            Ok(Err(stop)) => panic!("{stop:?}"),
            Err(error) => Err(notice(&error)),
        }
    }
}

fn notice(error: &Error) -> Notice {
    match error.disposition() {
        Disposition::Customer(notice) => notice,
        other => panic!("{other:?}"),
    }
}

fn table(rows: Rows, copied: &[u8]) -> Table {
    let copied = forms::copy::rows(copied);
    let copied = copied.iter().map(|row| Row {
        line: row.line,
        address: row.address.to_owned(),
        address_key: row.address_key.to_vec(),
        key: row.own_key.map(str::to_owned),
        fields: store::fields::decode(row.fields, row.address).unwrap(),
    });
    Table {
        charset: rows.charset.to_owned(),
        delimiter: char::from(rows.delimiter),
        columns: rows.columns.names,
        imported: rows.imported,
        rejected: rows.rejected,
        rows: copied.collect(),
    }
}

fn rejected(report: &[u8]) -> Vec<Rejected> {
    let mut report = csv::Reader::from_reader(report);
    let lines = report.records().map(|line| {
        let line = line.unwrap();
        Rejected { line: line[0].parse().unwrap(), column: line[1].to_owned(), code: line[2].to_owned() }
    });
    lines.filter(|rejected| rejected.line > 0).collect()
}

/// Each form, and what becomes of it.
static OUTCOMES: LazyLock<Vec<(Form, Outcome)>> = LazyLock::new(|| {
    let customer = Customer::new();
    let forms = forms::all(&|bytes| customer.encrypt(bytes));
    forms
        .into_iter()
        .map(|form| (customer.outcome(&form), form))
        .map(|(outcome, form)| (form, outcome))
        .collect()
});

#[test]
fn of_every_form_comes_what_is_expected() {
    let mut wrong: Vec<String> = Vec::new();
    for (form, outcome) in &*OUTCOMES {
        wrong.extend(form.compare_or_update(outcome));
        if let Ok(table) = &outcome.table {
            let told = (table.imported, table.rejected);
            let there = (table.rows.len() as u64, outcome.rejected.len() as u64);
            assert_eq!(told, there, "{}: the counts", form.name);
        }
    }
    assert!(wrong.is_empty(), "{} of {} forms\n\n{}", wrong.len(), OUTCOMES.len(), wrong.join("\n"));
}

/// A reason that no form has is one that nobody has seen.
#[test]
fn every_reason_that_a_file_alone_can_have_has_a_form() {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for (_, outcome) in &*OUTCOMES {
        seen.extend(outcome.table.as_ref().err().map(String::as_str));
        seen.extend(outcome.rejected.iter().map(|rejected| rejected.code.as_str()));
    }
    // Of the others, some need more than a file (another object, a signature, a tenant's settings), some more than 10 GiB.
    let codes = [
        Code::AddressMissing,
        Code::AddressNoAt,
        Code::AddressLocalPart,
        Code::AddressDomain,
        Code::AddressTooLong,
        Code::RowRagged,
        Code::RowEncoding,
        Code::RowNul,
        Code::FieldTooLong,
        Code::RowTooLong,
        Code::FileEmpty,
        Code::FileSize,
        Code::FileDigest,
        Code::FileHeader,
        Code::FileColumns,
        Code::FileTooManyBadRows,
        Code::FileQuote,
        Code::FileCharset,
        Code::FileCharsetUnclear,
        Code::FileDelimiter,
        Code::FileNotEncrypted,
        Code::FileForm,
        Code::FilePacking,
        Code::FilePackedFiles,
        Code::FilePackedDamaged,
        Code::FilePackedPassword,
        Code::FilePackedMethod,
        Code::FilePackedTwice,
        Code::FileExpansion,
        Code::PgpDamaged,
    ];
    for code in codes {
        assert!(seen.contains(code.slug()), "no form is {code}");
    }
}
