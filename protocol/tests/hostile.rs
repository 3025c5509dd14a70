//! What strangers may send: any bytes at all. No decoder panics or allocates by a peer's word, every breach has
//! its reset code, and a damaged message is refused or is another message, never the same one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use std::sync::LazyLock;

use common::decoders::{BY_RULE, BY_TYPE, decode_checked, feed_everything, receive};
use common::signed::{self, Example};
use common::{Sample, hex, samples, spec, spec_path, unhex};
use proptest::prelude::*;
use quipu_protocol::sign::Signed;
use quipu_protocol::token::{self, Purpose, Statement};
use quipu_protocol::{DecodeError, Frame, FrameDecoder, FrameType, ResetCode, cbor, frame, varint};
use serde::{Deserialize, Serialize};

/// Bytes that get further than noise: heads of CBOR with small arguments, and now and then anything.
fn almost_cbor() -> impl Strategy<Value = Vec<u8>> {
    let head = (0u8..8, 0u8..26).prop_map(|(major, info)| vec![major << 5 | info]);
    let part = prop_oneof![
        6 => head,
        1 => prop::collection::vec(any::<u8>(), 1..20),
        1 => Just(b"\x50aaaaaaaaaaaaaaaa".to_vec()),
        1 => Just(b"\x65lobby".to_vec()),
    ];
    prop::collection::vec(part, 0..80).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        feed_everything(&bytes);
    }

    #[test]
    fn almost_cbor_is_survived(bytes in almost_cbor()) {
        feed_everything(&bytes);
    }

    #[test]
    fn what_decodes_is_in_the_profile_and_stable(bytes in almost_cbor()) {
        for decode in BY_RULE.values() {
            let _ = decode_checked(*decode, &bytes);
        }
    }

    #[test]
    fn varints_come_back(value in 0..=varint::MAX) {
        let mut bytes = Vec::new();
        varint::put(&mut bytes, value);
        prop_assert_eq!(varint::take(&bytes), Ok(Some((value, bytes.len()))));
    }

    #[test]
    fn frames_come_back_from_any_cut(cuts in prop::collection::vec(1usize..200, 1..400)) {
        let all: Vec<u8> = samples().iter().filter(|sample| sample.ty.is_some()).flat_map(Sample::bytes).collect();
        let (mut decoder, mut again, mut rest) = (FrameDecoder::default(), Vec::new(), &all[..]);
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let (chunk, left) = rest.split_at(cut.min(rest.len()));
            decoder.feed(chunk);
            rest = left;
            while let Some(Frame { ty, payload }) = decoder.next_frame().unwrap() {
                again.extend_from_slice(&frame::seal(ty, &payload));
            }
        }
        prop_assert_eq!(decoder.finish(), Ok(()));
        prop_assert_eq!(again, all);
    }
}

#[test]
fn no_cut_message_is_a_message() {
    for sample in samples() {
        for end in 0..sample.payload.len() {
            assert!((sample.again)(&sample.payload[..end]).is_err(), "{} cut at {end}", sample.name);
        }
        let frame = sample.bytes();
        for end in (1..frame.len()).filter(|_| sample.ty.is_some()) {
            let verdict = receive(&frame[..end]);
            assert!(matches!(verdict, Err(DecodeError::Truncated { .. })), "{} cut at {end}", sample.name);
        }
    }
}

#[test]
fn a_flipped_bit_never_leaves_the_message_as_it_was() {
    for sample in samples() {
        for bit in 0..sample.payload.len() * 8 {
            let mut flipped = sample.payload.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let again = (sample.again)(&flipped);
            assert_ne!(again.as_ref(), Ok(&sample.payload), "{} bit {bit}", sample.name);
        }
    }
}

