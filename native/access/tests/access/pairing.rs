//! Pairing: what lets a browser in, and what does not.

use ed25519_dalek::{Signer, SigningKey};
use openwrap_access::{COMMAND_LINE, Claim, Offer, VISITOR};
use openwrap_contracts::limits::{PAIRING_MS, PAIRING_TRIES_MAX, PAIRINGS_MAX};

use super::*;

const CONTEXT: &str = "openwrap/pair/1";

struct Browser {
    key: SigningKey,
    public: String,
}

fn browser(seed: u8) -> Browser {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let public = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    Browser { key, public }
}

fn signature(browser: &Browser, context: &str, link: &str) -> String {
    URL_SAFE_NO_PAD.encode(browser.key.sign(format!("{context}{link}").as_bytes()).to_bytes())
}

fn claim(access: &Access, browser: &Browser, link: &str, code: &str) -> Outcome<(SignedIn, String)> {
    access.claim(&Claim {
        link,
        code,
        name: "Tablet",
        public_key: &browser.public,
        // A browser signs the link as it was drawn, however it was typed.
        signature: &signature(browser, CONTEXT, &link.to_lowercase()),
    })
}

fn other_code(offer: &Offer) -> String {
    format!("{:06}", (offer.code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

#[test]
fn link_and_code_let_one_browser_in_once_with_the_role_of_the_offer() {
    let world = Arc::<World>::default();
    let access = open(&world);
    for role in [DeviceRole::Watch, DeviceRole::Approve, DeviceRole::Drive] {
        let offer = access.offer(role, COMMAND_LINE).unwrap();
        assert!(offer.code.len() == 6 && offer.link.len() == 10);
        let (signed, by) = claim(&access, &browser(1), &offer.link.to_uppercase(), &offer.code).unwrap();
        assert_eq!((signed.role, by.as_str()), (role, COMMAND_LINE));
        let credentials = both(&signed.cookie, &signed.tab_secret);
        assert!(access.authorize(&credentials, MethodAccess::Watch).is_ok());
        assert_eq!(
            access.authorize(&credentials, MethodAccess::Drive).is_ok(),
            role == DeviceRole::Drive
        );
        // The second browser of a race comes too late.
        assert_eq!(
            code_of(claim(&access, &browser(2), &offer.link, &offer.code)),
            ErrorCode::Unauthorized
        );
    }
    assert_eq!(access.devices().len(), 3);
    assert!(access.devices().iter().all(|device| device.name == "Tablet"));
}

#[test]
fn five_wrong_codes_lock_the_pairing_for_good_and_no_other() {
    let world = Arc::<World>::default();
    let access = open(&world);
    let (offer, other) = (
        access.offer(DeviceRole::Drive, COMMAND_LINE).unwrap(),
        access.offer(DeviceRole::Watch, COMMAND_LINE).unwrap(),
    );
    for turn in 1..=PAIRING_TRIES_MAX {
        let expected = if turn < PAIRING_TRIES_MAX {
            ErrorCode::Unauthorized
        } else {
            ErrorCode::PairingLocked
        };
        let tried = claim(&access, &browser(1), &offer.link, &other_code(&offer));
        assert_eq!(code_of(tried), expected);
    }
    // Also with the right code, and from another browser.
    for seed in [1, 2] {
        assert_eq!(
            code_of(claim(&access, &browser(seed), &offer.link, &offer.code)),
            ErrorCode::PairingLocked
        );
    }
    assert!(claim(&access, &browser(1), &other.link, &other.code).is_ok());
}

#[test]
fn who_has_no_link_uses_up_no_tries_and_keeps_nobody_out() {
    let world = Arc::<World>::default();
    let access = open(&world);
    let offer = access.offer(DeviceRole::Drive, COMMAND_LINE).unwrap();
    let mut told_to_wait = false;
    for turn in 0..100u32 {
        let guess: String = format!("{turn:010}");
        let tried = code_of(claim(&access, &browser(9), &guess, &offer.code));
        told_to_wait |= tried == ErrorCode::TooManyRequests;
        assert!(tried == ErrorCode::Unauthorized || tried == ErrorCode::TooManyRequests);
    }
    assert!(told_to_wait);
    assert!(claim(&access, &browser(1), &offer.link, &offer.code).is_ok());
}

#[test]
fn a_claim_needs_the_key_it_names_and_costs_no_try_without_it() {
    let world = Arc::<World>::default();
    let access = open(&world);
    let offer = access.offer(DeviceRole::Drive, COMMAND_LINE).unwrap();
    let (own, other) = (browser(1), browser(2));
    let made = |public_key: &str, signature: &str, name: &str, code: &str| {
        code_of(access.claim(&Claim {
            link: &offer.link,
            code,
            name,
            public_key,
            signature,
        }))
    };
    let right = signature(&own, CONTEXT, &offer.link);
    for _ in 0..PAIRING_TRIES_MAX {
        for (public_key, signature) in [
            (&own.public, &signature(&other, CONTEXT, &offer.link)),
            (&other.public, &right),
            (&own.public, &signature(&own, "openwrap/device/1", &offer.link)),
            (&own.public, &signature(&own, CONTEXT, "0000000000")),
            // The neutral point, for which one signature fits everything.
            (&URL_SAFE_NO_PAD.encode([0u8; 32]), &URL_SAFE_NO_PAD.encode([0u8; 64])),
        ] {
            assert_eq!(
                made(public_key, signature, "Tablet", &offer.code),
                ErrorCode::InvalidArguments
            );
        }
        for name in ["", " ", "a\nb", &"x".repeat(61)] {
            assert_eq!(
                made(&own.public, &right, name, &offer.code),
                ErrorCode::InvalidArguments
            );
        }
        for code in ["", "12345", "1234567", "12345a", "١٢٣٤٥٦"] {
            assert_eq!(made(&own.public, &right, "Tablet", code), ErrorCode::InvalidArguments);
        }
    }
    let (signed, _) = claim(&access, &own, &offer.link, &offer.code).unwrap();
    // The key is the device's from the first moment: nobody can bring another.
    let credentials = both(&signed.cookie, &signed.tab_secret);
    assert!(access.register_key(&credentials, &own.public).is_ok());
    assert_eq!(
        code_of(access.register_key(&credentials, &other.public)),
        ErrorCode::AlreadyExists
    );
}

#[test]
fn offers_end_by_time_by_word_by_number_and_with_who_made_them() {
    let world = Arc::<World>::default();
    let access = open(&world);
    let tried = |offer: &Offer| claim(&access, &browser(1), &offer.link, &offer.code).is_ok();
    let late = access.offer(DeviceRole::Watch, COMMAND_LINE).unwrap();
    world
        .now
        .fetch_add(i64::try_from(PAIRING_MS).unwrap(), Ordering::SeqCst);
    assert!(!tried(&late));
    let withdrawn = access.offer(DeviceRole::Watch, COMMAND_LINE).unwrap();
    access.withdraw(&withdrawn.pairing_id).unwrap();
    assert_eq!(code_of(access.withdraw(&withdrawn.pairing_id)), ErrorCode::NotFound);
    assert!(!tried(&withdrawn));
    let oldest = access.offer(DeviceRole::Watch, COMMAND_LINE).unwrap();
    for _ in 0..PAIRINGS_MAX {
        access.offer(DeviceRole::Watch, COMMAND_LINE).unwrap();
    }
    assert!(!tried(&oldest));
    for less in [true, false] {
        let (signed, _) = sign_in(&access);
        let offered = access.offer(DeviceRole::Drive, &signed.device_id).unwrap();
        if less {
            access.set_role(&signed.device_id, DeviceRole::Approve).unwrap();
        } else {
            access.revoke(&signed.device_id).unwrap();
        }
        assert!(!tried(&offered));
    }
}

#[test]
fn only_who_may_drive_now_can_offer() {
    let world = Arc::<World>::default();
    let access = open(&world);
    let (signed, _) = sign_in(&access);
    for role in [DeviceRole::Watch, DeviceRole::Approve] {
        access.set_role(&signed.device_id, role).unwrap();
        let offered = access.offer(DeviceRole::Watch, &signed.device_id);
        assert_eq!(code_of(offered), ErrorCode::Forbidden);
    }
    access.set_role(&signed.device_id, DeviceRole::Drive).unwrap();
    assert!(access.offer(DeviceRole::Drive, &signed.device_id).is_ok());
    access.revoke(&signed.device_id).unwrap();
    for who in [signed.device_id.as_str(), VISITOR, ""] {
        assert_eq!(code_of(access.offer(DeviceRole::Watch, who)), ErrorCode::Unauthorized);
    }
}

#[test]
fn a_pairing_that_cannot_be_stored_stays_open_and_nothing_of_it_is_kept_plain() {
    let world = Arc::<World>::default();
    let access = open(&world);
    let offer = access.offer(DeviceRole::Approve, COMMAND_LINE).unwrap();
    world.full.store(true, Ordering::SeqCst);
    assert_eq!(
        code_of(claim(&access, &browser(1), &offer.link, &offer.code)),
        ErrorCode::StorageFailed
    );
    world.full.store(false, Ordering::SeqCst);
    let (signed, _) = claim(&access, &browser(1), &offer.link, &offer.code).unwrap();
    let stored = String::from_utf8(world.stored.lock().unwrap().clone().unwrap()).unwrap();
    for secret in [&offer.link, &offer.code, &signed.cookie, &signed.tab_secret] {
        assert!(!stored.contains(secret.as_str()));
    }
    // Known after a restart, by cookie and key.
    drop(access);
    let again = open(&world);
    let cookie = Credentials {
        cookie: Some(signed.cookie.clone()),
        ..Credentials::default()
    };
    assert!(again.knows(&cookie) && again.authorize(&cookie, MethodAccess::Watch).is_err());
    let nonce = again.challenge(&cookie, &signed.device_id).unwrap();
    let proof = signature(&browser(1), "openwrap/device/1", &nonce);
    assert!(again.prove(&cookie, &signed.device_id, &nonce, &proof).is_ok());
}

#[test]
fn codes_are_spread_over_all_six_digits() {
    let world = Arc::<World>::default();
    let access = open(&world);
    let drawn: std::collections::BTreeSet<String> = (0..2_000)
        .map(|_| access.offer(DeviceRole::Watch, COMMAND_LINE).unwrap().code)
        .collect();
    assert!(drawn.len() > 1_980);
    for place in 0..6 {
        let digits: std::collections::BTreeSet<char> =
            drawn.iter().map(|code| code.chars().nth(place).unwrap()).collect();
        assert_eq!(digits.len(), 10);
    }
}
