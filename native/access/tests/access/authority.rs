//! The local certificate authority. That clients believe its certificates, and only for its names, is tested over real TLS.

use openwrap_access::Authority;
use openwrap_contracts::ErrorCode;

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
