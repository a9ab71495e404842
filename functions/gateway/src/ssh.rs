//! The SSH protocol's settings: algorithms and limits.

use std::{borrow::Cow, time::Duration};

use russh::{
    Preferred, cipher, compression, kex,
    keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey},
    mac,
    server::Config,
};

use crate::connection;

/// Logins that one connection may try: OpenSSH offers every key of an agent before it asks for a password.
pub const ATTEMPTS_MAX: usize = 10;
/// Every refusal takes this long, whatever its reason.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// Keepalives, and how many may be unanswered: a client that vanished is noticed after four minutes.
const KEEPALIVE: Duration = Duration::from_mins(1);
const KEEPALIVES_MAX: usize = 3;
/// A connection over which nothing goes in either direction for this long ends: the client neither answers keepalives nor takes what is
/// sent to it.
const SILENCE_MAX: Duration = Duration::from_mins(5);
/// What a client may send ahead: enough for 100 MB/s at 40 ms.
const WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Messages of a channel that wait for us, each up to 32 KiB; below the window, so that memory is bounded by it.
const CHANNEL_MESSAGES_MAX: usize = 64;
/// The protocol's settings. Key exchange, ciphers and MACs are those without known weakness; strict key exchange is offered to all.
pub fn config(host_keys: Vec<PrivateKey>) -> Config {
    const ECDSA: [EcdsaCurve; 3] = [EcdsaCurve::NistP256, EcdsaCurve::NistP384, EcdsaCurve::NistP521];
    let mut keys = vec![Algorithm::Ed25519];
    keys.extend(ECDSA.map(|curve| Algorithm::Ecdsa { curve }));
    keys.extend([HashAlg::Sha512, HashAlg::Sha256].map(|hash| Algorithm::Rsa { hash: Some(hash) }));
    let preferred = Preferred {
        kex: Cow::Borrowed(&[
            kex::MLKEM768X25519_SHA256,
            kex::CURVE25519,
            kex::CURVE25519_PRE_RFC_8731,
            kex::DH_G18_SHA512,
            kex::DH_G16_SHA512,
            kex::EXTENSION_SUPPORT_AS_SERVER,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
        ]),
        key: Cow::Owned(keys),
        // AES-GCM is the fastest here; CTR is all that some widely used libraries have.
        cipher: Cow::Borrowed(&[cipher::AES_256_GCM, cipher::CHACHA20_POLY1305, cipher::AES_256_CTR]),
        // The last two, over the plaintext, are all that libssh2 before 1.11 has: curl of Debian 12, and what else is built on it.
        mac: Cow::Borrowed(&[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM, mac::HMAC_SHA512, mac::HMAC_SHA256]),
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::DEFAULT
    };
    Config {
        server_id: russh::SshId::Standard(Cow::Borrowed("SSH-2.0-Broadcast")),
        methods: connection::methods(),
        auth_rejection_time: REFUSAL_TIME,
        // Asking which methods there are refuses nothing.
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: host_keys,
        preferred,
        max_auth_attempts: ATTEMPTS_MAX,
        inactivity_timeout: Some(SILENCE_MAX),
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: KEEPALIVES_MAX,
        window_size: WINDOW_BYTES,
        channel_buffer_size: CHANNEL_MESSAGES_MAX,
        nodelay: true,
        ..Config::default()
    }
}
