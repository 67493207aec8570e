//! The rules of sign-in, and what must not get past them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod authority;
mod pairing;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use openwrap_access::{Access, Credentials, DeviceStore, SignedIn};
use openwrap_contracts::canonical::sha256;
use openwrap_contracts::method::MethodAccess;
use openwrap_contracts::ports::{Clock, Random};
use openwrap_contracts::run::DeviceRole;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use proptest::prelude::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123";
const ALL: [MethodAccess; 5] = [
    MethodAccess::Open,
    MethodAccess::CommandLine,
    MethodAccess::Watch,
    MethodAccess::Approve,
    MethodAccess::Drive,
];

#[derive(Default)]
struct World {
    now: AtomicI64,
    drawn: AtomicU64,
    stored: Mutex<Option<Vec<u8>>>,
    full: AtomicBool,
}

impl Clock for World {
    fn now_ms(&self) -> i64 {
        self.now.load(Ordering::SeqCst)
    }
}

impl Random for World {
    fn fill(&self, bytes: &mut [u8]) -> Outcome<()> {
        let seed = sha256(&self.drawn.fetch_add(1, Ordering::SeqCst).to_be_bytes());
        bytes
            .iter_mut()
            .zip(seed.iter().cycle())
            .for_each(|(byte, drawn)| *byte = *drawn);
        Ok(())
    }
}

impl DeviceStore for World {
    fn save(&self, bytes: &[u8]) -> Outcome<()> {
        if self.full.load(Ordering::SeqCst) {
            return Err(Fault::new(ErrorCode::StorageFailed, "disk full"));
        }
        *self.stored.lock().unwrap() = Some(bytes.to_vec());
        Ok(())
    }
}

fn open(world: &Arc<World>) -> Access {
    let stored = world.stored.lock().unwrap().clone();
    Access::open(
        world.clone(),
        world.clone(),
        world.clone(),
        stored.as_deref(),
        Some(TOKEN),
    )
    .unwrap()
}

fn sign_in(access: &Access) -> (SignedIn, Credentials) {
    let code = access.issue_launch_code().unwrap().code;
    let signed = access.redeem(&code, &Credentials::default()).unwrap();
    let credentials = both(&signed.cookie, &signed.tab_secret);
    (signed, credentials)
}

fn both(cookie: &str, tab_secret: &str) -> Credentials {
    Credentials {
        cookie: Some(cookie.to_owned()),
        tab_secret: Some(tab_secret.to_owned()),
        cli_token: None,
    }
}

fn code_of<T>(outcome: Outcome<T>) -> ErrorCode {
    match outcome {
        Ok(_) => panic!("was let in"),
        Err(fault) => fault.code,
    }
}

#[test]
fn a_launch_code_works_once_and_for_ten_minutes() {
    let world = Arc::new(World::default());
    let access = open(&world);
    let first = access.issue_launch_code().unwrap();
    assert_eq!(first.expires_at, 600_000);
    access.redeem(&first.code, &Credentials::default()).unwrap();
    assert_eq!(
        code_of(access.redeem(&first.code, &Credentials::default())),
        ErrorCode::Unauthorized
    );
    let second = access.issue_launch_code().unwrap();
    world.now.store(600_000, Ordering::SeqCst);
    assert_eq!(
        code_of(access.redeem(&second.code, &Credentials::default())),
        ErrorCode::Unauthorized
    );
}

#[test]
fn cookie_and_tab_secret_are_both_needed_and_belong_together() {
    let world = Arc::new(World::default());
    let access = open(&world);
    let (one, credentials) = sign_in(&access);
    let (two, _) = sign_in(&access);
    assert_eq!(
        access.authorize(&credentials, MethodAccess::Drive).unwrap().id,
        one.device_id
    );
    let lacking = [
        Credentials::default(),
        Credentials {
            tab_secret: None,
            ..credentials.clone()
        },
        Credentials {
            cookie: None,
            ..credentials.clone()
        },
        both(&one.cookie, &two.tab_secret),
        both(&two.cookie, &one.tab_secret),
        both(&one.tab_secret, &one.cookie),
        both("", ""),
    ];
    for credentials in &lacking {
        for needed in ALL.into_iter().filter(|needed| *needed != MethodAccess::Open) {
            assert_eq!(
                code_of(access.authorize(credentials, needed)),
                ErrorCode::Unauthorized,
                "{credentials:?}"
            );
        }
        assert_eq!(access.authorize(credentials, MethodAccess::Open).unwrap().id, "visitor");
    }
}

