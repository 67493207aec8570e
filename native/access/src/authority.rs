//! The installation's own certificate authority (RFC 5280), which vouches for its names and addresses and for nothing else.
//!
//! Its key lies sealed in the vault; the key of a server's certificate is made anew each time and is never kept. Both are ECDSA over P-256,
//! drawn by ring from the system's randomness.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openwrap_contracts::canonical::sha256;
use openwrap_contracts::limits::{CERTIFICATE_MS, SERVER_NAMES_MAX};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// Life of an authority: five years.
const AUTHORITY_MS: u64 = 5 * 365 * 24 * 3_600_000;
/// A certificate holds a little before it is made: clocks differ.
const CLOCKS_DIFFER_MS: u64 = 3_600_000;
/// So long before its end a certificate is replaced.
const RENEW_BEFORE_MS: u64 = CERTIFICATE_MS / 3;
/// Names of earlier times a new authority still vouches for, so that it need not be trusted again when they come back.
const FORMER_NAMES_MAX: usize = 16;
const DNS_NAME_CHARS_MAX: usize = 253;

/// As it lies in the vault.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kept {
    common_name: String,
    names: Vec<String>,
    not_after: i64,
    certificate: String,
    key: String,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// An authority and its key.
pub struct Authority(Kept);

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("common_name", &self.0.common_name)
            .field("names", &self.0.names)
            .finish_non_exhaustive()
    }
}

/// A certificate for a server, and its key.
pub struct ServerCertificate {
    /// PEM: the certificate, then the authority's.
    pub chain: String,
    /// PEM, PKCS #8.
    pub key: Zeroizing<String>,
    /// Milliseconds since the epoch.
    pub not_after: i64,
    /// From when on another one should take its place.
    pub renew_at: i64,
}

fn failed(error: &rcgen::Error) -> Fault {
    Fault::internal(format!("a certificate could not be made: {error}"))
}

fn unreadable() -> Fault {
    Fault::new(
        ErrorCode::StorageFailed,
        "the local certificate authority in the vault cannot be read",
    )
}

/// A DNS name in lower case, or an address as it is usually written; no wildcards.
fn checked(names: &[String]) -> Outcome<Vec<String>> {
    if names.is_empty() || names.len() > SERVER_NAMES_MAX {
        return Err(Fault::invalid(format!(
            "a certificate has 1 to {SERVER_NAMES_MAX} names"
        )));
    }
    let mut sound = Vec::new();
    for name in names {
        let name = match name.parse::<IpAddr>() {
            Ok(address) => address.to_string(),
            Err(_) if is_dns_name(name) => name.to_ascii_lowercase(),
            Err(_) => {
                return Err(Fault::invalid(format!(
                    "{name:?} is neither a host name nor an address"
                )));
            }
        };
        if !sound.contains(&name) {
            sound.push(name);
        }
    }
    Ok(sound)
}

fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = label.as_bytes();
        let inner = bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_');
        bytes.len() <= 63 && inner && edge(bytes.first()) && edge(bytes.last())
    };
    name.len() <= DNS_NAME_CHARS_MAX && name.split('.').all(label)
}

/// Only these names, and no others of any kind.
fn constraints(names: &[String]) -> NameConstraints {
    let mut permitted = Vec::new();
    let mut excluded = Vec::new();
    for name in names {
        permitted.push(match name.parse::<IpAddr>() {
            Ok(address) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, bits(&address))),
            Err(_) => GeneralSubtree::DnsName(name.clone()),
        });
    }
    // What a kind has no permitted name of is not constrained by that list: it is shut out as a whole.
    if !permitted.iter().any(|name| matches!(name, GeneralSubtree::DnsName(_))) {
        excluded.push(GeneralSubtree::DnsName(String::new()));
    }
    // One list holds for both kinds of addresses.
    if !permitted
        .iter()
        .any(|name| matches!(name, GeneralSubtree::IpAddress(_)))
    {
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])));
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])));
    }
    NameConstraints {
        permitted_subtrees: permitted,
        excluded_subtrees: excluded,
    }
}

