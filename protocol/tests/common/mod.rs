//! What the tests of the specification share: samples of every message, the CDDL, and hexadecimal.
#![allow(dead_code, unreachable_pub, reason = "each test file is a crate and uses its part")]

pub mod bots;
pub mod cddl;
pub mod control;
pub mod decoders;
pub mod diagnostic;
pub mod file;
pub mod log;
pub mod moderation;
pub mod mutant;
pub mod presence;
pub mod relating;
pub mod request;
pub mod signed;
pub mod unread;

use std::fmt::Debug;

use quipu_protocol::frame::{FrameType, Message, seal};
use quipu_protocol::{
    Cursor, DecodeError, DeviceId, HookId, Incarnation, InviteId, MessageId, RoomId, Seq, UserId, cbor,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

type IsValueOf = Box<dyn Fn(&[u8]) -> bool>;

/// A value of the wire, and what its bytes must be.
pub struct Sample {
    pub name: &'static str,
    /// Its rule in the CDDL.
    pub rule: String,
    /// None for what stands inside frames.
    pub ty: Option<FrameType>,
    pub payload: Vec<u8>,
    /// The value with the names of its fields; long byte strings show their size.
    pub value: String,
    /// Whether these bytes decode to the very value this sample was made from.
    pub is_value_of: IsValueOf,
    /// The payload once decoded and encoded again.
    pub again: fn(&[u8]) -> Result<Vec<u8>, DecodeError>,
}

impl Sample {
    /// The whole frame, or the bare item when it has no frame.
    pub fn bytes(&self) -> Vec<u8> {
        match self.ty {
            Some(ty) => seal(ty, &self.payload).to_vec(),
            None => self.payload.clone(),
        }
    }
}

/// A sample that is the payload of a frame; its rule is the one the CDDL names for the frame type.
pub fn frame<T: Message + Debug + PartialEq + 'static>(name: &'static str, value: T) -> Sample {
    let rule = cddl::FRAMES.iter().find(|frame| frame.ty == T::TYPE);
    let rule = rule.unwrap_or_else(|| panic!("{} is not in the CDDL", T::NAME));
    Sample { ty: Some(T::TYPE), ..item(name, &rule.rule, value) }
}

/// A sample of what stands inside frames.
pub fn item<T>(name: &'static str, rule: impl Into<String>, value: T) -> Sample
where
    T: Serialize + DeserializeOwned + Debug + PartialEq + 'static,
{
    let payload = cbor::encode(&value);
    Sample {
        name,
        rule: rule.into(),
        ty: None,
        payload,
        value: format!("{value:?}"),
        is_value_of: Box::new(move |bytes| {
            cbor::decode::<T>(bytes, "sample").is_ok_and(|other| other == value)
        }),
        again: |bytes| cbor::decode::<T>(bytes, "sample").map(|value| cbor::encode(&value)),
    }
}

/// Every sample there is.
pub fn samples() -> Vec<Sample> {
    let (control, log, request) = (control::samples(), log::samples(), request::samples());
    let (moderation, relating, file) = (moderation::samples(), relating::samples(), file::samples());
    let (presence, bots, unread) = (presence::samples(), bots::samples(), unread::samples());
    [control, log, request, moderation, relating, file, presence, bots, unread]
        .into_iter()
        .flatten()
        .collect()
}

pub const AT_MS: u64 = 1_790_000_000_000;
pub const LOBBY: RoomId = RoomId::from_bytes([0xa1; 16]);
pub const TEAM: RoomId = RoomId::from_bytes([0xa2; 16]);
pub const ADA: UserId = UserId::from_bytes([0xb1; 16]);
pub const BOB: UserId = UserId::from_bytes([0xb2; 16]);
pub const LAPTOP: DeviceId = DeviceId::from_bytes([0xc1; 16]);
pub const PHONE: DeviceId = DeviceId::from_bytes([0xc2; 16]);
pub const MESSAGE: MessageId = MessageId::from_bytes([0xd1; 16]);
pub const BOT: UserId = UserId::from_bytes([0xb3; 16]);
pub const HOOK: HookId = HookId::from_bytes([0xe2; 16]);
pub const INVITE: InviteId = InviteId::from_bytes([0xe1; 16]);

pub fn at(seq: u64) -> Cursor {
    Cursor { incarnation: Incarnation(7), seq: Seq(seq) }
}

/// A name or a nickname from a literal.
pub fn name<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is a valid name"))
}

/// Text, blob or list from what surely fits.
pub fn fits<T, E>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|_| panic!("the sample fits its bound"))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A file of the specification.
pub fn spec(path: &str) -> String {
    let path = spec_path(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn spec_path(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("spec").join(path)
}
