//! Bytes to characters as the page's terminal reads them: what is no UTF-8 is passed over, and so is a byte order mark.

const BYTE_ORDER_MARK: u32 = 0xfeff;

/// Keeps the begin of a character whose other bytes are still to come.
#[derive(Debug, Default)]
pub struct Decoder {
    begun: Vec<u8>,
}

/// How many bytes a character has that begins so.
fn length(first: u8) -> Option<usize> {
    match first {
        0x00..=0x7f => Some(1),
        0xc0..=0xdf => Some(2),
        0xe0..=0xef => Some(3),
        0xf0..=0xf7 => Some(4),
        _ => None,
    }
}

/// The character of bytes that look like one.
fn character(bytes: &[u8]) -> Option<u32> {
    let code = match bytes {
        [first] => return Some(u32::from(*first)),
        [first, rest @ ..] => {
            let mask = 0x7f >> bytes.len();
            rest.iter()
                .fold(u32::from(first & mask), |code, byte| code << 6 | u32::from(byte & 0x3f))
        }
        [] => return None,
    };
    let least = [0x80, 0x800, 0x1_0000][bytes.len() - 2];
    (code >= least && code != BYTE_ORDER_MARK && char::from_u32(code).is_some()).then_some(code)
}

impl Decoder {
    /// Bytes of a character that has begun.
    pub fn begun(&self) -> &[u8] {
        &self.begun
    }

    /// One more byte; gives a character when it completes one. A byte that does not continue what has begun begins anew.
    pub fn take(&mut self, byte: u8) -> Option<u32> {
        if self.begun.is_empty() && byte < 0x80 {
            return Some(u32::from(byte));
        }
        if !self.begun.is_empty() && byte & 0xc0 != 0x80 {
            self.begun.clear();
        }
        if self.begun.is_empty() && byte & 0xc0 == 0x80 {
            return None;
        }
        self.begun.push(byte);
        let wanted = length(self.begun[0]);
        if wanted.is_none() {
            self.begun.clear();
            return None;
        }
        if wanted != Some(self.begun.len()) {
            return None;
        }
        let code = character(&self.begun);
        self.begun.clear();
        code
    }
}
