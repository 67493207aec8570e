//! Secrets: sealed by clients, sealed again at rest, gone without the key.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use openwrap_contracts::ports::Vault;
use openwrap_contracts::{ErrorCode, Fault};
use openwrap_ledger::{Store, VaultKeeper};
use sha2::{Digest, Sha256};
use tempfile::tempdir;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};

use crate::sample::copy;

/// What a client does, written down from the contract alone.
fn sealed(public_key: &str, name: &str, secret: &[u8]) -> Vec<u8> {
    let public: [u8; 32] = URL_SAFE_NO_PAD.decode(public_key).unwrap().try_into().unwrap();
    let mut own = [0; 32];
    let mut nonce = [0; 24];
    getrandom::fill(&mut own).unwrap();
    getrandom::fill(&mut nonce).unwrap();
    let ephemeral = x25519(own, X25519_BASEPOINT_BYTES);
    let key: [u8; 32] = Sha256::new()
        .chain_update(b"openwrap/seal/1")
        .chain_update(x25519(own, public))
        .chain_update(ephemeral)
        .chain_update(public)
        .finalize()
        .into();
    let payload = Payload {
        msg: secret,
        aad: name.as_bytes(),
    };
    let sealed = XChaCha20Poly1305::new(&key.into())
        .encrypt(&nonce.into(), payload)
        .unwrap();
    [&ephemeral[..], &nonce, &sealed].concat()
}

async fn store_secret(vault: &Arc<VaultKeeper>, name: &str, secret: &[u8]) -> Result<(), Fault> {
    let bytes = sealed(&vault.public_key(), name, secret);
    vault.store_sealed(name, &URL_SAFE_NO_PAD.encode(bytes)).await
}

async fn refusal(home: &Path) -> Fault {
    Store::open(home).await.err().expect("it must not open")
}

