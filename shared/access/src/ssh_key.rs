use aws_lc_rs::digest;
use data_encoding::{BASE64, BASE64_NOPAD};

use crate::Error;

/// Longest line that is looked at: RSA with 16,384 bits takes 2,800 characters, and a comment may follow.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// BSI TR-02102 and ANSSI ask for 3,000 bits; longer than 16,384 only costs time.
const RSA_BITS_MIN: usize = 3072;
const RSA_BITS_MAX: usize = 16_384;

const ED25519_BYTES: usize = 32;

/// A public key with which a tenant may log in to the gateway. Compared by its bytes; the comment is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKey {
    algorithm: &'static str,
    /// The key in SSH's own encoding (RFC 4253, 6.6), which begins with the algorithm once more.
    blob: Vec<u8>,
}

impl SshKey {
    /// Reads one line as `ssh-keygen` writes it: `ssh-ed25519 AAAA... comment`, without options before it.
    ///
    /// Takes Ed25519 (RFC 8709), ECDSA on the three NIST curves (RFC 5656), and RSA from 3,072 bits.
    ///
    /// # Errors
    /// [`Error::SshKeyMalformed`] and [`Error::SshKeyWeak`]; both have words for the customer.
    pub fn parse(line: &str) -> Result<Self, Error> {
        let line = line.trim();
        if line.len() > LINE_BYTES_MAX || line.contains(['\n', '\r', '\0']) {
            return Err(Error::SshKeyMalformed);
        }
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some(encoded)) = (words.next(), words.next()) else {
            return Err(Error::SshKeyMalformed);
        };
        let blob = BASE64
            .decode(encoded.as_bytes())
            .or_else(|_| BASE64_NOPAD.decode(encoded.as_bytes()))
            .map_err(|_| Error::SshKeyMalformed)?;
        let mut rest = blob.as_slice();
        if string(&mut rest)? != name.as_bytes() {
            return Err(Error::SshKeyMalformed);
        }
        let algorithm = check(name, &mut rest)?;
        if rest.is_empty() { Ok(Self { algorithm, blob }) } else { Err(Error::SshKeyMalformed) }
    }

    /// The algorithm's name on the wire, such as `ssh-ed25519`.
    pub fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    /// `SHA256:` and 43 characters of base64, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        let hash = digest::digest(&digest::SHA256, &self.blob);
        format!("SHA256:{}", BASE64_NOPAD.encode(hash.as_ref()))
    }

    /// The key as one line without a comment, as it is stored.
    pub fn openssh(&self) -> String {
        format!("{} {}", self.algorithm, BASE64.encode(&self.blob))
    }
}

/// Reads what follows the algorithm's name, and judges it.
fn check(name: &str, rest: &mut &[u8]) -> Result<&'static str, Error> {
    match name {
        "ssh-ed25519" => {
            let valid = string(rest)?.len() == ED25519_BYTES;
            if valid { Ok("ssh-ed25519") } else { Err(Error::SshKeyMalformed) }
        }
        "ecdsa-sha2-nistp256" => ecdsa(rest, "nistp256", 32).map(|()| "ecdsa-sha2-nistp256"),
        "ecdsa-sha2-nistp384" => ecdsa(rest, "nistp384", 48).map(|()| "ecdsa-sha2-nistp384"),
        "ecdsa-sha2-nistp521" => ecdsa(rest, "nistp521", 66).map(|()| "ecdsa-sha2-nistp521"),
        "ssh-rsa" => {
            let exponent_bits = integer_bits(string(rest)?)?;
            let modulus_bits = integer_bits(string(rest)?)?;
            let strong = exponent_bits >= 2 && (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&modulus_bits);
            if strong { Ok("ssh-rsa") } else { Err(Error::SshKeyWeak) }
        }
        // ssh-dss, security keys, certificates: the words tell what is taken instead.
        _ => Err(Error::SshKeyWeak),
    }
}

fn ecdsa(rest: &mut &[u8], curve: &str, coordinate_bytes: usize) -> Result<(), Error> {
    let named = string(rest)? == curve.as_bytes();
    let point = string(rest)?;
    // Uncompressed, the only form that RFC 5656 makes everyone read.
    let valid = named && point.len() == 1 + 2 * coordinate_bytes && point.first() == Some(&4);
    if valid { Ok(()) } else { Err(Error::SshKeyMalformed) }
}

/// Takes a `string` of RFC 4251, 5: four octets of length, then so many octets.
fn string<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Error> {
    let (length, after) = rest.split_first_chunk::<4>().ok_or(Error::SshKeyMalformed)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Error::SshKeyMalformed)?;
    let (value, after) = after.split_at_checked(length).ok_or(Error::SshKeyMalformed)?;
    *rest = after;
    Ok(value)
}

