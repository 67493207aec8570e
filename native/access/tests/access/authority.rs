//! The local certificate authority. That clients believe its certificates is tested over real TLS; that they believe it for no other
//! name, with a client's own check of what its stolen key could sign.

use std::sync::Arc;
use std::time::Duration;

use openwrap_access::Authority;
use openwrap_contracts::ErrorCode;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::Value;

use super::code_of;

const NOW: i64 = 1_795_521_600_000;
const DAY_MS: i64 = 24 * 3_600_000;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn vouches_for_its_names_and_no_others_and_long_enough() {
    let own = names(&["192.168.1.20", "box.lan", "2001:db8::7"]);
    let authority = Authority::fresh(&own, None, NOW).unwrap();
    assert!(authority.covers(&own, NOW) && authority.covers(&names(&["BOX.lan"]), NOW));
    for other in ["192.168.1.21", "sub.box.lan", "lan", "example.com"] {
        assert!(!authority.covers(&names(&[other]), NOW));
        assert_eq!(
            code_of(authority.issue(&names(&[other]), NOW)),
            ErrorCode::InvalidArguments
        );
    }
    let certificate = authority.issue(&own, NOW).unwrap();
    assert!(certificate.not_after - NOW <= 90 * DAY_MS);
    assert!(certificate.renew_at < certificate.not_after - 10 * DAY_MS);
    // One it could no longer vouch for to its end is not made.
    assert!(authority.covers(&own, NOW + 4 * 365 * DAY_MS));
    assert!(!authority.covers(&own, NOW + 5 * 365 * DAY_MS - 30 * DAY_MS));
}

#[test]
fn refuses_what_is_no_name() {
    for wrong in [
        "",
        "*.lan",
        "a b",
        "-a",
        "a..b",
        "a/b",
        "1.2.3.4/24",
        "a\u{0}b",
        "ü.example",
    ] {
        assert_eq!(
            code_of(Authority::fresh(&names(&[wrong]), None, NOW)),
            ErrorCode::InvalidArguments
        );
    }
    assert_eq!(code_of(Authority::fresh(&[], None, NOW)), ErrorCode::InvalidArguments);
    let many: Vec<String> = (0..33).map(|place| format!("h{place}")).collect();
    assert_eq!(code_of(Authority::fresh(&many, None, NOW)), ErrorCode::InvalidArguments);
}

#[test]
fn a_new_one_knows_the_names_of_the_one_before() {
    let before = Authority::fresh(&names(&["10.0.0.5", "box.lan"]), None, NOW).unwrap();
    let next = Authority::fresh(&names(&["10.0.0.6"]), Some(&before), NOW).unwrap();
    assert!(next.covers(&names(&["10.0.0.6", "10.0.0.5", "box.lan"]), NOW));
    assert_ne!(before.fingerprint().unwrap(), next.fingerprint().unwrap());
}

#[test]
fn comes_back_from_the_vault_and_shows_its_key_nowhere() {
    let own = names(&["box.lan"]);
    let authority = Authority::fresh(&own, None, NOW).unwrap();
    let secret = authority.to_secret().unwrap();
    let again = Authority::from_secret(&secret).unwrap();
    assert_eq!(again.fingerprint().unwrap(), authority.fingerprint().unwrap());
    let (first, second) = (again.issue(&own, NOW).unwrap(), again.issue(&own, NOW).unwrap());
    assert_ne!(*first.key, *second.key);
    assert!(first.chain.contains(authority.certificate().trim()));
    assert!(!format!("{authority:?}").contains("PRIVATE") && !first.chain.contains("PRIVATE"));
    assert_eq!(code_of(Authority::from_secret(b"{}")), ErrorCode::StorageFailed);
    assert_eq!(authority.fingerprint().unwrap().len(), 32 * 3 - 1);
}

/// A certificate of the authority's key for any name, as whoever has the key can make one.
fn forged(authority: &Authority, name: &str) -> String {
    let kept: Value = serde_json::from_slice(&authority.to_secret().unwrap()).unwrap();
    let mut issuer = CertificateParams::default();
    issuer.distinguished_name = rcgen::DistinguishedName::new();
    issuer
        .distinguished_name
        .push(DnType::CommonName, kept["commonName"].as_str().unwrap());
    issuer.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let issuer = Issuer::new(issuer, KeyPair::from_pem(kept["key"].as_str().unwrap()).unwrap());
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().pem()
}

/// What a TLS client that trusts the authority says of a certificate under a name.
fn checked(authority: &Authority, certificate: &str, name: &str) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.certificate().as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap();
    let leaf = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_millis(NOW.unsigned_abs()));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let verified = verifier.verify_server_cert(&leaf, &[], &name, &[], now);
    verified.map(|_| ()).map_err(|error| format!("{error:?}"))
}

#[test]
fn a_client_believes_it_for_no_other_name_even_when_its_key_is_stolen() {
    for (own, others) in [
        (
            &["192.168.1.20", "2001:db8::7"][..],
            &["192.168.1.21", "2001:db8::8", "bank.example", "localhost"][..],
        ),
        (&["box.lan"][..], &["lan", "bank.example", "192.168.1.20", "::1"][..]),
        (&["box.lan", "192.168.1.20"][..], &["ox.lan", "192.168.1.21", "::1"][..]),
    ] {
        let authority = Authority::fresh(&names(own), None, NOW).unwrap();
        for name in own {
            let issued = authority.issue(&names(own), NOW).unwrap().chain;
            assert_eq!(checked(&authority, &issued, name), Ok(()), "{name}");
            // A forged one is refused for its name, and for nothing else about it.
            assert_eq!(checked(&authority, &forged(&authority, name), name), Ok(()), "{name}");
        }
        for name in others {
            let refused = checked(&authority, &forged(&authority, name), name).unwrap_err();
            assert!(refused.contains("NameConstraintViolation"), "{name}: {refused}");
        }
    }
}
