//! What few cells have, each once: joined characters, kinds and colours of underlines, links.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use super::cell::Colour;

/// Different ones at most; beyond, a cell goes without.
const PLACES_MAX: usize = 60_000;
/// Bytes of joined characters in one cell.
const JOINED_BYTES_MAX: usize = 64;
/// Bytes of a link.
pub const LINK_BYTES_MAX: usize = 4_096;
/// Bytes of all links, or of all joined characters.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a pen has besides colours and flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Extra {
    /// 0: none, 1 to 5 as in SGR 4.
    pub underline: u8,
    pub colour: Colour,
    /// Place of a link plus one.
    pub link: u32,
}

/// A link that the text leads to.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// Those of one name and address are one link.
    pub name: String,
    pub address: String,
}

/// Values by their places.
#[derive(Debug)]
struct Table<V> {
    values: Vec<V>,
    places: HashMap<V, usize>,
    bytes: usize,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            places: HashMap::new(),
            bytes: 0,
        }
    }
}

impl<V: Clone + Eq + Hash> Table<V> {
    fn place(&mut self, value: V, bytes: usize) -> Option<usize> {
        if let Some(place) = self.places.get(&value) {
            return Some(*place);
        }
        if self.values.len() >= PLACES_MAX || self.bytes + bytes > BYTES_MAX {
            return None;
        }
        let place = self.values.len();
        self.bytes += bytes;
        self.values.push(value.clone());
        self.places.insert(value, place);
        Some(place)
    }
}

/// All of one terminal.
#[derive(Debug, Default)]
pub struct Store {
    extras: Table<Extra>,
    links: Table<Arc<Link>>,
    joined: Table<Arc<str>>,
    /// Links without a name so far.
    unnamed: u64,
}

impl Store {
    pub fn extra(&self, place: u16) -> Extra {
        let known = usize::from(place).checked_sub(1);
        known
            .and_then(|place| self.extras.values.get(place).copied())
            .unwrap_or_default()
    }

    /// 0: nothing, or no room.
    pub fn place_of(&mut self, extra: Extra) -> u16 {
        if extra == Extra::default() {
            return 0;
        }
        let place = self
            .extras
            .place(extra, 0)
            .and_then(|place| u16::try_from(place + 1).ok());
        place.unwrap_or(0)
    }

    pub fn link(&self, link: u32) -> Option<&Link> {
        let place = usize::try_from(link).ok()?.checked_sub(1)?;
        self.links.values.get(place).map(|link| &**link)
    }

    /// 0: no room.
    pub fn place_of_link(&mut self, name: Option<&str>, address: &str) -> u32 {
        let name = name.map(str::to_owned).unwrap_or_else(|| {
            self.unnamed += 1;
            format!("\u{7f}{}", self.unnamed)
        });
        let bytes = name.len() + address.len();
        let address = address.to_owned();
        let place = self.links.place(Arc::new(Link { name, address }), bytes);
        place.and_then(|place| u32::try_from(place + 1).ok()).unwrap_or(0)
    }

    pub fn joined(&self, place: u32) -> &str {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        self.joined.values.get(place).map_or("", |text| &**text)
    }

    /// None: no room.
    pub fn place_of_joined(&mut self, text: &str) -> Option<u32> {
        if text.len() > JOINED_BYTES_MAX {
            return None;
        }
        let place = self.joined.place(Arc::from(text), text.len())?;
        u32::try_from(place).ok()
    }
}
