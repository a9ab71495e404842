use std::{io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};

use super::*;
use crate::customer::{Customer, NOW};

const TEXT: &[u8] = b"email\na@b.example\n";

impl Customer {
    /// The text, or the code of what is wrong with the file.
    fn read(&self, file: &[u8], pgp_required: bool) -> Result<Vec<u8>, Code> {
        use fault::{Disposition, Fault};
        let keys = || self.keys();
        let bytes = file.len() as u64;
        let layers = Layers { bytes, pgp_required, signature_required: false, now: NOW, keys: &keys };
        let read = layers.read(&mut { file }, |text, _| {
            let mut all = Vec::new();
            text.read_to_end(&mut all).map_err(Stop::Source)?;
            Ok(all)
        });
        match read {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(_)) => panic!("a layer's fault was taken for the text's"),
            Err(error) => match error.disposition() {
                Disposition::Customer(notice) => Err(notice.code),
                other => panic!("{other:?}"),
            },
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/packed").join(name)).unwrap()
}

#[test]
fn layers_come_off_in_either_order() {
    let customer = Customer::new();
    let zipped = fixture("zip.zip");
    let table = fixture("list.csv");
    let files: [(&str, Vec<u8>, &[u8]); 7] = [
        ("nothing", TEXT.to_vec(), TEXT),
        ("gzip", gzip(TEXT), TEXT),
        ("zip", zipped.clone(), &table),
        ("pgp", customer.encrypt(TEXT), TEXT),
        ("gzip in pgp", customer.encrypt(&gzip(TEXT)), TEXT),
        ("zip in pgp", customer.encrypt(&zipped), &table),
        ("pgp in gzip", gzip(&customer.encrypt(TEXT)), TEXT),
    ];
    for (name, file, text) in files {
        assert_eq!(customer.read(&file, false).as_deref(), Ok(text), "{name}");
        let encrypted = name.contains("pgp");
        assert_eq!(customer.read(&file, true).is_ok(), encrypted, "{name}, encryption demanded");
    }
}

#[test]
fn a_layer_that_does_not_hold_is_told() {
    let customer = Customer::new();
    let long = b"email\na@b.example\n".repeat(200_000);
    let mut changed = customer.encrypt(&gzip(&long));
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let mut cut = gzip(&long);
    cut.truncate(cut.len() - 3);
    let mut cut_around = gzip(&customer.encrypt(&long));
    cut_around.truncate(cut_around.len() - 3);
    let stranger = Customer::new().encrypt(TEXT);
    let files: [(&str, Vec<u8>, Code); 9] = [
        ("gzip cut", cut.clone(), Code::FilePackedDamaged),
        ("gzip cut, in pgp", customer.encrypt(&cut), Code::FilePackedDamaged),
        // What is below the encryption says nothing about it.
        ("pgp changed, around gzip", changed, Code::PgpDamaged),
        ("gzip cut, around pgp", cut_around, Code::FilePackedDamaged),
        ("pgp of a stranger in gzip", gzip(&stranger), Code::PgpNotForUs),
        ("gzip in gzip", gzip(&gzip(TEXT)), Code::FilePackedTwice),
        ("pgp in pgp", customer.encrypt(&customer.encrypt(TEXT)), Code::FilePackedTwice),
        ("tar in gzip", fixture("tar.tar.gz"), Code::FilePacking),
        ("workbook in pgp", customer.encrypt(&fixture("workbook.xlsx")), Code::FileForm),
    ];
    for (name, file, code) in files {
        assert_eq!(customer.read(&file, false), Err(code), "{name}");
    }
}
