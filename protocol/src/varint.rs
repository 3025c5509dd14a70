//! Variable-length integers as QUIC writes them (RFC 9000 section 16).
//!
//! Invariant: only the shortest form is accepted, so that a value has one encoding.

use bytes::BufMut;

use crate::error::DecodeError;

/// The largest value a varint can carry: 2^62 − 1.
pub const MAX: u64 = (1 << 62) - 1;

/// Appends `value` in its shortest form. Values above [`MAX`] cannot be written and are clamped to it.
pub fn put(out: &mut impl BufMut, value: u64) {
    match value {
        0..=0x3f => out.put_u8(value as u8),
        0x40..=0x3fff => out.put_u16(value as u16 | 0x4000),
        0x4000..=0x3fff_ffff => out.put_u32(value as u32 | 0x8000_0000),
        _ => out.put_u64(value.min(MAX) | 0xc000_0000_0000_0000),
    }
}

/// Bytes that [`put`] writes for `value`: 1, 2, 4 or 8.
pub const fn len(value: u64) -> usize {
    match value {
        0..=0x3f => 1,
        0x40..=0x3fff => 2,
        0x4000..=0x3fff_ffff => 4,
        _ => 8,
    }
}

/// Reads one varint from the front of `bytes`: the value and the bytes it took, or `None` when more are needed.
///
/// # Errors
/// [`DecodeError::LongVarint`] when a shorter form exists.
pub fn take(bytes: &[u8]) -> Result<Option<(u64, usize)>, DecodeError> {
    let Some(first) = bytes.first() else {
        return Ok(None);
    };
    let size = 1usize << (first >> 6);
    let Some(encoded) = bytes.get(..size) else {
        return Ok(None);
    };
    let value = encoded.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte))
        & (MAX >> (62 - (size * 8 - 2)));
    if len(value) != size {
        return Err(DecodeError::LongVarint { value, size });
    }
    Ok(Some((value, size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_comes_back() {
        for value in [0, 1, 0x3f, 0x40, 0x3fff, 0x4000, 0x3fff_ffff, 0x4000_0000, MAX] {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(out.len(), len(value));
            assert_eq!(take(&out), Ok(Some((value, out.len()))));
            assert_eq!(take(&out[..out.len() - 1]), Ok(None));
        }
    }

    #[test]
    fn a_longer_form_than_needed_is_refused() {
        assert_eq!(take(&[0x40, 0x01]), Err(DecodeError::LongVarint { value: 1, size: 2 }));
    }
}