#[test]
fn a_flipped_bit_ends_a_signature() {
    let example = Example::new();
    let statement = Statement::new(Purpose::Auth, example.auth.subject, signed::PIN);
    for bit in 0..example.token.len() * 8 {
        let mut flipped = example.token.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let verdict = Signed::parse(&flipped).and_then(|token| token::verify(&token, &example.server));
        assert!(verdict.is_err(), "token, bit {bit}");
    }
    for bit in 0..example.auth.proof.len() * 8 {
        let mut flipped = example.auth.proof.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let verdict = statement.check(&flipped, &example.device, &signed::EXPORTER);
        assert!(verdict.is_err(), "proof, bit {bit}");
    }
}

/// A breach, as it stands in `hostile.json`: what arrives on a stream, and the code the stream is reset with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Breach {
    name: String,
    hex: String,
    /// None: it is odd, not hostile, and must be skipped.
    reset: Option<u32>,
}

fn breaches() -> Vec<Breach> {
    let stream = |name: &str, hex: String, reset: Option<ResetCode>| Breach {
        name: name.to_owned(),
        hex,
        reset: reset.map(ResetCode::number),
    };
    // The payload of a Subscribe, which has maps, arrays and byte strings in it.
    let payload = |name: &str, payload: Vec<u8>| {
        let sealed = frame::seal(FrameType(0x80), &payload);
        stream(name, hex(&sealed), Some(ResetCode::BadCbor))
    };
    let subscribe_many = |rows: u8| {
        let row = [&[0x83, 0x50][..], &[0xa1; 16], &[0xf6, 0x00]].concat();
        [&[0xa1, 0x01, 0x98, rows][..], &row.repeat(usize::from(rows))].concat()
    };
    vec![
        payload("array of four thousand million in five bytes", unhex("9affffffff")),
        payload("map of four thousand million in five bytes", unhex("baffffffff")),
        payload("array of 2^64 - 1", unhex("9bffffffffffffffff")),
        payload("byte string of four thousand million", unhex("5affffffff")),
        payload("text of 2^64 - 1 bytes", unhex("7bffffffffffffffff")),
        payload("the same inside the right key", unhex("a1019affffffff")),
        payload("33 rooms in one subscribe", subscribe_many(33)),
        payload("nested nine deep", [vec![0x81; 9], vec![0x80]].concat()),
        payload("nested two thousand deep", vec![0x81; 2_000]),
        payload("maps nested nine deep", [[0xa1, 0x01].repeat(9), vec![0xa0]].concat()),
        payload("a key twice", unhex("a20180f60180")),
        payload("a key twice, known", unhex("a201800180")),
        payload("bytes behind the item", unhex("a1018000")),
        payload("nothing at all", vec![]),
        payload("indefinite array", unhex("a1019fff")),
        payload("indefinite map", unhex("bf0180ff")),
        payload("indefinite byte string", unhex("a101815f40ff")),
        payload("indefinite text", unhex("7f60ff")),
        payload("a break alone", unhex("ff")),
        payload("key 1 in two bytes", unhex("a1180180")),
        payload("length 0 in two bytes", unhex("a1019800")),
        payload("a tag", unhex("c0a10180")),
        payload("a float", unhex("a2018002f90000")),
        payload("undefined", unhex("a2018002f7")),
        payload("text that is not utf-8", unhex("a20180187b61ff")),
        payload("an array instead of a map", unhex("80")),
        payload("a required key is missing", unhex("a0")),
        payload("null for an optional key", unhex("a2018002f6")),
        payload("an id of 15 bytes", [&unhex("a10181834f")[..], &[0xa1; 15], &[0xf6, 0]].concat()),
        payload("a row with a field more", [&unhex("a101818450")[..], &[0xa1; 16], &[0xf6, 0, 0]].concat()),
        payload("a text key", unhex("a20180616100")),
        stream("a frame of 65537 bytes", "408080010001".into(), Some(ResetCode::TooLarge)),
        stream("a frame of 2^62 - 1 bytes", "4080ffffffffffffffff".into(), Some(ResetCode::TooLarge)),
        stream("frame type 0 in two bytes", "400001a0".into(), Some(ResetCode::BadCbor)),
        stream("frame length 1 in two bytes", "00400180".into(), Some(ResetCode::BadCbor)),
        stream("the stream ends inside a frame", "0005a1".into(), Some(ResetCode::BadCbor)),
        stream("an unknown critical frame", "3e01a0".into(), Some(ResetCode::UnknownFrame)),
        stream("an unknown frame that may be skipped", "2101ff".into(), None),
        stream("an unknown key", "408008a2018019038481f6".into(), None),
    ]
}

