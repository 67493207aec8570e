//! Names for a child, without any resolver: a granted name has a stand-in address of its own (198.18.0.0/15, kept for benchmarks,
//! RFC 2544), every other name does not exist. Nothing is asked of anybody.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

/// Names of one child.
const NAMES_MAX: usize = 1024;
/// A question over TCP.
pub const QUESTION_BYTES_MAX: usize = 1024;

const HEADER_BYTES: usize = 12;
const LABEL_BYTES_MAX: usize = 63;
const NAME_BYTES_MAX: usize = 253;
const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;
const TTL_SECONDS: u32 = 60;
const NO_ERROR: u8 = 0;
const FORMAT_ERROR: u8 = 1;
const SERVER_FAILURE: u8 = 2;
const NO_SUCH_NAME: u8 = 3;
const NOT_IMPLEMENTED: u8 = 4;

/// Whether an address is of the kind that stands in for names.
#[must_use]
pub fn is_stand_in(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if matches!(v4.octets(), [198, 18 | 19, ..]))
}

/// The names of one child. An address never comes to mean another name.
#[derive(Default)]
pub struct StandIns {
    by_name: HashMap<String, Ipv4Addr>,
    by_address: HashMap<Ipv4Addr, String>,
}

impl StandIns {
    /// The name an address stands for.
    #[must_use]
    pub fn name_of(&self, address: IpAddr) -> Option<&str> {
        match address {
            IpAddr::V4(address) => self.by_address.get(&address).map(String::as_str),
            IpAddr::V6(_) => None,
        }
    }

    /// The address that stands for a name; None when there are too many.
    fn address_of(&mut self, name: &str) -> Option<Ipv4Addr> {
        if let Some(address) = self.by_name.get(name) {
            return Some(*address);
        }
        if self.by_name.len() >= NAMES_MAX {
            return None;
        }
        let index = u32::try_from(self.by_name.len()).ok()? + 1;
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + index);
        self.by_name.insert(name.to_owned(), address);
        self.by_address.insert(address, name.to_owned());
        Some(address)
    }

    /// Answers a question (RFC 1035). None: it is not even one. `resolves`: whether a name is granted.
    pub fn answer(&mut self, question: &[u8], resolves: impl FnOnce(&str) -> bool) -> Option<Vec<u8>> {
        if question.len() < HEADER_BYTES || question[2] & 0x80 != 0 {
            return None;
        }
        if question[2] & 0x78 != 0 {
            return Some(reply(question, &[], NOT_IMPLEMENTED, None));
        }
        let Some((name, asked)) = read_question(question) else {
            return Some(reply(question, &[], FORMAT_ERROR, None));
        };
        let (kind, class) = kind_and_class(asked);
        if class != CLASS_IN || !resolves(&name) {
            return Some(reply(question, asked, NO_SUCH_NAME, None));
        }
        if kind != TYPE_A {
            // It has nothing of that kind.
            return Some(reply(question, asked, NO_ERROR, None));
        }
        Some(match self.address_of(&name) {
            Some(address) => reply(question, asked, NO_ERROR, Some(address)),
            None => reply(question, asked, SERVER_FAILURE, None),
        })
    }
}

fn kind_and_class(asked: &[u8]) -> (u16, u16) {
    match asked {
        [.., a, b, c, d] => (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])),
        _ => (0, 0),
    }
}

/// The name, in lower case without a last dot, and the bytes of the one question.
fn read_question(message: &[u8]) -> Option<(String, &[u8])> {
    if message[4..6] != [0, 1] {
        return None;
    }
    let mut name = String::new();
    let mut at = HEADER_BYTES;
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        // Longer ones would be pointers, which a question needs none of.
        if length > LABEL_BYTES_MAX {
            return None;
        }
        let label = message.get(at..at + length)?;
        at += length;
        if !label
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
    }
    let asked = message.get(HEADER_BYTES..at + 4)?;
    (name.len() <= NAME_BYTES_MAX).then_some((name, asked))
}

fn reply(question: &[u8], asked: &[u8], code: u8, address: Option<Ipv4Addr>) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + asked.len() + 16);
    out.extend_from_slice(&question[..2]);
    // An answer, recursion desired as asked; recursion available.
    out.extend([0x80 | (question[2] & 0x01), 0x80 | code]);
    out.extend([
        0,
        u8::from(!asked.is_empty()),
        0,
        u8::from(address.is_some()),
        0,
        0,
        0,
        0,
    ]);
    out.extend_from_slice(asked);
    if let Some(address) = address {
        // The name is the question's.
        out.extend([0xc0, HEADER_BYTES as u8]);
        out.extend(TYPE_A.to_be_bytes());
        out.extend(CLASS_IN.to_be_bytes());
        out.extend(TTL_SECONDS.to_be_bytes());
        out.extend([0, 4]);
        out.extend(address.octets());
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut out = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.').filter(|label| !label.is_empty()) {
            out.push(label.len() as u8);
            out.extend(label.as_bytes());
        }
        out.push(0);
        out.extend(kind.to_be_bytes());
        out.extend(CLASS_IN.to_be_bytes());
        out
    }

    #[test]
    fn granted_names_stand_somewhere_and_others_nowhere() {
        let mut names = StandIns::default();
        let granted = |name: &str| name == "granted.test";
        let answer = names.answer(&question("Granted.TEST", 1), granted).unwrap();
        assert_eq!((&answer[..2], answer[3] & 15, answer[7]), (&[7, 9][..], NO_ERROR, 1));
        let address = Ipv4Addr::new(198, 18, 0, 1);
        assert_eq!(answer[answer.len() - 4..], address.octets());
        assert_eq!(names.name_of(address.into()), Some("granted.test"));
        assert!(is_stand_in(address.into()));
        let again = names.answer(&question("granted.test", 1), granted).unwrap();
        assert_eq!(again[again.len() - 4..], address.octets());
        let v6 = names.answer(&question("granted.test", 28), granted).unwrap();
        assert_eq!((v6[3] & 15, v6[7]), (NO_ERROR, 0));
        let refused = names.answer(&question("other.test", 1), granted).unwrap();
        assert_eq!((refused[3] & 15, refused[7]), (NO_SUCH_NAME, 0));
        assert_eq!(names.name_of("198.18.0.2".parse().unwrap()), None);
    }

    #[test]
    fn addresses_are_never_used_again_and_end() {
        let mut names = StandIns::default();
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..NAMES_MAX {
            let answer = names.answer(&question(&format!("n{index}.test"), 1), |_| true).unwrap();
            assert!(seen.insert(answer[answer.len() - 4..].to_vec()));
        }
        let answer = names.answer(&question("more.test", 1), |_| true).unwrap();
        assert_eq!(answer[3] & 15, SERVER_FAILURE);
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let answer = StandIns::default().answer(&bytes, |_| true);
            if let Some(answer) = answer {
                prop_assert_eq!(&answer[..2], &bytes[..2]);
            }
        }
    }
}