#[test]
fn the_command_line_token_opens_everything_and_a_browser_never_does_what_is_its_own() {
    let world = Arc::new(World::default());
    let access = open(&world);
    let token = Credentials {
        cli_token: Some(TOKEN.to_owned()),
        ..Credentials::default()
    };
    for needed in ALL {
        assert_eq!(access.authorize(&token, needed).unwrap().id, "command_line");
    }
    let (_, credentials) = sign_in(&access);
    assert_eq!(
        code_of(access.authorize(&credentials, MethodAccess::CommandLine)),
        ErrorCode::Forbidden
    );
    let wrong = Credentials {
        cli_token: Some(TOKEN.replace('f', "e")),
        ..Credentials::default()
    };
    assert_eq!(
        code_of(access.authorize(&wrong, MethodAccess::Watch)),
        ErrorCode::Unauthorized
    );
    let short = Access::open(world.clone(), world.clone(), world.clone(), None, Some(""));
    assert_eq!(code_of(short), ErrorCode::InvalidArguments);
}

#[test]
fn roles_include_the_ones_before_them() {
    let world = Arc::new(World::default());
    let access = open(&world);
    let (signed, credentials) = sign_in(&access);
    let needed = [MethodAccess::Watch, MethodAccess::Approve, MethodAccess::Drive];
    for (place, role) in [DeviceRole::Watch, DeviceRole::Approve, DeviceRole::Drive]
        .into_iter()
        .enumerate()
    {
        access.set_role(&signed.device_id, role).unwrap();
        for (at, needed) in needed.into_iter().enumerate() {
            let outcome = access.authorize(&credentials, needed);
            if at <= place {
                outcome.unwrap();
            } else {
                assert_eq!(code_of(outcome), ErrorCode::Forbidden);
            }
        }
    }
}

fn sign(key: &SigningKey, context: &str, nonce: &str) -> String {
    URL_SAFE_NO_PAD.encode(key.sign(format!("{context}{nonce}").as_bytes()).to_bytes())
}

#[test]
fn after_a_restart_the_cookie_alone_gets_nothing_and_the_device_key_gets_a_tab_secret() {
    let world = Arc::new(World::default());
    let access = open(&world);
    let (signed, credentials) = sign_in(&access);
    let key = SigningKey::from_bytes(&[7; 32]);
    access
        .register_key(&credentials, &URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes()))
        .unwrap();
    drop(access);

    let access = open(&world);
    assert_eq!(
        code_of(access.authorize(&credentials, MethodAccess::Watch)),
        ErrorCode::Unauthorized
    );
    let cookie_only = Credentials {
        cookie: Some(signed.cookie.clone()),
        ..Credentials::default()
    };
    let id = signed.device_id.as_str();

    let nonce = access.challenge(&cookie_only, id).unwrap();
    let good = sign(&key, "openwrap/device/1", &nonce);
    assert_eq!(
        code_of(access.prove(&Credentials::default(), id, &nonce, &good)),
        ErrorCode::Unauthorized
    );
    assert_eq!(
        code_of(access.prove(&cookie_only, id, &nonce, &good)),
        ErrorCode::Unauthorized,
        "one try a nonce"
    );

    let nonce = access.challenge(&cookie_only, id).unwrap();
    let stranger = sign(&SigningKey::from_bytes(&[8; 32]), "openwrap/device/1", &nonce);
    let refused = |nonce: &str, signature: &str| code_of(access.prove(&cookie_only, id, nonce, signature));
    assert_eq!(refused(&nonce, &stranger), ErrorCode::Unauthorized);
    let nonce = access.challenge(&cookie_only, id).unwrap();
    let bare = sign(&key, "", &nonce);
    assert_eq!(refused(&nonce, &bare), ErrorCode::Unauthorized);
    let nonce = access.challenge(&cookie_only, "device_other").unwrap();
    let other = sign(&key, "openwrap/device/1", &nonce);
    assert_eq!(refused(&nonce, &other), ErrorCode::Unauthorized);
    let nonce = access.challenge(&cookie_only, id).unwrap();
    let late = sign(&key, "openwrap/device/1", &nonce);
    world.now.store(60_000, Ordering::SeqCst);
    assert_eq!(refused(&nonce, &late), ErrorCode::Unauthorized);

    let nonce = access.challenge(&cookie_only, id).unwrap();
    let good = sign(&key, "openwrap/device/1", &nonce);
    let tab_secret = access.prove(&cookie_only, id, &nonce, &good).unwrap();
    access
        .authorize(&both(&signed.cookie, &tab_secret), MethodAccess::Drive)
        .unwrap();
    assert_eq!(
        code_of(access.prove(&cookie_only, id, &nonce, &good)),
        ErrorCode::Unauthorized,
        "replayed"
    );
}

