//! Numbers drawn from a seed: the same on every machine.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

fn mixed(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// Below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// A digest built from words and texts; no defence against anybody.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digest(pub u64);

impl Digest {
    pub fn word(self, word: u64) -> Self {
        Self(mixed(
            self.0
                .wrapping_mul(0x0100_0000_01b3)
                .wrapping_add(word ^ 0x9e37_79b9_7f4a_7c15),
        ))
    }

    /// FNV-1a over the bytes, then the length.
    pub fn text(self, text: &str) -> Self {
        let bytes = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        self.word(bytes).word(text.len() as u64)
    }

    pub const fn random(self) -> Random {
        Random::new(self.0)
    }
}
