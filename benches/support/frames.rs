//! Frames of a stream by type and position, without decoding what is inside: a load generator that decoded every
//! entry for every reader would measure itself.

use anyhow::{Context as _, Result, ensure};
use quipu_protocol::{FrameType, varint};

/// Cuts the bytes of one stream into frames.
#[derive(Default)]
pub(crate) struct Frames {
    /// The beginning of a frame whose end has not come.
    rest: Vec<u8>,
}

impl Frames {
    /// Takes bytes that arrived and gives every whole frame to `seen`, as type, whole frame and payload.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        mut seen: impl FnMut(FrameType, &[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut joined = Vec::new();
        let mut left = if self.rest.is_empty() {
            bytes
        } else {
            joined.append(&mut self.rest);
            joined.extend_from_slice(bytes);
            &joined
        };
        while let Some((ty, head, len)) = head(left)? {
            let Some(payload) = left.get(head..head + len) else {
                break;
            };
            seen(ty, &left[..head + len], payload)?;
            left = &left[head + len..];
        }
        self.rest = left.to_vec();
        Ok(())
    }
}

/// Type, bytes before the payload, and bytes of the payload.
fn head(bytes: &[u8]) -> Result<Option<(FrameType, usize, usize)>> {
    let Some((ty, ty_bytes)) = varint::take(bytes)? else {
        return Ok(None);
    };
    let Some((len, len_bytes)) = varint::take(&bytes[ty_bytes..])? else {
        return Ok(None);
    };
    Ok(Some((FrameType(ty), ty_bytes + len_bytes, len as usize)))
}

/// The position in an Entry's payload: its first element.
pub(crate) fn seq_of(payload: &[u8]) -> Result<u64> {
    let (array, rest) = payload.split_first().context("an entry without bytes")?;
    ensure!(array >> 5 == 4, "an entry is an array");
    let (first, rest) = rest.split_first().context("an entry without elements")?;
    let size = match first {
        0..=23 => return Ok(u64::from(*first)),
        24..=27 => 1 << (first - 24),
        _ => anyhow::bail!("a position is an unsigned number"),
    };
    let bytes = rest.get(..size).context("a position is cut short")?;
    Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}
