//! Golden vectors: the bytes of every message, checked in both directions and against the CDDL.
//!
//! ```text
//!   value in code ──encode──▶ bytes == the committed file == bytes ──decode──▶ value in code
//! ```
//!
//! The files under `spec/vectors` are a promise to other implementations. `QUIPU_VECTORS=write cargo nextest run
//! -p quipu-protocol vectors` writes them anew; that is right only together with a changelog line.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;
#[path = "common/judge.rs"]
mod judge;

use std::collections::{BTreeMap, BTreeSet};

use ciborium::Value;
use common::cddl;
use common::signed::{Example, Step, steps};
use common::{Sample, diagnostic, hex, samples, signed, spec, spec_path, unhex};
use judge::Judge;
use quipu_protocol::sign::Signed;
use quipu_protocol::token::{self, Purpose, Statement};
use quipu_protocol::{FrameDecoder, InviteLink, cbor, table, varint};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// One message, as it stands in `frames.json` or, without a frame around it, in `items.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Vector {
    name: String,
    rule: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    frame_type: Option<String>,
    hex: String,
    diagnostic: String,
    value: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Varint {
    value: u64,
    hex: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Link {
    link: String,
    host: String,
    port: u16,
    pin: String,
    secret: String,
    expires_s: u32,
}

fn vector(sample: &Sample) -> Vector {
    Vector {
        name: sample.name.to_owned(),
        rule: sample.rule.clone(),
        frame_type: sample.ty.map(|ty| format!("{:#04x}", ty.0)),
        hex: hex(&sample.bytes()),
        diagnostic: diagnostic::of(&sample.payload),
        value: sample.value.clone(),
    }
}

/// Compares with the committed file, or writes it when asked to.
fn golden<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(file: &str, now: &[T]) {
    let path = format!("vectors/{file}");
    if std::env::var_os("QUIPU_VECTORS").is_some_and(|value| value == "write") {
        let mut text = serde_json::to_string_pretty(now).unwrap();
        text.push('\n');
        std::fs::write(spec_path(&path), text).unwrap();
    }
    let committed: Vec<T> = serde_json::from_str(&spec(&path)).unwrap();
    assert_eq!(committed.len(), now.len(), "{file} has more or fewer vectors than the code");
    for (committed, now) in committed.iter().zip(now) {
        assert_eq!(committed, now, "{file}");
    }
}

#[test]
fn values_give_the_committed_bytes() {
    let of = |framed: bool| -> Vec<Vector> {
        let samples = samples();
        let chosen = samples.iter().filter(|sample| sample.ty.is_some() == framed);
        chosen.map(vector).collect()
    };
    golden("frames.json", &of(true));
    golden("items.json", &of(false));
}

#[test]
fn committed_bytes_give_the_values() {
    let mut by_name: BTreeMap<&str, Sample> =
        samples().into_iter().map(|sample| (sample.name, sample)).collect();
    for file in ["vectors/frames.json", "vectors/items.json"] {
        for vector in serde_json::from_str::<Vec<Vector>>(&spec(file)).unwrap() {
            let sample = by_name.remove(vector.name.as_str()).unwrap();
            let bytes = unhex(&vector.hex);
            let payload = match sample.ty {
                None => bytes,
                Some(ty) => {
                    let mut decoder = FrameDecoder::default();
                    decoder.feed(&bytes);
                    let frame = decoder.next_frame().unwrap().unwrap();
                    assert_eq!((frame.ty, decoder.finish()), (ty, Ok(())), "{}", vector.name);
                    frame.payload.to_vec()
                }
            };
            assert!((sample.is_value_of)(&payload), "{}", vector.name);
            assert_eq!((sample.again)(&payload), Ok(payload), "{}", vector.name);
        }
    }
    assert!(by_name.is_empty(), "not in the files: {:?}", by_name.keys());
}

#[test]
fn every_message_has_a_rule_and_a_vector() {
    let in_code: BTreeSet<(u64, String)> =
        table::messages().map(|(ty, name)| (ty.0, name.to_owned())).collect();
    let in_cddl = cddl::frames().into_iter().map(|frame| (frame.ty.0, frame.message)).collect();
    assert_eq!(in_code, in_cddl);

    let seen: BTreeSet<u64> = samples().iter().filter_map(|sample| Some(sample.ty?.0)).collect();
    let all: BTreeSet<u64> = in_code.into_iter().map(|(number, _)| number).collect();
    assert_eq!(seen, all);
}

#[test]
fn keys_ascend_and_the_profile_is_kept() {
    for sample in samples() {
        assert_eq!(cbor::check(&sample.payload), Ok(()), "{}", sample.name);
        keys_ascend(&ciborium::from_reader(&sample.payload[..]).unwrap(), sample.name);
    }
}

fn keys_ascend(value: &Value, name: &str) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| keys_ascend(item, name)),
        Value::Map(pairs) => {
            let keys: Vec<Vec<u8>> = pairs.iter().map(|(key, _)| cbor::encode(key)).collect();
            assert!(keys.is_sorted(), "{name}: {pairs:?}");
            pairs.iter().for_each(|(_, value)| keys_ascend(value, name));
        }
        _ => {}
    }
}

