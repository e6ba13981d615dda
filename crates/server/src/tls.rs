//! TLS: an operator's certificate, or a local authority of `dev`, made on first start. Its key is discarded after it has signed
//! the one certificate.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsFiles;
use crate::data_dir::write_private;

/// Names that local clients use, and those that they reach through a tunnel.
const NAMES: [&str; 5] =
    ["localhost", "127.0.0.1", "::1", "graph.microsoft.com", "login.microsoftonline.com"];

/// Where the authority's certificate is, for clients to trust.
#[must_use]
pub(crate) fn ca_file(folder: &Path) -> PathBuf {
    folder.join("ca.pem")
}

/// The server's side of TLS, over the certificate in `folder`.
pub(crate) fn server_config(folder: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
    if !certificate.exists() {
        make_certificates(folder, &certificate, &key).context("the certificates cannot be made")?;
    }
    let chain = vec![
        CertificateDer::from_pem_file(&certificate)
            .with_context(|| format!("{} holds no certificate", certificate.display()))?,
    ];
    let key = PrivateKeyDer::from_pem_file(&key)
        .with_context(|| format!("{} holds no key", key.display()))?;
    config_of(chain, key)
}

/// The server's side of TLS, over an operator's files.
pub(crate) fn config_of_files(files: &TlsFiles) -> anyhow::Result<Arc<ServerConfig>> {
    let (certificate, key) = (&files.certificate, &files.key);
    let chain: Vec<_> = CertificateDer::pem_file_iter(&certificate.value)
        .and_then(Iterator::collect)
        .map_err(|error| certificate.wrong(format!("{}: {error}", certificate.value.display())))?;
    if chain.is_empty() {
        let path = certificate.value.display();
        return Err(certificate.wrong(format!("{path} holds no certificate")).into());
    }
    let der = PrivateKeyDer::from_pem_file(&key.value)
        .map_err(|error| key.wrong(format!("{}: {error}", key.value.display())))?;
    config_of(chain, der).map_err(|error| key.wrong(error).into())
}

fn config_of(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> anyhow::Result<Arc<ServerConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn make_certificates(folder: &Path, certificate: &Path, key: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "Holdfast development authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let mut server = CertificateParams::new(NAMES.map(str::to_owned))?;
    server.distinguished_name.push(DnType::CommonName, "localhost");
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Python 3.13 refuses certificates without.
    server.use_authority_key_identifier_extension = true;
    let server_key = KeyPair::generate()?;
    let signed = server.signed_by(&server_key, &Issuer::from_params(&authority, &authority_key))?;
    fs::write(ca_file(folder), authority_certificate.pem())?;
    write_private(key, server_key.serialize_pem().as_bytes())?;
    // Last: its presence says that the others are there.
    fs::write(certificate, signed.pem())?;
    Ok(())
}