#[test]
fn the_first_device_key_stays_and_weak_keys_are_refused() {
    let world = Arc::new(World::default());
    let access = open(&world);
    let (_, credentials) = sign_in(&access);
    let text = |seed: u8| URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&[seed; 32]).verifying_key().as_bytes());
    assert_eq!(
        code_of(access.register_key(&Credentials::default(), &text(1))),
        ErrorCode::Unauthorized
    );
    // The neutral element: a key for which anyone can sign.
    let mut neutral = [0u8; 32];
    neutral[0] = 1;
    for weak in [
        URL_SAFE_NO_PAD.encode(neutral),
        URL_SAFE_NO_PAD.encode([0u8; 32]),
        "short".to_owned(),
        "x".repeat(4096),
    ] {
        assert_eq!(
            code_of(access.register_key(&credentials, &weak)),
            ErrorCode::InvalidArguments
        );
    }
    access.register_key(&credentials, &text(1)).unwrap();
    access.register_key(&credentials, &text(1)).unwrap();
    assert_eq!(
        code_of(access.register_key(&credentials, &text(2))),
        ErrorCode::AlreadyExists
    );
}

#[test]
fn a_signed_in_browser_stays_the_same_device_and_a_revoked_one_is_out() {
    let world = Arc::new(World::default());
    let access = open(&world);
    let (signed, credentials) = sign_in(&access);
    let again = access
        .redeem(&access.issue_launch_code().unwrap().code, &credentials)
        .unwrap();
    assert_eq!((&again.device_id, &again.cookie), (&signed.device_id, &signed.cookie));
    assert_ne!(again.tab_secret, signed.tab_secret);
    assert_eq!(access.devices().len(), 1);
    access.revoke(&signed.device_id).unwrap();
    assert_eq!(
        code_of(access.authorize(&credentials, MethodAccess::Watch)),
        ErrorCode::Unauthorized
    );
    assert_eq!(code_of(access.revoke(&signed.device_id)), ErrorCode::NotFound);
    assert_eq!(
        code_of(open(&world).authorize(&credentials, MethodAccess::Watch)),
        ErrorCode::Unauthorized
    );
}

#[test]
fn guessing_is_told_to_wait_and_keeps_nobody_else_out() {
    let world = Arc::new(World::default());
    let access = open(&world);
    let good = access.issue_launch_code().unwrap().code;
    let guess = || code_of(access.redeem("guess", &Credentials::default()));
    for _ in 0..20 {
        assert_eq!(guess(), ErrorCode::Unauthorized);
    }
    assert_eq!(guess(), ErrorCode::TooManyRequests);
    access.redeem(&good, &Credentials::default()).unwrap();
    assert_eq!(
        code_of(access.redeem(&good, &Credentials::default())),
        ErrorCode::TooManyRequests
    );
    world.now.store(60_000, Ordering::SeqCst);
    assert_eq!(guess(), ErrorCode::Unauthorized);
}

