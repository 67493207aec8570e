//! Packages of parts (ZIP: workbooks, documents, slide decks), measured before anything reads them.

use std::io::{Cursor, Read};

/// Parts of a package.
const PARTS_MAX: usize = 4_000;
/// Before each part in the directory of a package.
const ENTRY: &[u8] = b"PK\x01\x02";

/// Why a package is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    Broken(String),
    /// Unpacked, it has more bytes than are allowed.
    TooLarge,
}

/// Bytes of all parts, unpacked for real: what a package says of its sizes may be a lie. Nothing is unpacked of one that says too much
/// itself, and no byte of it twice: the work is bounded by the length of the package and by `bytes_max`.
///
/// # Errors
/// [`Unread`].
pub fn unpacked_bytes(bytes: &[u8], bytes_max: u64) -> Result<u64, Unread> {
    let broken = |why: &dyn ToString| Unread::Broken(why.to_string());
    // Counted before a reader makes room for them.
    if bytes.windows(ENTRY.len()).filter(|at| *at == ENTRY).count() > PARTS_MAX {
        return Err(broken(&"it has too many parts"));
    }
    let mut package = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    let (mut packed, mut told) = (0_u64, 0_u64);
    for index in 0..package.len() {
        let part = package.by_index_raw(index).map_err(|error| broken(&error))?;
        packed = packed.saturating_add(part.compressed_size());
        told = told.saturating_add(part.size());
    }
    if packed > bytes.len() as u64 {
        return Err(broken(&"its parts lie over each other"));
    }
    if told > bytes_max {
        return Err(Unread::TooLarge);
    }
    let mut total = 0;
    for index in 0..package.len() {
        let part = package.by_index(index).map_err(|error| broken(&error))?;
        let most = bytes_max.saturating_sub(total).saturating_add(1);
        total += std::io::copy(&mut part.take(most), &mut std::io::sink()).map_err(|error| broken(&error))?;
        if total > bytes_max {
            return Err(Unread::TooLarge);
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::*;

    fn package(parts: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut package = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in parts {
            package
                .start_file(*name, zip::write::SimpleFileOptions::default())
                .unwrap();
            package.write_all(content).unwrap();
        }
        package.finish().unwrap().into_inner()
    }

    /// Writes over fields of every entry of the directory, at their places in it.
    fn with_fields(mut bytes: Vec<u8>, fields: &[(usize, u32)]) -> Vec<u8> {
        let entries: Vec<usize> = (0..bytes.len() - 4)
            .filter(|at| bytes[*at..].starts_with(ENTRY))
            .collect();
        for at in entries {
            for (place, value) in fields {
                bytes[at + place..at + place + 4].copy_from_slice(&value.to_le_bytes());
            }
        }
        bytes
    }

    #[test]
    fn all_parts_are_measured_together() {
        let two = package(&[("a", vec![b' '; 3_000]), ("b", vec![b' '; 2_000])]);
        assert_eq!(unpacked_bytes(&two, 5_000), Ok(5_000));
        assert_eq!(unpacked_bytes(&two, 4_999), Err(Unread::TooLarge));
        assert!(matches!(unpacked_bytes(b"no package", 9), Err(Unread::Broken(_))));
    }

    #[test]
    fn what_a_package_says_of_itself_counts_only_against_it() {
        // Of an unpacked size, in the directory: less than it is, then more.
        let large = package(&[("a", vec![b' '; 100_000])]);
        assert!(unpacked_bytes(&with_fields(large.clone(), &[(24, 1)]), 50_000).is_err());
        assert_eq!(
            unpacked_bytes(&with_fields(large, &[(24, 900_000)]), 500_000),
            Err(Unread::TooLarge)
        );
        // Every entry is the whole of the first part.
        let long: Vec<u8> = (0..2_000_u32)
            .flat_map(|at| at.wrapping_mul(0x9e37_79b9).to_le_bytes())
            .collect();
        let over = package(&[("a", long.clone()), ("b", vec![b'b'; 4]), ("c", vec![b'c'; 4])]);
        let packed = u32::from_le_bytes(over[18..22].try_into().unwrap());
        let over = with_fields(over, &[(20, packed), (24, 8_000), (42, 0)]);
        assert_eq!(
            unpacked_bytes(&over, 1 << 30),
            Err(Unread::Broken("its parts lie over each other".to_owned()))
        );
    }

    #[test]
    fn a_package_of_too_many_parts_is_not_opened() {
        let many = [ENTRY.repeat(PARTS_MAX + 1), package(&[("a", vec![b'a'])])].concat();
        assert_eq!(
            unpacked_bytes(&many, 9),
            Err(Unread::Broken("it has too many parts".to_owned()))
        );
        let most = [ENTRY.repeat(PARTS_MAX - 1), package(&[("a", vec![b'a'])])].concat();
        assert_eq!(unpacked_bytes(&most, 9), Ok(1));
    }
}
