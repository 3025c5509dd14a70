//! How long does it take to write and to read the frames that matter, and how far is that from copying their bytes?
//!
//! Prints for each message its size as a frame, and nanoseconds per frame for: encoding, decoding, the two halves of
//! decoding (our check of the CBOR profile, and ciborium), and one `memcpy` of as many bytes. Each figure is the middle
//! of eleven rounds; everything stays in the nearest cache, so real life is a little slower.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, Result};
use quipu_protocol::inbox::{Head, HeadExt, Heads};
use quipu_protocol::limits::{BODY_BYTES_MAX, HEADS_MAX};
use quipu_protocol::publish::Ack;
use quipu_protocol::{
    Blob, Cursor, DeviceId, Draft, Entry, Ext, FrameDecoder, Incarnation, Kind, List, Message, MessageId,
    RoomId, Seq, UserId, cbor,
};
use tokio::time::Instant;

const ROUNDS: usize = 11;
const ROUND: Duration = Duration::from_millis(20);

fn main() -> Result<()> {
    // A test runner that only looks what there is shall not wait for a measurement.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    println!(
        "{:>16} {:>6} | {:>9} {:>6} | {:>9} {:>6} | {:>8} {:>8} | {:>9}",
        "", "bytes", "encode ns", "MB/s", "decode ns", "MB/s", "check", "ciborium", "memcpy ns"
    );
    measure("Draft, 100 B", &draft(100)?)?;
    measure("Entry, 100 B", &entry(100)?)?;
    measure("Entry, 16 KiB", &entry(BODY_BYTES_MAX)?)?;
    measure("Ack", &ack())?;
    measure("Heads, 1 room", &heads(1))?;
    measure("Heads, 64 rooms", &heads(HEADS_MAX))
}

fn measure<T: Message>(name: &str, message: &T) -> Result<()> {
    let bytes = message.to_frame();
    let mut decoder = FrameDecoder::default();
    decoder.feed(&bytes);
    let frame = decoder.next_frame()?.context("a whole frame")?;
    let payload = &frame.payload;
    let mut copy = vec![0; bytes.len()];

    let encode = nanos(|| drop(black_box(black_box(message).to_frame())));
    let decode = nanos(|| drop(black_box(black_box(&frame).decode::<T>())));
    let check = nanos(|| drop(black_box(cbor::check(black_box(payload)))));
    let ciborium = nanos(|| drop(black_box(ciborium::from_reader::<T, _>(black_box(&payload[..])))));
    let memcpy = nanos(|| black_box(&mut copy).copy_from_slice(black_box(&bytes)));

    let megabytes = |nanos: f64| bytes.len() as f64 * 1e3 / nanos;
    println!(
        "{name:>16} {:>6} | {encode:>9.0} {:>6.0} | {decode:>9.0} {:>6.0} | {check:>8.0} {ciborium:>8.0} | {memcpy:>9.1}",
        bytes.len(),
        megabytes(encode),
        megabytes(decode)
    );
    Ok(())
}

/// Nanoseconds one call takes, in the middle round.
fn nanos(mut call: impl FnMut()) -> f64 {
    let mut round = |calls: u32| {
        let begin = Instant::now();
        (0..calls).for_each(|_| call());
        begin.elapsed()
    };
    let mut calls = 1;
    while round(calls) < ROUND / 4 {
        calls *= 2;
    }
    let calls = calls * 4;
    let mut rounds: Vec<Duration> = (0..ROUNDS).map(|_| round(calls)).collect();
    rounds.sort_unstable();
    rounds[ROUNDS / 2].as_secs_f64() * 1e9 / f64::from(calls)
}

fn draft(body_bytes: usize) -> Result<Draft> {
    Ok(Draft {
        room: RoomId::from_bytes([1; 16]),
        message: MessageId::from_bytes([2; 16]),
        kind: Kind::TEXT,
        body: body(body_bytes)?,
        ext: Ext::default(),
    })
}

fn entry(body_bytes: usize) -> Result<Entry> {
    Ok(Entry {
        seq: Seq(100_000),
        at_ms: 1_800_000_000_000,
        user: Some(UserId::from_bytes([1; 16])),
        device: Some(DeviceId::from_bytes([2; 16])),
        message: Some(MessageId::from_bytes([3; 16])),
        kind: Kind::TEXT,
        body: body(body_bytes)?,
        ext: Ext::default(),
    })
}

fn body(bytes: usize) -> Result<Blob<BODY_BYTES_MAX>> {
    Blob::new(vec![b'x'; bytes]).ok().context("a body within its bound")
}

fn ack() -> Ack {
    Ack { message: MessageId::from_bytes([3; 16]), at: at(), at_ms: 1_800_000_000_000, duplicate: false }
}

fn heads(rooms: usize) -> Heads {
    let head = |number| Head {
        room: RoomId::from_bytes([number as u8; 16]),
        head: at(),
        marker: Seq(99_000),
        unread: 1_000,
        ext: HeadExt::default(),
    };
    Heads { rooms: List::first((0..rooms).map(head).collect()) }
}

fn at() -> Cursor {
    Cursor { incarnation: Incarnation(1), seq: Seq(100_000) }
}
