//! The vault: secrets sealed in `vault.json`, their key alone in a file of its own, `vault.key` unless another is named.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use openwrap_contracts::ports::{Secret, Task, Vault};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::db::blocking;
use crate::private_files::{Durability, read, replace, set_mode};
use crate::seal::{KEY_BYTES, KeyBytes, decode, derive, encode, open_client_seal, public_half};
use crate::seal::{random, seal, unseal};

const VAULT_FILE: &str = "vault.json";
pub(crate) const KEY_FILE: &str = "vault.key";
const FORMAT: &str = "openwrap/vault/1";

/// Bytes of one secret.
const SECRET_BYTES_MAX: usize = 64 * 1024;
/// Secrets of one installation.
const SECRETS_MAX: usize = 256;
/// Bytes of a secret's name.
const NAME_BYTES_MAX: usize = 256;
/// Bytes of the whole file: every secret at its limit, in base64 with its name.
const FILE_BYTES_MAX: usize = SECRETS_MAX * (SECRET_BYTES_MAX * 2);

/// Sealed secrets by name, base64url of nonce, ciphertext and tag; the name is the associated data.
type Sealed = BTreeMap<String, String>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VaultFile {
    format: String,
    /// Nothing, sealed with empty associated data (no secret has an empty name): shows whether the key fits.
    check: String,
    secrets: Sealed,
}

/// Keeps secrets for the runtime and opens them for those who hold the port `Vault`.
pub struct VaultKeeper {
    home: PathBuf,
    seal_key: KeyBytes,
    client_key: KeyBytes,
    check: String,
    secrets: RwLock<Arc<Sealed>>,
    writing: Mutex<()>,
}

impl VaultKeeper {
    /// Opens the vault of a data folder with the key in a file of its own; a new vault gets a new key.
    ///
    /// # Errors
    /// `VAULT_LOCKED` when there is a vault and its key is missing, unreadable or another one: neither file is touched
    /// then. `STORAGE_FAILED`, `INTERNAL`.
    pub(crate) fn open(home: &Path, key_file: &Path) -> Outcome<(Arc<Self>, KeyBytes)> {
        let file = read_vault(home)?;
        let key = match (read_key(key_file)?, &file) {
            (Some(key), _) => key,
            (None, None) => create_key(key_file)?,
            (None, Some(_)) => return Err(locked("the key file of the vault is missing")),
        };
        let seal_key = derive("openwrap/vault-seal/1", &key);
        let file = match file {
            Some(file) => file,
            None => {
                let file = VaultFile {
                    format: FORMAT.to_owned(),
                    check: encode(&seal(&seal_key, b"", b"")?),
                    secrets: Sealed::new(),
                };
                write_vault(home, &file)?;
                file
            }
        };
        let fits = decode(&file.check).and_then(|check| unseal(&seal_key, b"", &check));
        if fits.is_none() {
            return Err(locked("the key file of the vault does not fit"));
        }
        let keeper = Self {
            home: home.to_owned(),
            client_key: derive("openwrap/vault-client/1", &key),
            seal_key,
            check: file.check,
            secrets: RwLock::new(Arc::new(file.secrets)),
            writing: Mutex::new(()),
        };
        Ok((Arc::new(keeper), key))
    }

    /// The X25519 public key secrets are sealed to, base64url without padding.
    #[must_use]
    pub fn public_key(&self) -> String {
        encode(&public_half(&self.client_key))
    }

    /// Keeps a secret a client sealed to the public key (form: `SecretStoreParams`), replacing one of the same name;
    /// on disk when it answers. The plain bytes live in this call only: at most 64 KiB, at least one.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` when the seal does not open under this name, `LIMIT_EXCEEDED`, `STORAGE_FAILED`.
    pub async fn store_sealed(self: &Arc<Self>, name: &str, sealed: &str) -> Outcome<()> {
        let plain = self.opened(name, sealed)?;
        self.store(name.to_owned(), plain).await
    }

    /// A secret that was sealed to the public key under this name, for one use: it is not kept.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS`, `LIMIT_EXCEEDED`.
    pub fn open_sealed(&self, name: &str, sealed: &str) -> Outcome<Secret> {
        Ok(Secret::new(self.opened(name, sealed)?.to_vec()))
    }

    fn opened(&self, name: &str, sealed: &str) -> Outcome<Zeroizing<Vec<u8>>> {
        check_name(name)?;
        if sealed.len() > 2 * SECRET_BYTES_MAX {
            return Err(too_large());
        }
        let opened = decode(sealed).and_then(|bytes| open_client_seal(&self.client_key, name, &bytes));
        opened.ok_or_else(|| Fault::invalid("the sealed secret cannot be opened under this name"))
    }

    /// Keeps a secret whose plain bytes are at hand; as [`VaultKeeper::store_sealed`] else.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS`, `LIMIT_EXCEEDED`, `STORAGE_FAILED`.
    pub async fn store_plain(self: &Arc<Self>, name: &str, plain: Zeroizing<Vec<u8>>) -> Outcome<()> {
        check_name(name)?;
        self.store(name.to_owned(), plain).await
    }