/// The size of a positive `mpint` (RFC 4251, 5) in its shortest form, so that one key has one fingerprint.
fn integer_bits(value: &[u8]) -> Result<usize, Error> {
    let (first, magnitude) = match value {
        [0, magnitude @ ..] => (magnitude.first().filter(|byte| **byte >= 0x80), magnitude),
        magnitude => (magnitude.first().filter(|byte| **byte < 0x80), magnitude),
    };
    let first = first.ok_or(Error::SshKeyMalformed)?;
    Ok(magnitude.len() * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with ssh-keygen, fingerprints by `ssh-keygen -lf`.
    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFd+Sg51IO3ukSs9SW1agG3E3PjHfZsVQpm+g0nrAcRQ";
    const ED25519_FINGERPRINT: &str = "SHA256:2M005Btc2bSNujMof5awgOxmvGZssrbIEWKD2lE7AQQ";
    const ECDSA256: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJX0h4wyu9RtU20YCgptDs/y\
        58CTCDfoy7dSL63Y7HsWocnP3Vi3MTGt6wyPS0gkFq28cru093IJKSEPG/H9WGE=";
    const ECDSA256_FINGERPRINT: &str = "SHA256:nFfAZtyxLkeM0os46TJ1WrL9+CLR8tP/27lrRESZulE";
    const ECDSA521: &str = "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAENPZSy8dDLacICmp3+Uo7n\
        05DYxjd+0xfdaULyBWqm9mpWXlH76kLJ/66Q1xLJtIjMX3PguUHXALq5gx8udW/7cABsjuRuUSjv40rox+Ns6xqQCzYxrEXi\
        c0EBii44c2eWyoZ05JYb3vD8nOWi/fq/phfi4V+82M+Dgkw1JOGh40cvfQ==";
    const ECDSA521_FINGERPRINT: &str = "SHA256:ZRn3iAXdZ8W4wiPGm5047r2hZpdjStWVeWS3r6K2Cso";
    const RSA3072: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQDNcLxUpbihEyckQEDhUwHuNBLGPeRbEYUB62BhKNO0i3PAsAlGuKNc5CPU\
        K971MfHzg7h8fk+rJfrvgV0DS5vtyF9ZJ+OYAfc+jBykdLBf9CUWC3GTwUPzFS/YUwWWUOd3VcRxzyoG1hnFkVpI/xgpdss8\
        IfGBzAk/l6BBhzGsDLzJE2jPnkt8oNLXnXKBDU+NQEcst9u35hsnj0GuCx4nsjmIG16CXrN5TpBkvTmnJ2wk/3+f4PCJE5vc\
        b1s7TxZw4j/sxcNTIcYscCVWSlv9eU0aRVhWOxIjgWopAE925lsTUZ6qxxZkvtAjVk27BiXmBKImPlDy3tEZXBqsZLt+sgTy\
        VCnKZR7agbCNVXCi/pWAoUAdu46Y+7PJEdvz5xtBDzIXui48LNAYy5YdSk2+LKf5j8yW/2SFMMldOIutwr/WBBQ7N8WUnk0z\
        4EUsQ1oqmAplkvBPRFT6Tr/sf9NP6DrDUZF1Bl7LaMbh9Dm1skr9b899pBJPelzJRqwYBpM=";
    const RSA3072_FINGERPRINT: &str = "SHA256:+7IdhCezcx1zTDjRdS5AJytKDFjGj8Ey4r5GfEBIoFg";
    const RSA2048: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDGi5hJwxmC8IWpuDymDAFpC3Sd2rH+c/Vu1/5s2poPqqDpRIYkhtRkl5am\
        2yQvVfuywprkc6R3Cf+a6xLybTrLDw8fNoy9gbdNpKe/sOXMD4zgBIPkqLUNam7FEQN3QCu0oyJpvqjgMVlrB1IyqeZtRWFO\
        dzur2MNSwO3v+cwD0WrqcQtfmgrf+z1wuKbpLXdtEE+tPGb9XhLdQW8RpP77QRK1ct1ueG5XNaPIWl52Z2dGLCO1a/vNuYne\
        LfP0rxY8N8qdJsOcEc9jbcB/bzk8j354xYN5ZheccAKMOaN3bdjtiRgX4VrLcn2/jBsNFT8RNz/vugIPBRMGZRAr05df";
    const DSA: &str = "ssh-dss AAAAB3NzaC1kc3MAAACBALvVT4vMOQvlxF/fK7o6l2XaikriquV1jV0+SwIe583mbjrflCEQrqU0XspEMQZPWFAv\
        B3GxkHpj+0lq1KpxeRr34xF5bUaYb9O80ZAjp4IgrkCl05asoUmqOcWKfhVm991uukY/VDymKsQrlvUtWURDeCvGugV8reXh\
        enqgP11ZAAAAFQD+Snbhv0h8S1iyOn86OPjkg31qcwAAAIEArcwPg+ZAP9vuzGnYok8cphM95AWYXCciPTLkbGwAi9oMYam3\
        0g2PgRKSKQ2WQ8HcmvdPSE94FYU3JBhC3CXAB577jbwYOMfPbeKUCZ4wNVlvVRE0bJ3huHHAZ2TsyZNFI8+VKiFsOzlF0kmX\
        abl/94A6WoISOHP1n7BcHE+euwQAAACBAKhazIfuWp8AQ3cxmABG/r1G+tJLyzwjuv0YU2USTKid86GwzojRLvmbxp10Q8wV\
        ERKkVrR/495rmKA5oHhTM34vkB8lRRRIyBoYA6YjaIXj9KWXgse9u4JR2sY+0CzVOXJKesOe7+7qmPb3Gpw9GNZrvja/oevJ\
        /n5YcrBfggXd";

    #[test]
    fn keys_of_ssh_keygen_have_its_fingerprints() {
        for (line, fingerprint) in [
            (ED25519, ED25519_FINGERPRINT),
            (ECDSA256, ECDSA256_FINGERPRINT),
            (ECDSA521, ECDSA521_FINGERPRINT),
            (RSA3072, RSA3072_FINGERPRINT),
        ] {
            let key = SshKey::parse(line).unwrap();
            assert_eq!(key.fingerprint(), fingerprint);
            assert_eq!(key.algorithm(), line.split(' ').next().unwrap());
            assert_eq!(key.openssh(), line);
            assert_eq!(SshKey::parse(&format!("  {line}\tanna@laptop, office\r\n")).unwrap(), key);
        }
    }

    #[test]
    fn weak_and_foreign_keys_are_told_so() {
        let sk = ["sk-ssh-ed25519@openssh.com", "x"];
        let sk = format!("{} {}", sk[0], BASE64.encode(&strings(&[sk[0].as_bytes(), sk[1].as_bytes()])));
        for (name, line) in [("RSA 2048", RSA2048), ("DSA", DSA), ("security key", &sk)] {
            assert!(matches!(SshKey::parse(line), Err(Error::SshKeyWeak)), "{name}");
        }
        // An exponent of one signs everything.
        let modulus = [&[0][..], &[0xFF; 384]].concat();
        let line = format!("ssh-rsa {}", BASE64.encode(&strings(&[b"ssh-rsa", &[1], &modulus])));
        assert!(matches!(SshKey::parse(&line), Err(Error::SshKeyWeak)));
    }

    #[test]
    fn anything_else_is_malformed() {
        let blob = ED25519.split(' ').nth(1).unwrap();
        let padded_modulus = [&[0, 0][..], &[0xFF; 384]].concat();
        let negative = BASE64.encode(&strings(&[b"ssh-rsa", &[1, 0, 1], &[0xFF; 384]]));
        let padded = BASE64.encode(&strings(&[b"ssh-rsa", &[1, 0, 1], &padded_modulus]));
        let longer = BASE64.encode(&strings(&[b"ssh-ed25519", &[7; 32], b"more"]));
        for bad in [
            String::new(),
            "ssh-ed25519".to_owned(),
            "ssh-ed25519 AAAA".to_owned(),
            "ssh-ed25519 !!!!".to_owned(),
            format!("ssh-rsa {blob}"),
            format!("ssh-ed25519 {}", &blob[..40]),
            format!("ssh-ed25519 {longer}"),
            format!("ssh-rsa {negative}"),
            format!("ssh-rsa {padded}"),
            format!("restrict {ED25519}"),
            format!("{ED25519}\n{ED25519}"),
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n-----END OPENSSH PRIVATE KEY-----"
                .to_owned(),
            "---- BEGIN SSH2 PUBLIC KEY ----".to_owned(),
        ] {
            assert!(matches!(SshKey::parse(&bad), Err(Error::SshKeyMalformed)), "{bad}");
        }
    }

    fn strings(values: &[&[u8]]) -> Vec<u8> {
        let length = |value: &[u8]| u32::try_from(value.len()).unwrap().to_be_bytes();
        values.iter().flat_map(|value| [&length(value)[..], value].concat()).collect()
    }
}
