//! Tab secrets: what a page holds besides the cookie. Memory only.

use std::collections::VecDeque;

use crate::secret_text;

/// Live secrets of all devices; the one unused for longest makes room.
pub const TABS_MAX: usize = 256;
/// Of one device, so that it does not push out the others'.
pub const DEVICE_TABS_MAX: usize = 16;

#[derive(Debug)]
struct Tab {
    hash: [u8; 32],
    device_id: String,
}

/// Live tab secrets, the one used last at the end.
#[derive(Debug, Default)]
pub struct Tabs {
    live: VecDeque<Tab>,
}

impl Tabs {
    /// Keeps a secret for a device.
    pub fn add(&mut self, secret: &str, device_id: &str) {
        let mut own = self
            .live
            .iter()
            .enumerate()
            .filter(|(_, tab)| tab.device_id == device_id);
        let oldest = own.next().map(|(place, _)| place);
        if let Some(place) = oldest.filter(|_| own.count() + 1 >= DEVICE_TABS_MAX) {
            self.live.remove(place);
        } else if self.live.len() >= TABS_MAX {
            self.live.pop_front();
        }
        let hash = secret_text::hash(secret);
        self.live.push_back(Tab {
            hash,
            device_id: device_id.to_owned(),
        });
    }

    /// Whether the secret is live and belongs to this device.
    pub fn belongs(&mut self, secret: &str, device_id: &str) -> bool {
        let found = self.live.iter().enumerate().fold(None, |found, (place, tab)| {
            let fits = secret_text::fits(secret, &tab.hash);
            if fits && tab.device_id == device_id {
                Some(place)
            } else {
                found
            }
        });
        let Some(tab) = found.and_then(|place| self.live.remove(place)) else {
            return false;
        };
        self.live.push_back(tab);
        true
    }

    /// Ends every secret of a device.
    pub fn drop_device(&mut self, device_id: &str) {
        self.live.retain(|tab| tab.device_id != device_id);
    }
}
