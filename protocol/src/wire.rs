//! How Rust values become wire values: maps with small integer keys, arrays for hot frames, bounded leaves.
//!
//! serde's own derive would put field names on the wire and let a peer choose how much is allocated. Types made
//! by [`wire_map!`] and [`wire_array!`] write integers, skip keys they do not know, refuse what is missing, and
//! never look at a size hint.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use bytes::Bytes;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Defines a struct that is a CBOR map with integer keys.
///
/// Required fields come first and have the smaller keys, so that keys ascend on the wire. Optional fields are
/// `Option`s, absent when `None`. Unknown keys are ignored: that is how the protocol grows.
macro_rules! wire_map {
    ($(#[$meta:meta])* pub struct $name:ident {
        required { $($(#[$rmeta:meta])* $rkey:literal => $rfield:ident : $rty:ty,)* }
        optional { $($(#[$ometa:meta])* $okey:literal => $ofield:ident : $oty:ty,)* }
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$rmeta])* pub $rfield: $rty,)*
            $($(#[$ometa])* pub $ofield: Option<$oty>,)*
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap as _;
                let fields: &[bool] = &[$({ let _ = &self.$rfield; true },)* $(self.$ofield.is_some(),)*];
                let len = fields.iter().filter(|present| **present).count();
                #[allow(unused_mut, reason = "a map without fields is written too")]
                let mut map = serializer.serialize_map(Some(len))?;
                $(map.serialize_entry(&($rkey as i64), &self.$rfield)?;)*
                $(if let Some(value) = &self.$ofield { map.serialize_entry(&($okey as i64), value)?; })*
                map.end()
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct MapVisitor;
                impl<'de> serde::de::Visitor<'de> for MapVisitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("a map with integer keys: ", stringify!($name)))
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        $(let mut $rfield: Option<$rty> = None;)*
                        $(let mut $ofield: Option<$oty> = None;)*
                        while let Some(key) = map.next_key::<i64>()? {
                            match key {
                                $($rkey => $rfield = Some(map.next_value()?),)*
                                $($okey => $ofield = Some(map.next_value()?),)*
                                _ => { map.next_value::<serde::de::IgnoredAny>()?; }
                            }
                        }
                        Ok($name {
                            $($rfield: $rfield.ok_or_else(|| serde::de::Error::missing_field(stringify!($rfield)))?,)*
                            $($ofield,)*
                        })
                    }
                }
                deserializer.deserialize_map(MapVisitor)
            }
        }
    };
}
pub(crate) use wire_map;

/// Defines a struct that is a CBOR array of exactly its fields, in order.
macro_rules! wire_array {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$fmeta:meta])* $field:ident : $ty:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty,)+ }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeTuple as _;
                let len = [$(stringify!($field),)+].len();
                let mut array = serializer.serialize_tuple(len)?;
                $(array.serialize_element(&self.$field)?;)+
                array.end()
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ArrayVisitor;
                impl<'de> serde::de::Visitor<'de> for ArrayVisitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("an array: ", stringify!($name)))
                    }
                    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<$name, A::Error> {
                        let value = $name {
                            $($field: seq.next_element::<$ty>()?
                                .ok_or_else(|| serde::de::Error::missing_field(stringify!($field)))?,)+
                        };
                        match seq.next_element::<serde::de::IgnoredAny>()? {
                            None => Ok(value),
                            Some(_) => Err(serde::de::Error::custom("more elements than fields")),
                        }
                    }
                }
                // Not `deserialize_tuple`: ciborium would take a byte string for an array of small numbers.
                deserializer.deserialize_any(ArrayVisitor)
            }
        }
    };
}
pub(crate) use wire_array;

/// A list of at most `MAX` items, whatever length its bytes claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// The list, or the items back when they are more than `MAX`.
    pub fn new(items: Vec<T>) -> Result<Self, Vec<T>> {
        if items.len() <= MAX { Ok(Self(items)) } else { Err(items) }
    }

    /// The first `MAX` of `items`.
    pub fn first(mut items: Vec<T>) -> Self {
        items.truncate(MAX);
        Self(items)
    }

    /// The items.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Serialize, const MAX: usize> Serialize for List<T, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T, const MAX: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
            type Value = List<T, MAX>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an array of at most {MAX} items")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    if items.len() == MAX {
                        return Err(A::Error::invalid_length(MAX + 1, &self));
                    }
                    items.push(item);
                }
                Ok(List(items))
            }
        }
        // Not `deserialize_seq`, for the same reason as in `wire_array!`.
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

/// A byte string of at most `MAX` bytes, cheap to clone.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Blob<const MAX: usize>(Bytes);

impl<const MAX: usize> Blob<MAX> {
    /// The blob, or the bytes back when they are more than `MAX`.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, Bytes> {
        let bytes = bytes.into();
        if bytes.len() <= MAX { Ok(Self(bytes)) } else { Err(bytes) }
    }

    /// The bytes, shared.
    pub fn bytes(&self) -> Bytes {
        self.0.clone()
    }
}

/// Shows the size only: blobs are bodies, tokens and proofs, and errors end up in logs.
impl<const MAX: usize> fmt::Debug for Blob<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

impl<const MAX: usize> Deref for Blob<MAX> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> Serialize for Blob<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Blob<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BlobVisitor<const MAX: usize>;
        impl<const MAX: usize> Visitor<'_> for BlobVisitor<MAX> {
            type Value = Blob<MAX>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a byte string of at most {MAX} bytes")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                self.visit_byte_buf(bytes.to_vec())
            }
            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
                Blob::new(bytes).map_err(|bytes| E::invalid_length(bytes.len(), &self))
            }
        }
        // Not `deserialize_bytes`: ciborium serves that from a scratch buffer of 4 KiB and refuses what is longer.
        deserializer.deserialize_byte_buf(BlobVisitor)
    }
}

/// Text of at most `MAX` bytes of UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// The text, or the string back when it is longer than `MAX` bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, String> {
        let text = text.into();
        if text.len() <= MAX { Ok(Self(text)) } else { Err(text) }
    }

    /// As much of `text` as fits, cut between characters.
    pub fn cut(mut text: String) -> Self {
        text.truncate(text.floor_char_boundary(MAX));
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Serialize for Text<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(text)
            .map_err(|text| D::Error::custom(format_args!("text of {} bytes exceeds {MAX}", text.len())))
    }
}
