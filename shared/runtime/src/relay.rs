//! Which relay, and how it is reached.

use std::{fmt, io};

use lettre::transport::smtp::{
    Error as SmtpError,
    authentication::{Credentials, Mechanism},
    client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters},
    extension::ClientId,
};
use tokio::net::TcpStream;
use url::{Host, Url};

/// RFC 5321, 4.5.4.2.
const PORT_PLAIN: u16 = 25;
/// RFC 6409: where a relay takes submissions with STARTTLS.
const PORT_STARTTLS: u16 = 587;

/// An SMTP relay. `Debug` hides the password.
pub struct Relay {
    host: String,
    port: u16,
    /// Present: nothing but the greeting goes over the wire before TLS, with a certificate of the relay's name.
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    /// Our name in EHLO.
    hello: ClientId,
}

/// Why there is no connection. What a relay says may quote an address: whoever logs it takes those out.
#[derive(Debug)]
pub enum ConnectError {
    /// No TCP.
    Socket(io::Error),
    /// No greeting, no TLS, no login.
    Smtp(SmtpError),
}

/// What is wrong with a relay's URL. None of it is shown, since it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// Not a URL with a host.
    #[error("RELAY_URL is not smtp://host:port or smtp+starttls://user:password@host:port")]
    Malformed,
    /// A password must not go over the wire in the clear.
    #[error("RELAY_URL has a password: use smtp+starttls://")]
    PasswordInClear,
    /// TLS could not be set up.
    #[error("TLS for the relay could not be set up: is RELAY_CA a PEM file with certificates?")]
    Tls,
}

impl Relay {
    /// Reads `smtp://host[:port]` (plain, for a relay on this machine or a private network) or
    /// `smtp+starttls://[user:password@]host[:port]`. `hello` is the name by which we greet; `roots` in PEM are those that its certificate may
    /// come from, instead of the public ones.
    pub fn parse(url: &str, hello: &str, roots: Option<&[u8]>) -> Result<Self, RelayError> {
        let url = Url::parse(url).map_err(|_| RelayError::Malformed)?;
        let host = match url.host().ok_or(RelayError::Malformed)? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let (port, tls) = match url.scheme() {
            "smtp" => (PORT_PLAIN, None),
            "smtp+starttls" => (PORT_STARTTLS, Some(tls(&host, roots)?)),
            _ => return Err(RelayError::Malformed),
        };
        let credentials = match url.password() {
            Some(_) if tls.is_none() => return Err(RelayError::PasswordInClear),
            Some(password) => Some(Credentials::new(decode(url.username())?, decode(password)?)),
            None => None,
        };
        let hello = ClientId::Domain(hello.to_owned());
        Ok(Self { host, port: url.port().unwrap_or(port), tls, credentials, hello })
    }

    /// Our name in EHLO.
    pub fn hello(&self) -> &ClientId {
        &self.hello
    }

    /// Opens a connection: greeted, encrypted and logged in as the URL says. It sets no limit of time.
    pub async fn connect(&self) -> Result<AsyncSmtpConnection, ConnectError> {
        let stream =
            TcpStream::connect((self.host.as_str(), self.port)).await.map_err(ConnectError::Socket)?;
        // Without it the last piece of a mail waits for the delayed acknowledgement of the one before: 45 ms a mail.
        stream.set_nodelay(true).map_err(ConnectError::Socket)?;
        let connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello).await;
        let mut connection = connection.map_err(ConnectError::Smtp)?;
        if let Some(tls) = &self.tls {
            connection.starttls(tls.clone(), &self.hello).await.map_err(ConnectError::Smtp)?;
        }
        if let Some(credentials) = &self.credentials {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&mechanisms, credentials).await.map_err(ConnectError::Smtp)?;
        }
        Ok(connection)
    }
}

fn tls(host: &str, roots: Option<&[u8]>) -> Result<TlsParameters, RelayError> {
    let mut tls = TlsParameters::builder(host.to_owned());
    if let Some(roots) = roots {
        let roots = Certificate::from_pem(roots).map_err(|_| RelayError::Tls)?;
        tls = tls.certificate_store(CertificateStore::None).add_root_certificate(roots);
    }
    tls.build_rustls().map_err(|_| RelayError::Tls)
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Percent-decoding, as user and password stand in a URL.
fn decode(text: &str) -> Result<String, RelayError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (high, low) = (digit().ok_or(RelayError::Malformed)?, digit().ok_or(RelayError::Malformed)?);
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| RelayError::Malformed)?);
    }
    String::from_utf8(bytes).map_err(|_| RelayError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let table = [
            ("smtp://127.0.0.1:2525", ("127.0.0.1", 2525, false, false)),
            ("smtp://relay.example", ("relay.example", 25, false, false)),
            ("smtp+starttls://relay.example", ("relay.example", 587, true, false)),
            ("smtp+starttls://AKIA:a%2Fb%3d@relay.example:2587", ("relay.example", 2587, true, true)),
            ("smtp://[::1]:25", ("::1", 25, false, false)),
        ];
        for (url, expected) in table {
            let relay = Relay::parse(url, "b.example", None).unwrap();
            let found = (&*relay.host, relay.port, relay.tls.is_some(), relay.credentials.is_some());
            assert_eq!(found, expected, "{url}");
            assert!(!format!("{relay:?}").contains("AKIA"));
        }
        assert_eq!(decode("a%2Fb%3d").unwrap(), "a/b=");
    }

    #[test]
    fn what_is_not_safe_or_not_clear_is_refused() {
        let table = [
            ("smtp://user:secret@relay.example", RelayError::PasswordInClear),
            ("smtps://relay.example", RelayError::Malformed),
            ("relay.example:25", RelayError::Malformed),
            ("smtp+starttls://u:%zz@relay.example", RelayError::Malformed),
        ];
        for (url, expected) in table {
            assert_eq!(Relay::parse(url, "b.example", None).unwrap_err(), expected, "{url}");
        }
    }
}
