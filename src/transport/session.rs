//! One authenticated connection: its streams, and everything it may do at once.
//!
//! All tasks of a session belong to its tracker and end when the connection does, because every stream of a
//! closed connection fails. A task that panics closes its own connection and nothing else.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use quinn::{Connection, ReadError, RecvStream, SendStream, WriteError};
use quipu_protocol::limits::{PUBLISH_STREAMS_MAX, ROOMS_OPEN_MAX};
use quipu_protocol::{BidiType, CloseCode, ResetCode, RoomId};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, info};

use super::control::{self, Attended, Greeted};
use super::frames::{FrameReader, FrameWriter, StreamError};
use super::sessions::{PanicGuard, close};
use super::{Shared, datagrams, download, inbox_stream, publish, request, transfer, upload};
use crate::auth::{Authenticated, Standing};
use crate::limits::{
    DOWNLOADS_FLOWING_MAX, DOWNLOADS_MAX, HISTORIES_MAX, PRESENCE_CHANGES_PER_MINUTE, REQUEST_TIMEOUT,
    REQUESTS_BURST, REQUESTS_MAX, REQUESTS_PER_SECOND, STREAM_FAULTS_PER_MINUTE, UPLOADS_MAX,
};
use crate::rate::TokenBucket;
use crate::room::Inbox;

/// What the streams of one connection share.
pub(super) struct Session {
    pub(super) connection: Connection,
    pub(super) shared: Arc<Shared>,
    pub(super) who: Authenticated,
    pub(super) inbox: Arc<Inbox>,
    /// Cancelled when the connection is gone.
    pub(super) ended: CancellationToken,
    /// How often it says how it is there.
    pub(super) presence_rate: Mutex<TokenBucket>,
    tasks: TaskTracker,
    /// Rooms that have a place among the open ones; `true` once there is a stream, so that the right to read is known.
    open_rooms: Mutex<HashMap<RoomId, bool>>,
    next_subscription: AtomicU64,
    publish_streams: Semaphore,
    requests: Semaphore,
    /// Pages under way: the largest answers, held until the client takes them.
    pub(super) histories: Semaphore,
    uploads: Semaphore,
    downloads: Semaphore,
    /// Downloads whose content is on its way.
    pub(super) flowing: Semaphore,
    /// Searches under way: one.
    pub(super) searches: Semaphore,
    /// How fast files travel, in both directions together.
    pub(super) file_pace: transfer::Pace,
    faults: Mutex<TokenBucket>,
}

/// Serves a connection from its authentication to its end.
pub(super) async fn run(connection: Connection, shared: Arc<Shared>, greeted: Greeted) {
    let Greeted { who, control, expires_ms } = greeted;
    let device = who.device();
    let session = Session::new(connection.clone(), Arc::clone(&shared), who);
    let Some(here) = Here::new(&session) else {
        return close(&connection, CloseCode::Limit);
    };
    info!(user = %session.who.user(), %device, "session");
    // Looked at once more, now that a change would find us: it may have come between proof and registration.
    match shared.auth.standing(&session.who).await {
        Standing::Same => {}
        Standing::Changed => shared.sessions.begin_anew(device),
        Standing::Out => shared.sessions.revoke(device),
    }
    shared.rooms.live().register(&session.inbox);
    session.spawn({
        let session = Arc::clone(&session);
        async move {
            let attended =
                control::attend(control, device, expires_ms, &session.connection, &session.shared).await;
            session.after_control(attended);
        }
    });
    session.spawn({
        let session = Arc::clone(&session);
        async move { session.shared.rooms.seen(session.who.user()).await }
    });
    session.spawn(inbox_stream::serve(Arc::clone(&session)));
    session.spawn(datagrams::serve(Arc::clone(&session)));
    session.accept_streams().await;
    let reason = connection.closed().await;
    debug!(%reason, "closed");
    drop(here);
    shared.rooms.seen(session.who.user()).await;
    session.tasks.close();
    session.tasks.wait().await;
}

impl Session {
    fn new(connection: Connection, shared: Arc<Shared>, who: Authenticated) -> Arc<Self> {
        Arc::new(Self {
            inbox: Arc::new(Inbox::new(who.user())),
            presence_rate: Mutex::new(TokenBucket::per_minute(PRESENCE_CHANGES_PER_MINUTE)),
            connection,
            who,
            ended: CancellationToken::new(),
            tasks: TaskTracker::new(),
            open_rooms: Mutex::default(),
            next_subscription: AtomicU64::new(0),
            publish_streams: Semaphore::new(PUBLISH_STREAMS_MAX),
            requests: Semaphore::new(REQUESTS_MAX),
            histories: Semaphore::new(HISTORIES_MAX),
            uploads: Semaphore::new(UPLOADS_MAX),
            downloads: Semaphore::new(DOWNLOADS_MAX),
            flowing: Semaphore::new(DOWNLOADS_FLOWING_MAX),
            file_pace: transfer::Pace::new(),
            searches: Semaphore::new(1),
            faults: Mutex::new(TokenBucket::per_minute(STREAM_FAULTS_PER_MINUTE)),
            shared,
        })
    }

