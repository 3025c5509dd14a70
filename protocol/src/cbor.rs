//! CBOR as Quipu writes it: a narrow profile of RFC 8949, checked before serde sees a byte.
//!
//! ```text
//!   payload ──▶ check (one pass, no allocation beyond a map's keys) ──▶ ciborium ──▶ value
//! ```
//!
//! The profile: exactly one item; definite lengths; shortest heads; no tags, no floats, no simple values but
//! false, true and null; no map key twice; text is UTF-8; depth, pairs and items bounded by [`crate::limits`].
//! ciborium alone would accept several encodings of one value, keep the last of two equal keys, and leave what
//! follows the item unread.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::DecodeError;
use crate::limits::{ARRAY_ITEMS_MAX, CBOR_DEPTH_MAX, MAP_ENTRIES_MAX};

/// Deepest recursion ciborium may reach: above [`CBOR_DEPTH_MAX`], and safe on a 64 KiB stack.
const RECURSION_MAX: usize = 16;
const _: () = assert!(CBOR_DEPTH_MAX < RECURSION_MAX);

/// Encodes `value`. Our types are in the profile by construction; the golden vectors prove it.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    ciborium::into_writer(value, &mut out).expect("a Vec takes every byte and our types serialise");
    out
}

/// Decodes exactly one item in the profile; `expected` names it in the error.
///
/// # Errors
/// [`DecodeError::Profile`] or [`DecodeError::Malformed`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8], expected: &'static str) -> Result<T, DecodeError> {
    check(bytes)?;
    ciborium::de::from_reader_with_recursion_limit(bytes, RECURSION_MAX)
        .map_err(|_| DecodeError::Malformed { len: bytes.len(), expected })
}

/// Checks that `bytes` are exactly one item in the profile.
///
/// # Errors
/// [`DecodeError::Profile`] with the place and the rule.
pub fn check(bytes: &[u8]) -> Result<(), DecodeError> {
    let mut reader = Reader { bytes, at: 0 };
    reader.item(0)?;
    if reader.at == bytes.len() { Ok(()) } else { reader.fail("bytes after the item") }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn fail<T>(&self, what: &'static str) -> Result<T, DecodeError> {
        Err(DecodeError::Profile { at: self.at, what })
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], DecodeError> {
        let end = usize::try_from(len).ok().and_then(|len| self.at.checked_add(len));
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(taken) => {
                self.at += taken.len();
                Ok(taken)
            }
            None => self.fail("ends inside an item"),
        }
    }

    /// Major type and argument of the next head, in its shortest form (RFC 8949 section 4.2.1).
    fn head(&mut self) -> Result<(u8, u8, u64), DecodeError> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 0x1f);
        let (size, least) = match info {
            0..=23 => return Ok((major, info, u64::from(info))),
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            _ => return self.fail("indefinite length or reserved head"),
        };
        let argument = self.take(size)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        if major != 7 && argument < least {
            return self.fail("head longer than its value needs");
        }
        Ok((major, info, argument))
    }

    fn item(&mut self, depth: usize) -> Result<(), DecodeError> {
        let (major, info, argument) = self.head()?;
        match major {
            0 | 1 => Ok(()),
            2 => self.take(argument).map(drop),
            3 => match std::str::from_utf8(self.take(argument)?) {
                Ok(_) => Ok(()),
                Err(_) => self.fail("text is not utf-8"),
            },
            4 => self.array(argument, depth),
            5 => self.map(argument, depth),
            7 if matches!(info, 20..=22) => Ok(()),
            6 => self.fail("tags are not used"),
            _ => self.fail("floats and simple values are not used"),
        }
    }

    fn deeper(&self, depth: usize) -> Result<usize, DecodeError> {
        if depth < CBOR_DEPTH_MAX { Ok(depth + 1) } else { self.fail("nested too deep") }
    }

    fn array(&mut self, items: u64, depth: usize) -> Result<(), DecodeError> {
        let depth = self.deeper(depth)?;
        if items > ARRAY_ITEMS_MAX as u64 {
            return self.fail("too many items in an array");
        }
        (0..items).try_for_each(|_| self.item(depth))
    }

    fn map(&mut self, pairs: u64, depth: usize) -> Result<(), DecodeError> {
        let depth = self.deeper(depth)?;
        if pairs > MAP_ENTRIES_MAX as u64 {
            return self.fail("too many pairs in a map");
        }
        let mut keys: Vec<&[u8]> = Vec::new();
        for _ in 0..pairs {
            let start = self.at;
            self.item(depth)?;
            let key = &self.bytes[start..self.at];
            if keys.contains(&key) {
                return self.fail("a map key twice");
            }
            keys.push(key);
            self.item(depth)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken_rule(bytes: &[u8]) -> &'static str {
        match check(bytes) {
            Err(DecodeError::Profile { what, .. }) => what,
            other => panic!("{bytes:02x?}: {other:?}"),
        }
    }

    #[test]
    fn the_profile_is_accepted() {
        for good in [
            &[0x00][..],
            &[0x18, 0x18],
            &[0x20],
            &[0x43, 1, 2, 3],
            &[0x62, 0xc3, 0xa9],
            &[0x82, 0x01, 0xf6],
            &[0xa2, 0x01, 0xf4, 0x02, 0xf5],
            &[0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x80],
        ] {
            assert_eq!(check(good), Ok(()), "{good:02x?}");
        }
    }

    #[test]
    fn each_rule_refuses_its_breach() {
        for (bytes, what) in [
            (&[][..], "ends inside an item"),
            (&[0x82, 0x01], "ends inside an item"),
            (&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "ends inside an item"),
            (&[0x00, 0x00], "bytes after the item"),
            (&[0x9f, 0xff], "indefinite length or reserved head"),
            (&[0x5f, 0x40, 0xff], "indefinite length or reserved head"),
            (&[0x18, 0x17], "head longer than its value needs"),
            (&[0x19, 0x00, 0xff], "head longer than its value needs"),
            (&[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], "head longer than its value needs"),
            (&[0xc0, 0x00], "tags are not used"),
            (&[0xf9, 0x00, 0x00], "floats and simple values are not used"),
            (&[0xf7], "floats and simple values are not used"),
            (&[0xf8, 0xff], "floats and simple values are not used"),
            (&[0x61, 0xff], "text is not utf-8"),
            (&[0xa2, 0x01, 0x00, 0x01, 0x00], "a map key twice"),
            (&[0x9a, 0xff, 0xff, 0xff, 0xff], "too many items in an array"),
            (&[0xba, 0xff, 0xff, 0xff, 0xff], "too many pairs in a map"),
            (&[0x81; 9], "nested too deep"),
        ] {
            assert_eq!(broken_rule(bytes), what, "{bytes:02x?}");
        }
    }
}