    /// Forgets a secret; returns whether there was one. On disk when it answers.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    pub async fn remove(self: &Arc<Self>, name: &str) -> Outcome<bool> {
        let name = name.to_owned();
        self.change(move |secrets| Ok(secrets.remove(&name).is_some())).await
    }

    /// A secret as it is stored: nonce, ciphertext and tag, base64url.
    pub(crate) fn sealed(&self, name: &str) -> Option<String> {
        self.current().get(name).cloned()
    }

    /// Names of the secrets, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.current().keys().cloned().collect()
    }

    async fn store(self: &Arc<Self>, name: String, plain: Zeroizing<Vec<u8>>) -> Outcome<()> {
        if plain.is_empty() {
            return Err(Fault::invalid("the secret is empty"));
        }
        if plain.len() > SECRET_BYTES_MAX {
            return Err(too_large());
        }
        let sealed = encode(&seal(&self.seal_key, name.as_bytes(), &plain)?);
        let stored = move |secrets: &mut Sealed| {
            if secrets.len() >= SECRETS_MAX && !secrets.contains_key(&name) {
                return Err(Fault::new(
                    ErrorCode::LimitExceeded,
                    format!("the vault holds {SECRETS_MAX} secrets already"),
                ));
            }
            secrets.insert(name, sealed);
            Ok(true)
        };
        self.change(stored).await.map(|_| ())
    }

    /// Changes the secrets; readers see the change once it is on disk. Nothing is written when it answers `false`.
    async fn change(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Sealed) -> Outcome<bool> + Send + 'static,
    ) -> Outcome<bool> {
        let keeper = Arc::clone(self);
        blocking(move || {
            let _writing = keeper.writing.lock().unwrap_or_else(PoisonError::into_inner);
            let mut secrets = (*keeper.current()).clone();
            if !change(&mut secrets)? {
                return Ok(false);
            }
            let file = VaultFile {
                format: FORMAT.to_owned(),
                check: keeper.check.clone(),
                secrets,
            };
            write_vault(&keeper.home, &file)?;
            *keeper.secrets.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(file.secrets);
            Ok(true)
        })
        .await
    }

    fn current(&self) -> Arc<Sealed> {
        Arc::clone(&self.secrets.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Vault for VaultKeeper {
    fn open(&self, name: &str) -> Task<'_, Outcome<Secret>> {
        let name = name.to_owned();
        Box::pin(async move {
            let secrets = self.current();
            let sealed = secrets
                .get(&name)
                .ok_or_else(|| Fault::not_found(format!("the vault holds no secret named {name}")))?;
            let opened = decode(sealed).and_then(|sealed| unseal(&self.seal_key, name.as_bytes(), &sealed));
            let mut plain = opened.ok_or_else(|| locked("a secret in the vault does not open with its key"))?;
            Ok(Secret::new(std::mem::take(&mut *plain)))
        })
    }
}

fn check_name(name: &str) -> Outcome<()> {
    let sound = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
    if sound {
        return Ok(());
    }
    Err(Fault::invalid(format!(
        "a secret's name has 1 to {NAME_BYTES_MAX} bytes and no control characters"
    )))
}

fn too_large() -> Fault {
    Fault::new(
        ErrorCode::LimitExceeded,
        format!("a secret has at most {SECRET_BYTES_MAX} bytes"),
    )
}

/// A file of the vault; one that is longer than any of ours is none of ours.
fn read_own(path: &Path, max: usize, message: &str) -> Outcome<Option<Vec<u8>>> {
    read(path, max).map_err(|fault| match fault.code {
        ErrorCode::LimitExceeded => locked(message),
        _ => fault,
    })
}

fn locked(message: &str) -> Fault {
    Fault::new(ErrorCode::VaultLocked, message).with_hint(
        "Put the vault.key that belongs to this data folder back. If it is lost, so are the secrets: move vault.json \
         away, start again and enter them anew; everything else stays.",
    )
}

fn read_vault(home: &Path) -> Outcome<Option<VaultFile>> {
    let unreadable = "the vault file cannot be read";
    let Some(bytes) = read_own(&home.join(VAULT_FILE), FILE_BYTES_MAX, unreadable)? else {
        return Ok(None);
    };
    let file: VaultFile = serde_json::from_slice(&bytes).map_err(|_| locked(unreadable))?;
    if file.format != FORMAT {
        return Err(locked("the vault file is of a form this version does not know"));
    }
    Ok(Some(file))
}

fn write_vault(home: &Path, file: &VaultFile) -> Outcome<()> {
    replace(home, VAULT_FILE, &serde_json::to_vec(file)?, Durability::Synced)
}

/// The key file holds one line: 32 random bytes in base64url.
fn read_key(path: &Path) -> Outcome<Option<KeyBytes>> {
    let unreadable = "the key file of the vault cannot be read";
    let Some(text) = read_own(path, KEY_BYTES * 2, unreadable)?.map(Zeroizing::new) else {
        return Ok(None);
    };
    let bytes = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| decode(text.trim_end()))
        .map(Zeroizing::new);
    let key = bytes.and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok());
    let key = key.ok_or_else(|| locked(unreadable))?;
    set_mode(path, 0o600)?;
    Ok(Some(Zeroizing::new(key)))
}

fn create_key(path: &Path) -> Outcome<KeyBytes> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err(Fault::invalid("the key file of the vault has no name"));
    };
    let key = random::<KEY_BYTES>()?;
    let text = Zeroizing::new(format!("{}\n", encode(key.as_slice())));
    replace(folder, name, text.as_bytes(), Durability::Synced)?;
    Ok(key)
}