    /// Starts a task of this session.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let guard = PanicGuard::new(&self.connection);
        self.tasks.spawn(
            async move {
                let _guard = guard;
                task.await;
            }
            .in_current_span(),
        );
    }

    /// Claims a place for a ROOM stream; `Err` says whether it is open already (`true`) or there are too many.
    pub(super) fn open_room(&self, room: RoomId) -> Result<u64, bool> {
        let mut open = self.open_rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if open.contains_key(&room) || open.len() >= ROOMS_OPEN_MAX {
            return Err(open.contains_key(&room));
        }
        open.insert(room, false);
        self.inbox.opened(room);
        Ok(self.next_subscription.fetch_add(1, Ordering::Relaxed))
    }

    /// Notes that the place has its stream.
    pub(super) fn room_opened(&self, room: RoomId) {
        let mut open = self.open_rooms.lock().unwrap_or_else(PoisonError::into_inner);
        open.entry(room).and_modify(|streaming| *streaming = true);
    }

    /// Gives the place back.
    pub(super) fn close_room(&self, room: RoomId) {
        self.open_rooms.lock().unwrap_or_else(PoisonError::into_inner).remove(&room);
        self.inbox.closed(room);
    }

    /// Whether a room has a ROOM stream on this connection.
    pub(super) fn has_open(&self, room: RoomId) -> bool {
        self.open_rooms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&room)
            .is_some_and(|streaming| *streaming)
    }

    /// Whether the connection is closed. Its streams still give what had arrived before, and that is not to be served.
    pub(super) fn is_over(&self) -> bool {
        self.connection.close_reason().is_some()
    }

    /// Notes that the peer broke a stream; too many of them end the connection.
    pub(super) fn fault(&self, error: &StreamError) {
        debug!(%error, "stream ended");
        let patient = |faults: &Mutex<TokenBucket>| {
            faults.lock().unwrap_or_else(PoisonError::into_inner).try_take(Instant::now())
        };
        if error.fault().is_some() && !patient(&self.faults) {
            close(&self.connection, CloseCode::Protocol);
        }
    }

    async fn accept_streams(self: &Arc<Self>) {
        // A stream opened and reset costs us work too, so it is streams that are counted, not answers.
        let mut rate = TokenBucket::new(REQUESTS_PER_SECOND, REQUESTS_BURST);
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.shared.stopping.cancelled() => return,
                accepted = self.connection.accept_bi() => accepted,
            };
            let Ok((send, recv)) = accepted else { return };
            if let Some(ready_at) = rate.take(Instant::now()) {
                tokio::select! {
                    biased;
                    () = sleep_until(ready_at) => {}
                    _ = self.connection.closed() => return,
                }
            }
            if self.is_over() {
                return;
            }
            let session = Arc::clone(self);
            self.spawn(async move { session.serve_stream(send, recv).await });
        }
    }

    async fn serve_stream(self: Arc<Self>, send: SendStream, recv: RecvStream) {
        let (mut reader, mut writer) = (FrameReader::new(recv), FrameWriter::new(send));
        let ty = match timeout(REQUEST_TIMEOUT, reader.stream_type()).await {
            Ok(Ok(Some(ty))) => BidiType::from_number(ty),
            Ok(Ok(None)) => return,
            Ok(Err(error)) => {
                let reason = error.fault().unwrap_or(ResetCode::Cancelled);
                reader.stop(reason);
                writer.reset(reason);
                return self.fault(&error);
            }
            Err(_) => return self.fault(&StreamError::Stalled),
        };
        let refused = match ty {
            Some(BidiType::Publish) => match self.publish_streams.try_acquire() {
                Ok(_permit) => return publish::serve(&self, reader, writer).await,
                Err(_) => ResetCode::Limit,
            },
            Some(BidiType::Request) => match self.requests.acquire().await {
                Ok(_permit) => return request::serve(&self, reader, writer).await,
                Err(_) => ResetCode::Shutdown,
            },
            // There is one control stream, and it was the first.
            Some(BidiType::Control) => return close(&self.connection, CloseCode::Protocol),
            Some(BidiType::Upload) => match self.uploads.try_acquire() {
                Ok(_permit) => return upload::serve(&self, reader, writer).await,
                Err(_) => return transfer::busy(&self, reader, writer).await,
            },
            Some(BidiType::Download) => match self.downloads.try_acquire() {
                Ok(_permit) => return download::serve(&self, reader, writer).await,
                Err(_) => return transfer::busy(&self, reader, writer).await,
            },
            None => ResetCode::UnknownStream,
        };
        reader.stop(refused);
        writer.reset(refused);
    }

    /// The end of CONTROL is the session's, unless the server stops and says goodbye itself.
    fn after_control(&self, attended: Result<Attended, StreamError>) {
        match attended {
            Ok(Attended::Expired) => close(&self.connection, CloseCode::AuthFailed),
            Ok(Attended::Refused(reason)) => close(&self.connection, reason),
            Ok(Attended::Stopping) => {}
            // Control lives as long as the connection.
            Ok(Attended::Over) => close(&self.connection, CloseCode::Protocol),
            Err(StreamError::Stalled) => close(&self.connection, CloseCode::SlowConsumer),
            // The connection is gone, and has its own reason.
            Err(
                StreamError::Read(ReadError::ConnectionLost(_))
                | StreamError::Write(WriteError::ConnectionLost(_)),
            ) => {}
            Err(error) => {
                debug!(%error, "control failed");
                close(&self.connection, CloseCode::Protocol);
            }
        }
    }
}

/// A session in the lists of those who are here. It leaves them whatever ends it, a panic too.
struct Here {
    session: Arc<Session>,
    number: u64,
}

impl Here {
    /// None when its account is here too often already.
    fn new(session: &Arc<Session>) -> Option<Self> {
        let (user, device) = (session.who.user(), session.who.device());
        let number = session.shared.sessions.add(user, device, &session.connection)?;
        Some(Self { session: Arc::clone(session), number })
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let Session { shared, who, inbox, ended, .. } = &*self.session;
        ended.cancel();
        shared.rooms.live().unregister(inbox);
        shared.sessions.remove(who.device(), self.number);
    }
}
