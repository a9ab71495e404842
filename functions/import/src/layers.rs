//! What a file's text is wrapped in: encrypted once, packed once, in either order.

use std::io::{self, Read};

use fault::{Code, Notice};
use time::OffsetDateTime;

use crate::{
    Error,
    reading::{
        file::{self, PgpKeys},
        form::{self, Form},
        rows::Stop,
        unpack::Unpacked,
    },
    verdict::{self, Kind},
};

/// Reading what is left behind the text.
const DRAIN_BYTES: usize = 16 << 10;

/// What is known and demanded of a file, and what opens it.
pub struct Layers<'a> {
    /// Its size as uploaded.
    pub bytes: u64,
    /// Refuse a file that is not encrypted.
    pub pgp_required: bool,
    /// Refuse one that is not signed; only encrypted files can be.
    pub signature_required: bool,
    /// Keys and signatures are judged as of now.
    pub now: OffsetDateTime,
    /// Gives the tenant's keys, once one is needed.
    pub keys: &'a dyn Fn() -> Result<PgpKeys, Error>,
}

/// What was taken off already.
#[derive(Clone, Copy, Default)]
struct Off {
    encryption: bool,
    packing: bool,
}

impl Off {
    fn is_none(self) -> bool {
        !self.encryption && !self.packing
    }
}

type Bytes<'a> = &'a mut (dyn Read + Send);
type Reading<'a, T> = &'a mut dyn FnMut(&mut dyn Read, bool) -> Result<T, Stop>;

impl Layers<'_> {
    /// Gives the text to `read`, and whether there were layers around it. The outer error is a layer's: what `read` made of the text is then worth nothing, and told
    /// to nobody.
    pub fn read<T>(
        &self,
        file: Bytes<'_>,
        mut read: impl FnMut(&mut dyn Read, bool) -> Result<T, Stop>,
    ) -> Result<Result<T, Stop>, Error> {
        self.take_off(file, Off::default(), &mut read)
    }

    fn take_off<T>(
        &self,
        bytes: Bytes<'_>,
        off: Off,
        read: Reading<'_, T>,
    ) -> Result<Result<T, Stop>, Error> {
        let looked = match form::look(bytes) {
            Ok(looked) => looked,
            // Of a layer above, which has the better word.
            Err(error) => return Ok(Err(Stop::Source(error))),
        };
        let (form, mut bytes) = looked;
        if let Some(notice) = off.is_none().then(|| self.too_large(&form)).flatten() {
            return Err(Error::Refused(notice));
        }
        match form {
            Form::Text if !off.encryption && self.pgp_required => Err(refused(Code::FileNotEncrypted)),
            Form::Text if !off.encryption && self.signature_required => Err(refused(Code::PgpSignature)),
            Form::Text => Ok(read(&mut bytes, !off.is_none())),
            Form::Foreign(notice) => Err(Error::Refused(notice)),
            Form::Encrypted if !off.encryption => self.decrypted(&mut bytes, off, read),
            Form::Gzip if !off.packing => self.unpacked(Unpacked::gzip(bytes), off, read),
            Form::Zip if !off.packing => self.unpacked(Unpacked::zip(bytes), off, read),
            Form::Encrypted | Form::Gzip | Form::Zip => Err(refused(Code::FilePackedTwice)),
        }
    }

    /// Of the outermost layer: nothing else is known before the first row.
    fn too_large(&self, form: &Form) -> Option<Notice> {
        let kind = match form {
            Form::Text => Kind::Plain,
            Form::Gzip | Form::Zip => Kind::Packed,
            Form::Encrypted => Kind::Encrypted,
            Form::Foreign(_) => return None,
        };
        verdict::of_kind(kind, self.bytes)
    }

    fn decrypted<T>(
        &self,
        message: Bytes<'_>,
        off: Off,
        read: Reading<'_, T>,
    ) -> Result<Result<T, Stop>, Error> {
        let mut text = file::decrypt(message, &(self.keys)()?, self.now)?;
        let result = self.take_off(&mut text, Off { encryption: true, ..off }, read);
        // Integrity first and alone: what was read of a message that does not hold is told to nobody.
        if !matches!(result, Ok(Err(Stop::Closed | Stop::Report(_)))) {
            text.finish()?;
        }
        result
    }

    fn unpacked<T>(
        &self,
        mut text: Unpacked<impl Read + Send>,
        off: Off,
        read: Reading<'_, T>,
    ) -> Result<Result<T, Stop>, Error> {
        let result = self.take_off(&mut text, Off { packing: true, ..off }, read);
        let drained = if matches!(result, Ok(Ok(_))) { drain(&mut text) } else { Ok(()) };
        if let Some(problem) = text.problem() {
            return Err(Error::Refused(problem.notice()));
        }
        drained.map_err(Error::from_io)?;
        result
    }
}

fn refused(code: Code) -> Error {
    Error::Refused(code.into())
}

fn drain(reader: &mut dyn Read) -> io::Result<()> {
    let mut rest = vec![0; DRAIN_BYTES];
    while reader.read(&mut rest)? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests;