#[tokio::test]
async fn a_sealed_secret_comes_back_and_lies_nowhere_in_plain() {
    const SECRET: &[u8] = b"sk-test-5f1c0f7e-not-a-real-key";
    let home = tempdir().unwrap();
    let store = Store::open(home.path()).await.unwrap();
    let vault = store.vault();
    store_secret(&vault, "provider/b", SECRET).await.unwrap();
    store_secret(&vault, "provider/a", b"first").await.unwrap();
    store_secret(&vault, "provider/a", b"second").await.unwrap();
    assert_eq!(vault.names(), ["provider/a", "provider/b"]);
    let public_key = vault.public_key();
    store.close().await;

    let store = Store::open(home.path()).await.unwrap();
    let vault = store.vault();
    assert_eq!(vault.public_key(), public_key);
    let opened = vault.open("provider/b").await.unwrap();
    assert_eq!(opened.expose(), SECRET);
    assert!(!format!("{opened:?}").contains("sk-"));
    assert_eq!(vault.open("provider/a").await.unwrap().expose(), b"second");
    assert!(vault.remove("provider/a").await.unwrap());
    assert!(!vault.remove("provider/a").await.unwrap());
    assert_eq!(vault.open("provider/a").await.unwrap_err().code, ErrorCode::NotFound);
    store.close().await;

    let encoded = [
        hex::encode(SECRET).into_bytes(),
        URL_SAFE_NO_PAD.encode(SECRET).into_bytes(),
        SECRET.to_vec(),
    ];
    for entry in std::fs::read_dir(home.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for form in &encoded {
                assert!(!bytes.windows(form.len()).any(|part| part == form), "{path:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_seal_that_was_touched_or_renamed_is_refused() {
    let home = tempdir().unwrap();
    let store = Store::open(home.path()).await.unwrap();
    let vault = store.vault();
    let bytes = sealed(&vault.public_key(), "name", b"secret");
    let mut forged = vec![(String::from("other"), bytes.clone())];
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        // The highest bit of the ephemeral key is ignored by X25519, but not by the key derivation.
        flipped[at] ^= 0x80;
        forged.push((String::from("name"), flipped));
    }
    for length in [0, 31, 32, 56, 71, bytes.len() - 1] {
        forged.push((String::from("name"), bytes[..length].to_vec()));
    }
    let mut small_order = bytes.clone();
    small_order[..32].fill(0);
    forged.push((String::from("name"), small_order));
    for (name, bytes) in forged {
        let refused = vault
            .store_sealed(&name, &URL_SAFE_NO_PAD.encode(bytes))
            .await
            .unwrap_err();
        assert_eq!(refused.code, ErrorCode::InvalidArguments);
    }
    for text in ["", "!", "\u{e4}", "a"] {
        assert_eq!(
            vault.store_sealed("name", text).await.unwrap_err().code,
            ErrorCode::InvalidArguments
        );
    }
    let code = |fault: Fault| fault.code;
    assert_eq!(
        store_secret(&vault, "", b"x").await.map_err(code),
        Err(ErrorCode::InvalidArguments)
    );
    assert_eq!(
        store_secret(&vault, "a\nb", b"x").await.map_err(code),
        Err(ErrorCode::InvalidArguments)
    );
    assert_eq!(
        store_secret(&vault, "name", b"").await.map_err(code),
        Err(ErrorCode::InvalidArguments)
    );
    assert_eq!(
        store_secret(&vault, "name", &[1; 65 * 1024]).await.map_err(code),
        Err(ErrorCode::LimitExceeded)
    );
    assert!(vault.names().is_empty());
    let text = URL_SAFE_NO_PAD.encode(&bytes);
    vault.store_sealed("name", &text).await.unwrap();
    assert_eq!(vault.open("name").await.unwrap().expose(), b"secret");
    store.close().await;
}

#[tokio::test]
async fn without_its_key_the_vault_is_locked_and_nothing_is_overwritten() {
    let root = tempdir().unwrap();
    let home = root.path().join("data");
    let store = Store::open(&home).await.unwrap();
    store_secret(&store.vault(), "name", b"secret").await.unwrap();
    store.close().await;
    let other = root.path().join("other");
    Store::open(&other).await.unwrap().close().await;
    let key = std::fs::read(home.join("vault.key")).unwrap();
    let vault = std::fs::read(home.join("vault.json")).unwrap();
    let wrong = std::fs::read(other.join("vault.key")).unwrap();

    std::fs::remove_file(home.join("vault.key")).unwrap();
    assert_eq!(refusal(&home).await.code, ErrorCode::VaultLocked);
    assert!(!home.join("vault.key").exists());
    for bad in [&wrong[..], b"", b"short", &[0xff; 44], &[b'A'; 4096]] {
        std::fs::write(home.join("vault.key"), bad).unwrap();
        assert_eq!(refusal(&home).await.code, ErrorCode::VaultLocked, "{bad:?}");
        assert_eq!(std::fs::read(home.join("vault.key")).unwrap(), bad);
    }
    std::fs::write(home.join("vault.key"), &key).unwrap();
    for bad in [&b"{}"[..], b"", b"not json"] {
        std::fs::write(home.join("vault.json"), bad).unwrap();
        assert_eq!(refusal(&home).await.code, ErrorCode::VaultLocked);
        assert_eq!(std::fs::read(home.join("vault.json")).unwrap(), bad);
    }
    std::fs::write(home.join("vault.json"), &vault).unwrap();
    let store = Store::open(&home).await.unwrap();
    assert_eq!(store.vault().open("name").await.unwrap().expose(), b"secret");
    store.close().await;
}

/// A secret moved under another name, in the file, does not open as that one.
#[tokio::test]
async fn a_secret_at_rest_is_bound_to_its_name() {
    let root = tempdir().unwrap();
    let home = root.path().join("data");
    let store = Store::open(&home).await.unwrap();
    store_secret(&store.vault(), "aa", b"secret").await.unwrap();
    store.close().await;
    let moved = root.path().join("moved");
    copy(&home, &moved);
    let text = std::fs::read_to_string(moved.join("vault.json")).unwrap();
    std::fs::write(moved.join("vault.json"), text.replace("\"aa\"", "\"bb\"")).unwrap();
    std::fs::set_permissions(&moved, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let store = Store::open(&moved).await.unwrap();
    assert_eq!(store.vault().names(), ["bb"]);
    assert_eq!(store.vault().open("bb").await.unwrap_err().code, ErrorCode::VaultLocked);
    store.close().await;
}
