//! The signature headers of one message: its body is hashed and its headers are gathered once, whatever signs them.

use aws_lc_rs::{
    digest::{Context, Digest, SHA256, digest},
    rand::SystemRandom,
    signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use memchr::memchr;

use super::{
    DkimError, DkimKeys,
    canonical::{relaxed_body, relaxed_header},
};

/// Of a header's line, where it can be folded (RFC 5322, 2.1.1).
const LINE_BYTES_MAX: usize = 76;
const FOLD: &str = "\r\n\t";

/// A key that signs for a domain.
pub(super) struct Signer {
    key: Key,
    domain: String,
    selector: String,
}

enum Key {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "rsa-sha256",
            Self::Ed25519(_) => "ed25519-sha256",
        }
    }

    fn sign(&self, data: &[u8]) -> Result<String, DkimError> {
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut signature)
                    .map_err(|_| DkimError::Sign)?;
                Ok(STANDARD.encode(signature))
            }
            // RFC 8463, 3: of the digest.
            Self::Ed25519(key) => Ok(STANDARD.encode(key.sign(digest(&SHA256, data).as_ref()))),
        }
    }
}

/// What the signatures of one message have in common.
pub(super) struct Covered {
    /// The headers as they are hashed.
    headers: Vec<u8>,
    /// Their names in the same order; those that the message does not have follow, so that nobody can add them.
    names: String,
    /// The body's digest.
    body: String,
    /// When, in seconds.
    at: i64,
}

impl Covered {
    /// Of a message, these headers.
    pub fn of(message: &[u8], covered: &[&'static str], at: i64) -> Result<Self, DkimError> {
        let (fields, body) = split(message);
        let (mut headers, mut names) = (Vec::with_capacity(2_048), Vec::with_capacity(covered.len()));
        // From the last one up, as a verifier takes those of one name (RFC 6376, 5.4.2).
        for field in fields.iter().rev() {
            if let Some(name) = covered.iter().find(|name| is_named(field, name)) {
                relaxed_header(field, &mut headers);
                headers.extend_from_slice(b"\r\n");
                names.push(*name);
            }
        }
        if names.is_empty() {
            return Err(DkimError::Sign);
        }
        let missing = covered.iter().copied().filter(|name| !names.contains(name)).collect::<Vec<_>>();
        names.extend(missing);
        let body = STANDARD.encode(body_digest(body));
        Ok(Self { headers, names: folded(&names, "h=".len()), body, at })
    }
}

impl Signer {
    pub fn rsa(keys: &DkimKeys) -> Result<Self, DkimError> {
        let key = Key::Rsa(RsaKeyPair::from_pkcs8(&keys.rsa).map_err(|_| DkimError::Key)?);
        Ok(Self { key, domain: keys.domain.clone(), selector: keys.selector_rsa.clone() })
    }

    pub fn ed25519(keys: &DkimKeys) -> Result<Self, DkimError> {
        let key = Key::Ed25519(Ed25519KeyPair::from_pkcs8(&keys.ed25519).map_err(|_| DkimError::Key)?);
        Ok(Self { key, domain: keys.domain.clone(), selector: keys.selector_ed25519.clone() })
    }

    /// Writes the header of one signature.
    pub fn write(&self, covered: &Covered, target: &mut Vec<u8>) -> Result<(), DkimError> {
        let Self { key, domain, selector } = self;
        let Covered { headers, names, body, at } = covered;
        let algorithm = key.algorithm();
        let field = format!(
            "DKIM-Signature: v=1; a={algorithm}; s={selector}; d={domain}; c=relaxed/relaxed;{FOLD}h={names};{FOLD}t={at}; bh={body};{FOLD}b="
        );
        // The header itself is the last of what it signs, without its signature and without a line end.
        let mut data = Vec::with_capacity(headers.len() + field.len());
        data.extend_from_slice(headers);
        relaxed_header(field.as_bytes(), &mut data);
        let signature = key.sign(&data)?;
        target.extend_from_slice(field.as_bytes());
        let mut room = LINE_BYTES_MAX - "b=".len();
        let mut rest = signature.as_str();
        while let Some((line, behind)) = rest.split_at_checked(room) {
            target.extend_from_slice(line.as_bytes());
            target.extend_from_slice(FOLD.as_bytes());
            (rest, room) = (behind, LINE_BYTES_MAX);
        }
        target.extend_from_slice(rest.as_bytes());
        target.extend_from_slice(b"\r\n");
        Ok(())
    }
}

/// Long pieces are hashed where they stand; short ones, as indented lines have many of, are gathered.
fn body_digest(body: &[u8]) -> Digest {
    const SHORT_BYTES: usize = 256;
    let mut context = Context::new(&SHA256);
    let mut gathered = Vec::with_capacity(16 * SHORT_BYTES);
    relaxed_body(body, |piece| {
        if piece.len() < SHORT_BYTES {
            gathered.extend_from_slice(piece);
        }
        if piece.len() >= SHORT_BYTES || gathered.len() >= 15 * SHORT_BYTES {
            context.update(&gathered);
            gathered.clear();
        }
        if piece.len() >= SHORT_BYTES {
            context.update(piece);
        }
    });
    context.update(&gathered);
    context.finish()
}

/// The header fields, without their last line end, and the body.
fn split(message: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut fields = Vec::with_capacity(24);
    let (mut start, mut at) = (0, 0);
    while let Some(end) = memchr(b'\n', &message[at..]).map(|end| at + end) {
        at = end + 1;
        let Some(end) = end.checked_sub(1).filter(|end| message[*end] == b'\r') else { continue };
        if end == start {
            return (fields, &message[at..]);
        }
        if !matches!(message.get(at), Some(b' ' | b'\t')) {
            fields.push(&message[start..end]);
            start = at;
        }
    }
    if start < message.len() {
        fields.push(&message[start..]);
    }
    (fields, &[])
}

fn is_named(field: &[u8], name: &str) -> bool {
    field.split_at_checked(name.len()).is_some_and(|(head, rest)| {
        head.eq_ignore_ascii_case(name.as_bytes()) && rest.trim_ascii_start().starts_with(b":")
    })
}

/// Names between colons, on as many lines as they need; the first one begins behind so many bytes.
fn folded(names: &[&str], behind: usize) -> String {
    let mut text = String::with_capacity(256);
    let mut line = behind;
    for (number, name) in names.iter().enumerate() {
        if number > 0 {
            text.push(':');
            line += 1;
        }
        if line + name.len() >= LINE_BYTES_MAX {
            text.push_str(FOLD);
            line = 0;
        }
        text.push_str(name);
        line += name.len();
    }
    text
}
