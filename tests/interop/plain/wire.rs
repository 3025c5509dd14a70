//! Varints, frames, CBOR: sections 2 to 4.

use ciborium::Value;
use quinn::RecvStream;

/// A frame as it came: its type, and what is in it.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) ty: u64,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The frame's one item, which must be of this type.
    #[track_caller]
    pub(crate) fn expect(&self, ty: u64) -> Item {
        assert_eq!(self.ty, ty, "{:?}", self.item());
        self.item()
    }

    /// The code of a refusal.
    #[track_caller]
    pub(crate) fn code(&self) -> u64 {
        self.expect(REFUSAL).key(1).uint()
    }

    fn item(&self) -> Item {
        Item(ciborium::from_reader(&self.payload[..]).unwrap())
    }
}

/// The frames of a stream, behind its type.
#[derive(Debug)]
pub(crate) struct Frames(pub(crate) RecvStream);

impl Frames {
    /// The next frame; `None` when the stream ended behind a whole one.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let ty = self.varint().await?;
        let length = self.varint().await.unwrap();
        assert!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).await.unwrap();
        Some(Frame { ty, payload })
    }

    /// The next frame of this type. What stands before it must be one of those that may be skipped.
    pub(crate) async fn until(&mut self, ty: u64) -> Item {
        loop {
            let frame = self.next().await.expect("the stream goes on");
            if frame.ty == ty || frame.ty.is_multiple_of(2) {
                return frame.expect(ty);
            }
        }
    }

    /// A QUIC varint (RFC 9000 section 16).
    pub(crate) async fn varint(&mut self) -> Option<u64> {
        let mut bytes = [0; 8];
        self.0.read(&mut bytes[..1]).await.unwrap()?;
        let length = 1 << (bytes[0] >> 6);
        self.0.read_exact(&mut bytes[1..length]).await.unwrap();
        bytes[0] &= 0x3f;
        let number = bytes[..length].iter().fold(0, |number, byte| (number << 8) | u64::from(*byte));
        assert_eq!(varint(number).len(), length, "not the shortest form");
        Some(number)
    }
}

/// The shortest form of a varint.
pub(crate) fn varint(number: u64) -> Vec<u8> {
    let (length, mark) = match number {
        0..0x40 => (1, 0x00),
        0x40..0x4000 => (2, 0x40),
        0x4000..0x4000_0000 => (4, 0x80),
        _ => (8, 0xc0),
    };
    let mut bytes = number.to_be_bytes()[8 - length..].to_vec();
    bytes[0] |= mark;
    bytes
}

/// A frame, ready to be written.
pub(crate) fn frame(ty: u64, item: &Value) -> Vec<u8> {
    let payload = cbor(item);
    [varint(ty), varint(payload.len() as u64), payload].concat()
}

/// An item's bytes. ciborium writes definite lengths and shortest heads; maps are in the order we give.
pub(crate) fn cbor(item: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(item, &mut bytes).unwrap();
    bytes
}

/// A map with small integer keys.
pub(crate) fn map<const N: usize>(pairs: [(i64, Value); N]) -> Value {
    Value::Map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

/// An item that is what one asks it for, or the test ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item(pub(crate) Value);

impl Item {
    #[track_caller]
    pub(crate) fn key(&self, key: i64) -> Self {
        let pairs = self.0.as_map().unwrap();
        let pair = pairs.iter().find(|(known, _)| *known == Value::from(key));
        Self(pair.unwrap_or_else(|| panic!("no key {key} in {self:?}")).1.clone())
    }

    #[track_caller]
    pub(crate) fn nth(&self, index: usize) -> Self {
        Self(self.0.as_array().unwrap()[index].clone())
    }

    #[track_caller]
    pub(crate) fn len(&self) -> usize {
        self.0.as_array().unwrap().len()
    }

    #[track_caller]
    pub(crate) fn uint(&self) -> u64 {
        self.0.as_integer().unwrap().try_into().unwrap()
    }

    #[track_caller]
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.as_bytes().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn bool(&self) -> bool {
        self.0.as_bool().unwrap()
    }
}

pub(crate) const REFUSAL: u64 = 0x06;
const FRAME_BYTES_MAX: u64 = 65_536;