fn bits(address: &IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// From a little before now.
fn set_validity(params: &mut CertificateParams, now: i64, not_after: i64) {
    let since = |at: i64| Duration::from_millis(u64::try_from(at).unwrap_or(0));
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since(now.saturating_sub_unsigned(CLOCKS_DIFFER_MS));
    params.not_after = epoch + since(not_after);
}

fn later(now: i64, ms: u64) -> i64 {
    now.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn authority_params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

impl Authority {
    /// A new one for these names; `former`: the one it takes the place of, whose last names it knows as well.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` for a name that is none; `INTERNAL` when there is no randomness.
    pub fn fresh(names: &[String], former: Option<&Self>, now: i64) -> Outcome<Self> {
        let mut names = checked(names)?;
        let room = SERVER_NAMES_MAX.saturating_sub(names.len()).min(FORMER_NAMES_MAX);
        let known: Vec<String> = former.map(|former| former.0.names.clone()).unwrap_or_default();
        let others: Vec<String> = known
            .into_iter()
            .filter(|name| !names.contains(name))
            .take(room)
            .collect();
        names.extend(others);
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        // Its own name, so that systems that trusted one before do not take them for the same.
        let mark = hex::encode(&sha256(key.public_key_raw())[..4]);
        let common_name = format!("Open Wrap {mark}");
        let not_after = later(now, AUTHORITY_MS);
        let mut params = authority_params(&common_name);
        set_validity(&mut params, now, not_after);
        params.name_constraints = Some(constraints(&names));
        let certificate = params.self_signed(&key).map_err(|error| failed(&error))?.pem();
        Ok(Self(Kept {
            common_name,
            names,
            not_after,
            certificate,
            key: key.serialize_pem(),
        }))
    }

    /// Reads what [`Authority::to_secret`] wrote.
    ///
    /// # Errors
    /// `STORAGE_FAILED` when the bytes are something else.
    pub fn from_secret(bytes: &[u8]) -> Outcome<Self> {
        let kept: Kept = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
        KeyPair::from_pem(&kept.key).map_err(|_| unreadable())?;
        Ok(Self(kept))
    }

    /// For the vault, and for nothing else.
    ///
    /// # Errors
    /// `INTERNAL`.
    pub fn to_secret(&self) -> Outcome<Zeroizing<Vec<u8>>> {
        let bytes = serde_json::to_vec(&self.0);
        bytes
            .map(Zeroizing::new)
            .map_err(|_| Fault::internal("an authority has no JSON"))
    }

    /// Whether it may vouch for all of these, for as long as a certificate lives.
    #[must_use]
    pub fn covers(&self, names: &[String], now: i64) -> bool {
        let known = checked(names).is_ok_and(|names| names.iter().all(|name| self.0.names.contains(name)));
        known && later(now, CERTIFICATE_MS) <= self.0.not_after
    }

    /// PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.0.certificate
    }

    /// SHA-256 of the certificate, in upper-case hex with colons, as systems show it.
    ///
    /// # Errors
    /// `STORAGE_FAILED` when the certificate is none.
    pub fn fingerprint(&self) -> Outcome<String> {
        let base64: String = self
            .0
            .certificate
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        let der = STANDARD.decode(base64.trim()).map_err(|_| unreadable())?;
        let pairs: Vec<String> = sha256(&der).iter().map(|byte| format!("{byte:02X}")).collect();
        Ok(pairs.join(":"))
    }

    /// A certificate for a server under these names, with a key of its own.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` for names this authority does not vouch for; `INTERNAL`.
    pub fn issue(&self, names: &[String], now: i64) -> Outcome<ServerCertificate> {
        if !self.covers(names, now) {
            return Err(Fault::invalid("the local authority does not vouch for these names"));
        }
        let authority = KeyPair::from_pem(&self.0.key).map_err(|_| unreadable())?;
        let issuer = Issuer::new(authority_params(&self.0.common_name), authority);
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let not_after = later(now, CERTIFICATE_MS);
        let mut params = CertificateParams::new(checked(names)?).map_err(|error| failed(&error))?;
        params.distinguished_name = named("Open Wrap");
        set_validity(&mut params, now, not_after);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &issuer).map_err(|error| failed(&error))?;
        Ok(ServerCertificate {
            chain: format!("{}{}", certificate.pem(), self.0.certificate),
            key: Zeroizing::new(key.serialize_pem()),
            not_after,
            renew_at: not_after.saturating_sub_unsigned(RENEW_BEFORE_MS),
        })
    }
}
