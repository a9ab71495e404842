//! Certificates of the tests' own TLS servers.

use std::{path::Path, process::Command, sync::Arc};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs},
};

/// A fresh key, and a certificate for names as openssl writes them, signed by the root, or by itself.
pub fn acceptor(root: Option<&Path>, names: &str) -> TlsAcceptor {
    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("certificate.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    openssl.args(["-days", "30", "-subj", "/CN=server", "-addext", &format!("subjectAltName={names}")]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    if let Some(root) = root {
        openssl.arg("-CA").arg(root).arg("-CAkey").arg(root.with_extension("key"));
    }
    let output = openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(certificate).unwrap()],
            PrivateKeyDer::from_pem_file(key).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