#[test]
fn every_payload_is_what_the_cddl_says() {
    let mut judge = Judge::new(cddl::TEXT);
    for sample in samples() {
        let verdict = judge.validate(&sample.rule, &sample.payload);
        assert_eq!(verdict, Ok(()), "{} is not {}", sample.name, sample.rule);
    }
    for step in steps(&Example::new()) {
        if let Some(rule) = &step.rule {
            assert_eq!(judge.validate(rule, &unhex(&step.hex)), Ok(()), "{} is not {rule}", step.name);
        }
    }
}

/// The signed example: the committed steps, and that the steps prove what they say.
#[test]
fn the_signed_example_holds() {
    let example = Example::new();
    golden::<Step>("signed.json", &steps(&example));

    let token = Signed::parse(&example.token).unwrap();
    assert_eq!(token.key_id(), signed::KEY_ID);
    assert_eq!(token::verify(&token, &example.server), Ok(example.claims.clone()));
    assert!(token::verify(&token, &example.device).is_err());

    for (purpose, proof) in [
        (Purpose::Auth, &example.auth),
        (Purpose::Redeem, &example.redeem),
        (Purpose::Refresh, &example.refresh),
    ] {
        let statement = Statement::new(purpose, proof.subject, signed::PIN);
        let check = |exporter: &[u8; 32]| statement.check(&proof.proof, &example.device, exporter);
        assert_eq!(check(&signed::EXPORTER), Ok(()));
        assert!(check(&[0; 32]).is_err(), "a proof for another connection");
        let elsewhere = Statement::new(purpose, proof.subject, [0; 32]);
        let elsewhere = elsewhere.check(&proof.proof, &example.device, &signed::EXPORTER);
        assert!(elsewhere.is_err(), "a proof for another server");
    }
    let p256 =
        signed::p256_statement().check(&signed::p256_proof(), &signed::p256_device(), &signed::EXPORTER);
    assert_eq!(p256, Ok(()));
}

#[test]
fn varints_are_the_committed_ones() {
    // The first four are RFC 9000's own examples (appendix A.1).
    let values = [
        151_288_809_941_952_652,
        494_878_333,
        15_293,
        37,
        0,
        63,
        64,
        16_383,
        16_384,
        (1 << 30) - 1,
        1 << 30,
        varint::MAX,
    ];
    let now = values.map(|value| {
        let mut bytes = Vec::new();
        varint::put(&mut bytes, value);
        assert_eq!(varint::take(&bytes), Ok(Some((value, bytes.len()))));
        Varint { value, hex: hex(&bytes) }
    });
    assert_eq!(now[0].hex, "c2197c5eff14e88c");
    assert_eq!([&now[1].hex, &now[2].hex, &now[3].hex], ["9d7f3e7d", "7bbd", "25"]);
    golden("varints.json", &now);
}

#[test]
fn links_are_the_committed_ones() {
    let now: Vec<Link> = [("chat.example.org", 4433), ("192.0.2.7", 4434), ("2001:db8::1", 443)]
        .into_iter()
        .map(|(host, port)| {
            let link = InviteLink {
                host: host.to_owned(),
                port,
                pin: signed::PIN,
                secret: signed::SECRET,
                expires_s: 1_800_000_000,
            };
            let text = link.to_string();
            assert_eq!(text.parse(), Ok(link.clone()));
            Link {
                link: text,
                host: link.host,
                port,
                pin: hex(&link.pin),
                secret: hex(&link.secret),
                expires_s: link.expires_s,
            }
        })
        .collect();
    golden("links.json", &now);
}
