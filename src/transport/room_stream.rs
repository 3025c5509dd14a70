//! ROOM: one room's log to one reader, as its cursor moves.
//!
//! The reader's pace is the stream's: while a write waits for credit the cursor stands still and the next batch
//! grows. Whoever stands still for too long loses the stream, and asks again with the cursor they have.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use quipu_protocol::room::{CaughtUp, End, EndReason, Gap, Opened, Snapshot};
use quipu_protocol::{Message, ResetCode, UniType};
use tracing::{debug, error};

use super::frames::{FrameWriter, StreamError};
use super::session::Session;
use crate::room::{Next, OpenedRoom};

/// Below control and acknowledgements, above nothing yet.
const PRIORITY: i32 = 60;

/// Serves one ROOM stream to its end, and gives its place back.
pub(super) async fn serve(session: Arc<Session>, opened: OpenedRoom, writer: FrameWriter) {
    let room = opened.subscription.room();
    if let Err(error) = pump(&session, opened, writer).await {
        debug!(%error, "room stream ended");
    }
    session.close_room(room);
}

async fn pump(session: &Session, opened: OpenedRoom, mut writer: FrameWriter) -> Result<(), StreamError> {
    writer.priority(PRIORITY);
    let OpenedRoom { mut subscription, opened, snapshot } = opened;
    let mut typists = subscription.typists();
    writer.stream_type(UniType::Room.number()).await?;
    write(&mut writer, greeting(opened, snapshot)).await?;
    // Made once and not for every entry: making each takes a lock, one of them the connection's.
    let mut ended = pin!(session.ended.cancelled());
    let mut stopped = pin!(writer.stopped());
    let mut stopping = pin!(session.shared.stopping.cancelled());
    loop {
        // Kept until it is ready, whoever types meanwhile: a read of the store that is given up is done all the same.
        let mut next = pin!(subscription.next());
        let next = loop {
            let typing = tokio::select! {
                biased;
                () = &mut ended => return Ok(()),
                // The reader wants no more: that is how a subscription ends.
                () = &mut stopped => return Ok(()),
                () = &mut stopping => break Ok(Next::End(EndReason::SHUTDOWN)),
                next = &mut next => break next,
                typing = typists.next() => typing,
            };
            if typing.user != Some(session.who.user()) {
                // Dropped rather than delayed: a late one would be wrong.
                let _ = session.connection.send_datagram(typing.to_frame());
            }
        };
        match next {
            Ok(Next::Entries(frames)) => write(&mut writer, frames).await?,
            Ok(Next::Gap(from, to, reason)) => {
                write(&mut writer, vec![Gap { from, to, reason }.to_frame()]).await?
            }
            Ok(Next::CaughtUp(seq)) => write(&mut writer, vec![CaughtUp { seq }.to_frame()]).await?,
            Ok(Next::End(reason)) => {
                write(&mut writer, vec![End { reason }.to_frame()]).await?;
                writer.finish();
                return Ok(());
            }
            Err(failure) => {
                error!(error = %failure, "a room cannot be read");
                writer.reset(ResetCode::Internal);
                return Ok(());
            }
        }
    }
}

fn greeting(opened: Opened, snapshot: Option<quipu_protocol::request::RoomInfo>) -> Vec<Bytes> {
    let as_of = opened.head;
    let snapshot = snapshot.map(|info| Snapshot { as_of, info }.to_frame());
    std::iter::once(opened.to_frame()).chain(snapshot).collect()
}

async fn write(writer: &mut FrameWriter, mut frames: Vec<Bytes>) -> Result<(), StreamError> {
    writer.send_frames(&mut frames).await
}
