//! INBOX: what happens where this connection has no ROOM stream, summed up.
//!
//! News are taken when the stream is ready for them, at most every [`INBOX_INTERVAL`], and looked up then: a
//! slow or quiet reader costs no queue, and is told the newest state instead of every state. What may wait is told
//! last, and not at all while the reader is behind or the server has much to do: see `soft_news`.

use std::sync::Arc;

use bytes::Bytes;
use quipu_protocol::inbox::{Heads, InboxReady, Membership, SettingsChanged};
use quipu_protocol::limits::HEADS_MAX;
use quipu_protocol::request::MembershipState;
use quipu_protocol::{CloseCode, List, Message, RoomId, UniType};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, error};

use super::frames::{FrameWriter, StreamError};
use super::session::Session;
use super::sessions::close;
use super::soft_news;
use crate::limits::{CONNECTION_STALL_MAX, HELD_BACK, INBOX_BEHIND, INBOX_INTERVAL, OPEN_TIMEOUT};
use crate::room::{News, Soft};
use crate::store::StoreError;

/// Beside the rooms that are not looked at.
const PRIORITY: i32 = 40;

/// Serves the INBOX until the connection ends.
pub(super) async fn serve(session: Arc<Session>) {
    let stream = match timeout(OPEN_TIMEOUT, session.connection.open_uni()).await {
        Ok(Ok(stream)) => stream,
        // The connection is gone.
        Ok(Err(_)) => return,
        Err(_) => {
            debug!("the client grants no stream for the inbox");
            return close(&session.connection, CloseCode::Protocol);
        }
    };
    match pump(&session, FrameWriter::new(stream).patient(CONNECTION_STALL_MAX)).await {
        Ok(()) => {}
        Err(Ended::Stream(StreamError::Stalled)) => close(&session.connection, CloseCode::SlowConsumer),
        Err(Ended::Stream(error)) => debug!(%error, "inbox ended"),
        Err(Ended::Store(error)) => {
            error!(%error, "the inbox cannot be read");
            close(&session.connection, CloseCode::Internal);
        }
    }
}

/// Why the pump ended.
enum Ended {
    Stream(StreamError),
    Store(StoreError),
}

impl From<StreamError> for Ended {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

async fn pump(session: &Session, mut writer: FrameWriter) -> Result<(), Ended> {
    writer.priority(PRIORITY);
    writer.stream_type(UniType::Inbox.number()).await?;
    let rooms = &session.shared.rooms;
    loop {
        // Asked again when a membership changed meanwhile: a room that was just left is not followed.
        let as_of = session.inbox.memberships();
        let mut heads = rooms.heads(session.who.user(), None).await?;
        heads.retain(|head| session.who.may_know(head.room));
        if rooms.live().follow(&session.inbox, heads.iter().map(|head| head.room), as_of) {
            break;
        }
    }
    let (mut owed, mut behind) = (Soft::default(), false);
    loop {
        let mut news = tokio::select! {
            biased;
            () = session.ended.cancelled() => return Ok(()),
            () = session.shared.stopping.cancelled() => {
                writer.finish();
                return Ok(());
            }
            news = session.inbox.take() => news,
            () = sleep(HELD_BACK), if !owed.is_empty() => News::default(),
        };
        if news.overrun {
            return Err(StreamError::Stalled.into());
        }
        owed.absorb(std::mem::take(&mut news.soft));
        let mut frames = compose(session, news).await?;
        if behind || rooms.load().is_high() {
            soft_news::hold_back(session, &mut owed);
        } else {
            frames.extend(soft_news::compose(session, std::mem::take(&mut owed)).await?);
        }
        let began = Instant::now();
        if !frames.is_empty() {
            writer.send_frames(&mut frames).await?;
        }
        behind = began.elapsed() > INBOX_BEHIND;
        // What changes meanwhile is summed up.
        tokio::select! {
            biased;
            () = sleep(INBOX_INTERVAL) => {}
            () = session.ended.cancelled() => return Ok(()),
            () = session.shared.stopping.cancelled() => {}
        }
    }
}

async fn compose(session: &Session, news: News) -> Result<Vec<Bytes>, StoreError> {
    let (rooms, user) = (&session.shared.rooms, session.who.user());
    let mut frames = Vec::new();
    let wanted = (!news.all).then(|| news.heads.iter().copied().collect::<Vec<_>>());
    let mut heads = match &wanted {
        Some(wanted) if wanted.is_empty() => Vec::new(),
        _ => rooms.heads(user, wanted).await?,
    };
    // A bot that is held to some rooms hears of no others.
    let known = |room: &RoomId| session.who.may_know(*room);
    heads.retain(|head| known(&head.room));
    let joined = heads.len() as u64;
    frames.extend(heads.chunks(HEADS_MAX).map(|rows| Heads { rooms: List::first(rows.to_vec()) }.to_frame()));
    if news.all {
        let invitations = rooms.invitations(user).await?;
        let invitations = invitations.into_iter().filter(|info| known(&info.room));
        frames.extend(invitations.map(|info| Membership { info }.to_frame()));
    }
    for room in news.memberships.into_iter().filter(|room| known(room)) {
        let info = rooms.membership(user, room).await?;
        let joined = info.membership == MembershipState::JOINED;
        frames.push(Membership { info }.to_frame());
        if joined {
            let rows = rooms.heads(user, Some(vec![room])).await?;
            frames.push(Heads { rooms: List::first(rows) }.to_frame());
        }
    }
    if news.settings {
        let settings = rooms.settings(user).await?.settings;
        frames.push(SettingsChanged { settings }.to_frame());
    }
    if news.all {
        frames.push(InboxReady { rooms: joined }.to_frame());
    }
    Ok(frames)
}
