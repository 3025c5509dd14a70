//! PUBLISH: drafts in, answers out, in the same order.
//!
//! ```text
//!   frame ─▶ rate: wait = do not read ─▶ place in the log's queue ─▶ [pending …] ─▶ answers, together
//! ```
//!
//! Reading and answering go on at once, so a client that does not read its answers can still be refused, and one
//! that pipelines is answered by the batch. At most [`PUBLISHES_IN_FLIGHT_MAX`] drafts are between the two.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use quipu_protocol::limits::PUBLISHES_IN_FLIGHT_MAX;
use quipu_protocol::publish::{Ack, Refused};
use quipu_protocol::{Draft, Message, MessageId, Refusal, ResetCode};
use tokio::sync::mpsc;

use super::frames::{FrameReader, FrameWriter, StreamError};
use super::pace;
use super::session::Session;
use crate::store::{Lane, Pending, WriteError};

/// Acknowledgements go before rooms: an author waits for them.
const PRIORITY: i32 = 80;
/// Answers written together.
const ANSWERS_MAX: usize = 64;

/// A draft that has its place, or was refused before it got one.
struct Waiting {
    message: MessageId,
    outcome: Result<Pending<Ack>, Refusal>,
}

/// Serves one PUBLISH stream to its end.
pub(super) async fn serve(session: &Arc<Session>, mut reader: FrameReader, mut writer: FrameWriter) {
    writer.priority(PRIORITY);
    let (sender, receiver) = mpsc::channel(PUBLISHES_IN_FLIGHT_MAX);
    // What was taken is answered even when what follows is broken.
    let (read, written) = tokio::join!(read(session, &mut reader, sender), answer(&mut writer, receiver));
    match read.and(written) {
        Ok(()) => {
            writer.finish();
            if session.shared.stopping.is_cancelled() {
                reader.stop(ResetCode::Shutdown);
            }
        }
        Err(error) => {
            let reason = error.fault().unwrap_or(ResetCode::Cancelled);
            reader.stop(reason);
            writer.reset(reason);
            session.fault(&error);
        }
    }
}

async fn read(
    session: &Session,
    reader: &mut FrameReader,
    waiting: mpsc::Sender<Waiting>,
) -> Result<(), StreamError> {
    let lane = Lane::default();
    loop {
        // The place for the answer comes first: without one we do not read.
        let Ok(place) = waiting.reserve().await else {
            return Ok(());
        };
        let frame = tokio::select! {
            biased;
            () = session.shared.stopping.cancelled() => return Ok(()),
            // Nobody hears the answers any more.
            () = waiting.closed() => return Ok(()),
            frame = reader.next() => frame?,
        };
        let Some(frame) = frame else { return Ok(()) };
        if !frame.is::<Draft>() {
            if frame.ty.is_critical() {
                return Err(frame.unexpected().into());
            }
            continue;
        }
        let draft: Draft = frame.decode()?;
        // Not reading is how we ask a fast author to slow down.
        let turn = match lane.waits(draft.room, draft.message) {
            None => pace::draft_turn(session, draft.room).await,
            // It stands behind one that came too early: the room has no turn for it.
            Some(later) => {
                pace::own_turn(session).await;
                Err(later)
            }
        };
        // What a closed connection had sent before is still to be read, a revoked device's too.
        if session.is_over() {
            return Ok(());
        }
        let message = draft.message;
        let rooms = &session.shared.rooms;
        let outcome = match turn {
            Ok(()) => rooms.publish(&session.who, draft, &lane).await,
            // It has its place among the others, so that nothing for that room overtakes it.
            Err(later) => rooms.postpone(&session.who, draft, &lane, later).await,
        };
        place.send(Waiting { message, outcome });
    }
}

async fn answer(writer: &mut FrameWriter, mut waiting: mpsc::Receiver<Waiting>) -> Result<(), StreamError> {
    let mut queue = VecDeque::new();
    loop {
        let first = match queue.pop_front() {
            Some(first) => first,
            None => match waiting.recv().await {
                Some(first) => first,
                None => return Ok(()),
            },
        };
        let mut frames = vec![settle(first).await];
        while frames.len() < ANSWERS_MAX {
            let Some(next) = queue.pop_front().or_else(|| waiting.try_recv().ok()) else {
                break;
            };
            match settle_now(next) {
                Ok(frame) => frames.push(frame),
                Err(unsettled) => {
                    queue.push_front(unsettled);
                    break;
                }
            }
        }
        writer.send_frames(&mut frames).await?;
    }
}

async fn settle(waiting: Waiting) -> Bytes {
    let outcome = match waiting.outcome {
        Ok(pending) => pending.await.map_err(WriteError::refusal),
        Err(refusal) => Err(refusal),
    };
    frame(waiting.message, outcome)
}

/// The answer, if it is there already.
fn settle_now(mut waiting: Waiting) -> Result<Bytes, Waiting> {
    let outcome = match &mut waiting.outcome {
        Ok(pending) => match pending.now_or_never() {
            Some(outcome) => outcome.map_err(WriteError::refusal),
            None => return Err(waiting),
        },
        Err(refusal) => Err(refusal.clone()),
    };
    Ok(frame(waiting.message, outcome))
}

fn frame(message: MessageId, outcome: Result<Ack, Refusal>) -> Bytes {
    match outcome {
        Ok(ack) => ack.to_frame(),
        Err(refusal) => Refused { message, refusal }.to_frame(),
    }
}
