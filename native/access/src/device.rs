//! Signed-in browsers, and the form in which they outlive a restart.

use openwrap_contracts::run::DeviceRole;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde::{Deserialize, Serialize};

use crate::secret_text;

/// Devices kept; the one that signed in longest ago makes room.
pub const DEVICES_MAX: usize = 64;

/// One browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    pub device_id: String,
    pub role: DeviceRole,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    /// Last sign-in by link, code or key.
    pub signed_in_at: i64,
    /// Last request, as it was known when the list was stored last; 0: before this was kept.
    #[serde(default)]
    pub last_seen_at: i64,
    /// As who paired it called it; empty for one that came by a launch link.
    #[serde(default)]
    pub name: String,
    /// SHA-256 of the cookie's value.
    #[serde(with = "hash_text")]
    pub(crate) cookie_hash: [u8; 32],
    /// Raw Ed25519 public key.
    #[serde(default, with = "key_text", skip_serializing_if = "Option::is_none")]
    pub(crate) public_key: Option<[u8; 32]>,
}

mod hash_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(hash: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(hash))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let mut bytes = [0u8; 32];
        hex::decode_to_slice(String::deserialize(deserializer)?, &mut bytes).map_err(serde::de::Error::custom)?;
        Ok(bytes)
    }
}

mod key_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(key: &Option<[u8; 32]>, serializer: S) -> Result<S::Ok, S::Error> {
        match key {
            Some(bytes) => serializer.serialize_str(&hex::encode(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[u8; 32]>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(None);
        };
        let mut bytes = [0u8; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(serde::de::Error::custom)?;
        Ok(Some(bytes))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stored {
    version: u32,
    devices: Vec<Device>,
}

/// All devices, by sign-in, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Devices {
    list: Vec<Device>,
}

impl Devices {
    /// Reads what [`Devices::to_bytes`] wrote.
    ///
    /// # Errors
    /// `STORAGE_FAILED` when the bytes are something else.
    pub fn from_bytes(bytes: &[u8]) -> Outcome<Self> {
        let broken = |why: String| {
            Fault::new(
                ErrorCode::StorageFailed,
                format!("the list of signed-in devices cannot be read: {why}"),
            )
            .with_hint("Remove it to sign every device out, then open the app with a new launch link.")
        };
        let stored: Stored = serde_json::from_slice(bytes).map_err(|error| broken(error.to_string()))?;
        if stored.version != 1 || stored.devices.len() > DEVICES_MAX {
            return Err(broken(format!(
                "version {}, {} devices",
                stored.version,
                stored.devices.len()
            )));
        }
        Ok(Self { list: stored.devices })
    }

    /// The form that is stored. Holds hashes and public keys only.
    pub fn to_bytes(&self) -> Outcome<Vec<u8>> {
        let stored = Stored {
            version: 1,
            devices: self.list.clone(),
        };
        serde_json::to_vec(&stored).map_err(|error| Fault::internal(format!("devices have no JSON: {error}")))
    }

    /// Device whose cookie this is. All are compared, so the time says nothing about which.
    pub fn by_cookie(&self, cookie: &str) -> Option<&Device> {
        self.list.iter().fold(None, |found, device| {
            if secret_text::fits(cookie, &device.cookie_hash) {
                Some(device)
            } else {
                found
            }
        })
    }

    /// Adds or replaces a device as the newest; returns the id of one that had to make room.
    pub fn put(&mut self, device: Device) -> Option<String> {
        self.list.retain(|known| known.device_id != device.device_id);
        let dropped = (self.list.len() >= DEVICES_MAX).then(|| self.list.remove(0).device_id);
        self.list.push(device);
        dropped
    }

    /// Removes a device; false when it was not there.
    pub fn remove(&mut self, device_id: &str) -> bool {
        let before = self.list.len();
        self.list.retain(|device| device.device_id != device_id);
        self.list.len() != before
    }

    pub fn list(&self) -> &[Device] {
        &self.list
    }

    /// The device of this id.
    pub fn by_id(&self, device_id: &str) -> Option<&Device> {
        self.list.iter().find(|device| device.device_id == device_id)
    }

    /// Changes what a device may do; its place by sign-in stays.
    pub fn set_role(&mut self, device_id: &str, role: DeviceRole) {
        if let Some(device) = self.list.iter_mut().find(|device| device.device_id == device_id) {
            device.role = role;
        }
    }

    /// Notes a request of a device.
    pub fn seen(&mut self, device_id: &str, now: i64) {
        if let Some(device) = self.list.iter_mut().find(|device| device.device_id == device_id) {
            device.last_seen_at = device.last_seen_at.max(now);
        }
    }
}