/// A program of this machine asks for nonces, and proves wrongly, in a loop.
#[test]
fn strangers_cannot_keep_a_browser_from_proving_its_key() {
    let world = Arc::new(World::default());
    let access = open(&world);
    let (signed, credentials) = sign_in(&access);
    let key = SigningKey::from_bytes(&[7; 32]);
    access
        .register_key(&credentials, &URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes()))
        .unwrap();
    let id = signed.device_id.as_str();
    let nonce = access.challenge(&credentials, id).unwrap();
    let stranger = Credentials::default();
    for _ in 0..1_000 {
        let theirs = access.challenge(&stranger, id).unwrap();
        let wrong = access.prove(&stranger, id, &theirs, &sign(&key, "openwrap/device/1", &theirs));
        assert!(wrong.is_err());
    }
    access
        .prove(&credentials, id, &nonce, &sign(&key, "openwrap/device/1", &nonce))
        .unwrap();
    // A nonce that was given without the cookie fits nothing, also for who has it.
    let nonce = access.challenge(&stranger, id).unwrap();
    assert!(
        access
            .prove(&credentials, id, &nonce, &sign(&key, "openwrap/device/1", &nonce))
            .is_err()
    );
}

/// A device opens tabs and asks for nonces in a loop: its own oldest make room, nobody else's.
#[test]
fn one_device_cannot_push_out_tabs_and_nonces_of_another() {
    let world = Arc::new(World::default());
    let access = open(&world);
    let keys = [7, 8].map(|seed| SigningKey::from_bytes(&[seed; 32]));
    let public = |key: &SigningKey| URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    let (one, first) = sign_in(&access);
    let (two, second) = sign_in(&access);
    access.register_key(&first, &public(&keys[0])).unwrap();
    access.register_key(&second, &public(&keys[1])).unwrap();
    let nonce = access.challenge(&first, &one.device_id).unwrap();
    for _ in 0..300 {
        let theirs = access.challenge(&second, &two.device_id).unwrap();
        let signature = sign(&keys[1], "openwrap/device/1", &theirs);
        access.prove(&second, &two.device_id, &theirs, &signature).unwrap();
        access.challenge(&second, &two.device_id).unwrap();
    }
    assert_eq!(code_of(access.role(&second)), ErrorCode::Unauthorized, "its own tab");
    access.role(&first).unwrap();
    let signature = sign(&keys[0], "openwrap/device/1", &nonce);
    access.prove(&first, &one.device_id, &nonce, &signature).unwrap();
}

#[test]
fn a_launch_link_lets_the_same_device_drive_again() {
    let world = Arc::new(World::default());
    let access = open(&world);
    let (signed, credentials) = sign_in(&access);
    access.set_role(&signed.device_id, DeviceRole::Watch).unwrap();
    let code = access.issue_launch_code().unwrap().code;
    let again = access.redeem(&code, &credentials).unwrap();
    assert_eq!((again.device_id, again.role), (signed.device_id, DeviceRole::Drive));
    let credentials = both(&again.cookie, &again.tab_secret);
    access.authorize(&credentials, MethodAccess::Drive).unwrap();
}

