//! Messages of the protocol, changed in ways that leave them CBOR, in frames, in chunks, as a stream brings them.

use std::sync::LazyLock;

use ciborium::Value;
use quipu_protocol::frame::seal;
use quipu_protocol::limits::FRAME_BYTES_MAX;
use quipu_protocol::{DecodeError, FrameDecoder, FrameType};

use super::change::{change, encode};
use super::choices::Choices;
use super::common::decoders::{BY_TYPE, Decoder, decode_checked};
use super::common::{Sample, samples};

/// Frames of one stream.
const FRAMES_MAX: usize = 4;
/// Changes of one message.
const CHANGES_MAX: usize = 6;

/// A message to begin with.
struct Origin {
    ty: Option<FrameType>,
    value: Value,
    decode: Decoder,
}

static ORIGINS: LazyLock<Vec<Origin>> = LazyLock::new(|| {
    let origin = |sample: Sample| Origin {
        ty: sample.ty,
        value: ciborium::from_reader(&sample.payload[..]).expect("a sample is CBOR"),
        decode: sample.again,
    };
    samples().into_iter().map(origin).collect()
});

/// Goal: what decodes is in the profile, says what was sent, and is the same when it is encoded and decoded again,
/// from whatever chunks it came.
pub(crate) fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut sent = Vec::new();
    for _ in 0..=choices.below(FRAMES_MAX) {
        let origin = &ORIGINS[choices.below(ORIGINS.len())];
        let payload = changed(origin, &mut choices);
        // Refused is fine.
        let _ = decode_checked(origin.decode, &payload);
        let ty = origin.ty.filter(|_| choices.below(8) < 7);
        let ty = ty.unwrap_or_else(|| FrameType(choices.integer().unsigned_abs() as u64 & 0xff));
        sent.push((ty, payload));
    }
    check_received(&sent, receive(&sent, &mut choices));
}

fn changed(origin: &Origin, choices: &mut Choices) -> Vec<u8> {
    let mut value = origin.value.clone();
    for _ in 0..choices.below(CHANGES_MAX) {
        let donor = &ORIGINS[choices.below(ORIGINS.len())].value;
        change(&mut value, choices, donor);
    }
    encode(&value)
}

/// The frames as the other end gets them, until one of them ends the stream.
fn receive(
    sent: &[(FrameType, Vec<u8>)],
    choices: &mut Choices,
) -> Result<Vec<(FrameType, Vec<u8>)>, DecodeError> {
    let stream = sent.iter().map(|(ty, payload)| seal(*ty, payload)).collect::<Vec<_>>().concat();
    let (mut decoder, mut received, mut rest) = (FrameDecoder::default(), Vec::new(), &stream[..]);
    while !rest.is_empty() {
        // Once nothing is left to decide by, all that is left comes at once.
        let len = if choices.is_over() { rest.len() } else { choices.below(2_048) + 1 };
        let (chunk, behind) = rest.split_at(len.min(rest.len()));
        rest = behind;
        decoder.feed(chunk);
        while let Some(frame) = decoder.next_frame()? {
            if let Some(decode) = BY_TYPE.get(&frame.ty.0) {
                let _ = decode_checked(*decode, &frame.payload);
            }
            received.push((frame.ty, frame.payload.to_vec()));
        }
    }
    decoder.finish().map(|()| received)
}

fn check_received(sent: &[(FrameType, Vec<u8>)], received: Result<Vec<(FrameType, Vec<u8>)>, DecodeError>) {
    let is_too_large = sent.iter().any(|(_, payload)| payload.len() > FRAME_BYTES_MAX);
    match received {
        Ok(received) => assert!(!is_too_large && received == sent, "other frames came than were sent"),
        Err(error) => assert!(
            is_too_large && matches!(error, DecodeError::FrameTooLarge { .. }),
            "frames that fit were refused: {error}"
        ),
    }
}
