//! Everything that takes bytes or text from outside, and what must hold of what it takes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use ciborium::Value;
use quipu_protocol::key::{CoseKey, DeviceKey};
use quipu_protocol::sign::Signed;
use quipu_protocol::{DecodeError, FrameDecoder, InviteLink, cbor, datagram, varint};

use super::{samples, signed};

/// A payload, decoded and encoded again.
pub type Decoder = fn(&[u8]) -> Result<Vec<u8>, DecodeError>;

/// One decoder per frame type.
pub static BY_TYPE: LazyLock<BTreeMap<u64, Decoder>> = LazyLock::new(|| {
    let samples = samples();
    samples.iter().filter_map(|sample| Some((sample.ty?.0, sample.again))).collect()
});

/// One decoder per rule, those of what stands inside frames included.
pub static BY_RULE: LazyLock<BTreeMap<String, Decoder>> =
    LazyLock::new(|| samples().into_iter().map(|sample| (sample.rule, sample.again)).collect());

/// What a receiver does with a stream's frames: decode, refuse, or skip.
pub fn receive(bytes: &[u8]) -> Result<usize, DecodeError> {
    let mut decoder = FrameDecoder::default();
    decoder.feed(bytes);
    let mut frames = 0;
    while let Some(frame) = decoder.next_frame()? {
        match BY_TYPE.get(&frame.ty.0) {
            Some(decode) => drop(decode(&frame.payload)?),
            None if frame.ty.is_critical() => return Err(frame.unexpected()),
            None => {}
        }
        frames += 1;
    }
    decoder.finish()?;
    Ok(frames)
}

/// Everything that takes bytes or text from outside, one after the other.
pub fn feed_everything(bytes: &[u8]) {
    let _ = varint::take(bytes);
    let _ = cbor::check(bytes);
    let _ = receive(bytes);
    let _ = datagram::decode(&bytes.to_vec().into());
    if let Ok(signed) = Signed::parse(bytes) {
        let key = signed::p256_device();
        assert!(signed.verified(&key, &[]).is_err());
        let _ = signed.key_id();
    }
    for decode in BY_RULE.values() {
        let _ = decode_checked(*decode, bytes);
    }
    if let Ok(Ok(key)) = cbor::decode::<CoseKey>(bytes, "CoseKey").map(|key| DeviceKey::try_from(&key)) {
        let _ = key.verifies(bytes, bytes);
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = text.parse::<InviteLink>();
    let _ = format!("quipu://{text}").parse::<InviteLink>();
}

/// Decodes `payload`, and checks that what is taken is in the profile, says nothing that was not sent, and is the same
/// once more. Gives what it said.
///
/// # Panics
/// When it is not so.
pub fn decode_checked(decode: Decoder, payload: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let said = decode(payload)?;
    assert_eq!(cbor::check(payload), Ok(()), "taken, and not in the profile");
    assert_eq!(cbor::check(&said), Ok(()), "said, and not in the profile");
    assert_eq!(decode(&said).as_ref(), Ok(&said), "not the same once more");
    let [sent, value]: [Value; 2] =
        [payload, &said[..]].map(|bytes| ciborium::from_reader(bytes).expect("it was decoded"));
    assert!(is_part_of(&value, &sent), "{sent:?} was taken for {value:?}");
    Ok(said)
}

/// Whether `said` is `sent`, but for keys nobody knows and for the order of keys.
fn is_part_of(said: &Value, sent: &Value) -> bool {
    match (said, sent) {
        (Value::Array(said), Value::Array(sent)) => {
            said.len() == sent.len() && said.iter().zip(sent).all(|(said, sent)| is_part_of(said, sent))
        }
        (Value::Map(said), Value::Map(sent)) => said
            .iter()
            .all(|(key, said)| sent.iter().any(|(other, sent)| key == other && is_part_of(said, sent))),
        _ => said == sent,
    }
}