/// What is open ends with the sign-in it rests on, and nothing of another device does.
#[test]
fn what_a_device_has_open_ends_when_it_is_signed_out() {
    let world = Arc::new(World::default());
    let access = open(&world);
    let token = Credentials {
        cli_token: Some(TOKEN.to_owned()),
        ..Credentials::default()
    };
    let command_line = access.admit(&token, MethodAccess::Watch).unwrap();
    let (one, first) = sign_in(&access);
    let (two, second) = sign_in(&access);
    let opened = access.admit(&first, MethodAccess::Watch).unwrap();
    let again = access.admit(&first, MethodAccess::Watch).unwrap();
    let other = access.admit(&second, MethodAccess::Drive).unwrap();
    access.set_role(&one.device_id, DeviceRole::Drive).unwrap();
    assert!(!opened.is_cancelled(), "it may do no less");
    access.revoke(&one.device_id).unwrap();
    assert!(opened.is_cancelled() && again.is_cancelled() && !other.is_cancelled());
    assert_eq!(
        code_of(access.admit(&first, MethodAccess::Watch)),
        ErrorCode::Unauthorized
    );
    access.set_role(&two.device_id, DeviceRole::Watch).unwrap();
    assert!(other.is_cancelled());
    assert_eq!(
        code_of(access.admit(&second, MethodAccess::Drive)),
        ErrorCode::Forbidden
    );
    let other = access.admit(&second, MethodAccess::Watch).unwrap();
    // The oldest makes room.
    for at in 1..=64 {
        world.now.store(at, Ordering::SeqCst);
        sign_in(&access);
    }
    assert!(other.is_cancelled() && !command_line.is_cancelled());
}

#[test]
fn nothing_secret_is_stored_or_printed() {
    let world = Arc::new(World::default());
    let access = open(&world);
    let (signed, credentials) = sign_in(&access);
    let stored = String::from_utf8(world.stored.lock().unwrap().clone().unwrap()).unwrap();
    let printed = format!("{credentials:?} {:?}", access.devices());
    for secret in [&signed.cookie, &signed.tab_secret] {
        assert!(!stored.contains(secret.as_str()) && !printed.contains(secret.as_str()));
    }
}

#[test]
fn a_sign_in_that_cannot_be_stored_is_refused() {
    let world = Arc::new(World::default());
    let access = open(&world);
    world.full.store(true, Ordering::SeqCst);
    let code = access.issue_launch_code().unwrap().code;
    assert_eq!(
        code_of(access.redeem(&code, &Credentials::default())),
        ErrorCode::StorageFailed
    );
    assert!(access.devices().is_empty());
}

#[test]
fn the_number_of_devices_is_bounded_and_the_oldest_goes() {
    let world = Arc::new(World::default());
    let access = open(&world);
    let (_, oldest) = sign_in(&access);
    for at in 1..=64 {
        world.now.store(at, Ordering::SeqCst);
        sign_in(&access);
    }
    assert_eq!(access.devices().len(), 64);
    assert_eq!(
        code_of(access.authorize(&oldest, MethodAccess::Watch)),
        ErrorCode::Unauthorized
    );
}

proptest! {
    /// Whatever text a stranger sends, and however close to the true one: nobody but the device gets in.
    #[test]
    fn no_other_text_gets_in(place in 0usize..32, replacement in "[A-Za-z0-9_-]", extra in ".{0,300}") {
        let world = Arc::new(World::default());
        let access = open(&world);
        let (signed, _) = sign_in(&access);
        let mut near: Vec<char> = signed.tab_secret.chars().collect();
        near[place] = replacement.chars().next().unwrap();
        let near: String = near.into_iter().collect();
        for text in [near, extra.clone(), format!("{}{extra}", signed.tab_secret), signed.tab_secret[..place].to_owned()] {
            let lets_in = access.authorize(&both(&signed.cookie, &text), MethodAccess::Watch).is_ok();
            prop_assert_eq!(lets_in, text == signed.tab_secret);
            let lets_in = access.authorize(&both(&text, &signed.tab_secret), MethodAccess::Watch).is_ok();
            prop_assert_eq!(lets_in, text == signed.cookie);
        }
    }

    /// Stored bytes that were damaged are refused or read, never a crash.
    #[test]
    fn damaged_state_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let world = Arc::new(World::default());
        let _ = Access::open(world.clone(), world.clone(), world.clone(), Some(&bytes), None);
    }
}