#[test]
fn every_breach_has_its_reset_code() {
    let breaches = breaches();
    for breach in &breaches {
        let verdict = receive(&unhex(&breach.hex));
        let code = verdict.as_ref().err().map(|error| error.reset_code().number());
        assert_eq!(code, breach.reset, "{}: {verdict:?}", breach.name);
    }
    if std::env::var_os("QUIPU_VECTORS").is_some_and(|value| value == "write") {
        let text = serde_json::to_string_pretty(&breaches).unwrap();
        std::fs::write(spec_path("vectors/hostile.json"), text + "\n").unwrap();
    }
    let committed: Vec<Breach> = serde_json::from_str(&spec("vectors/hostile.json")).unwrap();
    assert_eq!(committed, breaches);
}

/// Bytes a decoder may hold at once for each byte it was fed: rows are larger in memory than on the wire.
const GROWTH_MAX: u64 = 48;
/// And what it may hold for nothing: a few small buffers and ciborium's scratch.
const GROWTH_FREE: u64 = 8 * 1024;

#[test]
fn no_decoder_allocates_by_a_peers_word() {
    LazyLock::force(&BY_TYPE); // Else its making would be measured.
    let inputs = breaches().into_iter().map(|breach| unhex(&breach.hex));
    for input in inputs.chain(samples().iter().map(Sample::bytes)) {
        let bound = GROWTH_FREE + GROWTH_MAX * input.len() as u64;
        let peak = allocation_counter::measure(|| drop(receive(&input))).bytes_max;
        assert!(peak <= bound, "{peak} bytes for {}", hex(&input[..input.len().min(40)]));
        // The payload alone, given to decoders it was not meant for.
        let payload = &input[(input.len() - 1).min(3)..];
        for (rule, decode) in BY_RULE.iter() {
            let peak = allocation_counter::measure(|| drop(decode(payload))).bytes_max;
            assert!(peak <= bound, "{peak} bytes for {rule}");
        }
        let peak = allocation_counter::measure(|| drop(Signed::parse(payload))).bytes_max;
        assert!(peak <= bound, "{peak} bytes for a signed value");
    }
}

/// The protected header of a COSE_Sign1 is CBOR inside a byte string, which the outer check does not see.
#[test]
fn a_hostile_protected_header_is_refused() {
    for (header, what) in [
        (vec![0x81; 900], "nested"),
        (unhex("9affffffff"), "long array"),
        (unhex("baffffffff"), "long map"),
        (unhex("a20127012680"), "twice"),
        (unhex("bf0127ff"), "indefinite"),
        (unhex("a1013800"), "not there"),
        (unhex("a1180127"), "long head"),
    ] {
        let mut bytes = vec![0x84, 0x59];
        bytes.extend_from_slice(&(header.len() as u16).to_be_bytes());
        if header.len() < 256 {
            bytes.truncate(1);
            bytes.extend_from_slice(&[0x58, header.len() as u8]);
        }
        if header.len() < 24 {
            bytes.truncate(1);
            bytes.push(0x40 | header.len() as u8);
        }
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&[0xa0, 0x41, 0x00, 0x41, 0x00]);
        assert_eq!(cbor::check(&bytes), Ok(()), "{what}");
        assert!(Signed::parse(&bytes).is_err(), "{what}");
    }
}
