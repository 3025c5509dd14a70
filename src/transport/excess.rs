//! Connections that make work which leads to nothing: what they send has no content, so nothing else counts it.
//!
//! quinn answers a PING or a reset by itself and counts it. We compare the counts now and then, for all connections in one
//! walk: none has a timer of its own, and an idle one is not woken.

use std::collections::HashMap;
use std::sync::Arc;

use quinn::FrameStats;
use quipu_protocol::CloseCode;
use tokio::time::sleep;
use tracing::debug;

use super::Shared;
use super::sessions::{Sessions, close};
use crate::limits::{EXCESS_FRAMES_MAX, EXCESS_INTERVAL};

/// Looks until the server is to stop.
pub(super) async fn watch(shared: Arc<Shared>) {
    let mut seen = HashMap::new();
    loop {
        tokio::select! {
            biased;
            () = shared.stopping.cancelled() => return,
            () = sleep(EXCESS_INTERVAL) => {}
        }
        seen = look(&shared.sessions, &seen);
    }
}

/// Closes those that sent too much since they were last `seen`; gives what all have sent by now.
fn look(sessions: &Sessions, seen: &HashMap<u64, u64>) -> HashMap<u64, u64> {
    let look = |(number, connection): (u64, quinn::Connection)| {
        let frames = without_content(&connection.stats().frame_rx);
        if frames - seen.get(&number).unwrap_or(&0) > EXCESS_FRAMES_MAX {
            debug!(from = %connection.remote_address(), "too much that leads to nothing");
            close(&connection, CloseCode::ExcessiveLoad);
        }
        (number, frames)
    };
    sessions.all().into_iter().map(look).collect()
}

/// Whoever receives much acknowledges much, so ACK is not among them.
fn without_content(frames: &FrameStats) -> u64 {
    [
        frames.ping,
        frames.datagram,
        frames.reset_stream,
        frames.stop_sending,
        frames.path_challenge,
        frames.path_response,
        frames.new_connection_id,
        frames.retire_connection_id,
        frames.max_data,
        frames.max_stream_data,
        frames.max_streams_bidi,
        frames.max_streams_uni,
        frames.data_blocked,
        frames.stream_data_blocked,
        frames.streams_blocked_bidi,
        frames.streams_blocked_uni,
        frames.crypto,
        frames.new_token,
        frames.ack_frequency,
        frames.immediate_ack,
    ]
    .iter()
    .sum()
}
