//! What the client's parts share: the profile, the events, and a few values that many watch.
//!
//! Invariant: locks here are held for a few lines and never across an await.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quipu_protocol::RoomId;
use quipu_protocol::inbox::{Head, PresenceState};
use quipu_protocol::request::SetPresence;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use crate::config::Config;
use crate::ending::Ending;
use crate::error::{Error, ErrorCode, Retry};
use crate::event::Event;
use crate::event_log::EventLog;
use crate::limits::{HEADS_KEPT_MAX, TYPING_EVERY};
use crate::open::OpenRooms;
use crate::session::request::Link;
use crate::shown::Shown;
use crate::state::ConnState;
use crate::store::Store;

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) events: EventLog,
    /// How far the program has come.
    pub(crate) shown: Shown,
    pub(crate) state: watch::Sender<ConnState>,
    /// The authenticated connection, while there is one.
    pub(crate) link: watch::Sender<Option<Link>>,
    /// Moves whenever the outbox changed.
    pub(crate) outbox: watch::Sender<u64>,
    pub(crate) rooms: OpenRooms,
    /// Something was kept that vanishes.
    pub(crate) vanishes: Notify,
    /// What the platform said.
    pub(crate) platform: watch::Sender<Platform>,
    heads: Mutex<BTreeMap<RoomId, Head>>,
    /// How this device is there, when that is not how a connection begins.
    appearance: Mutex<Option<SetPresence>>,
    /// When typing was last told, by room.
    typed: Mutex<BTreeMap<RoomId, Instant>>,
}

/// What the platform said so far, as counters: whoever watches sees that something happened since it last looked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Platform {
    /// The network may be another one.
    pub(crate) moved: u64,
    /// The connection has surely died in its sleep.
    pub(crate) slept: u64,
    /// A good moment to dial.
    pub(crate) wake: u64,
    /// There is no network.
    pub(crate) lost: bool,
    /// When the program was suspended, unix milliseconds.
    pub(crate) suspended_ms: Option<u64>,
}

impl Core {
    pub(crate) fn new(config: Config, store: Store) -> Self {
        Self {
            config,
            store,
            events: EventLog::default(),
            shown: Shown::default(),
            state: watch::Sender::new(ConnState::Idle),
            link: watch::Sender::new(None),
            outbox: watch::Sender::new(0),
            rooms: OpenRooms::default(),
            vanishes: Notify::new(),
            platform: watch::Sender::new(Platform::default()),
            heads: Mutex::default(),
            appearance: Mutex::default(),
            typed: Mutex::default(),
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.config.seams.clock.now_ms()
    }

    /// Sixteen random bytes.
    pub(crate) fn random_id(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.config.seams.entropy.fill(&mut bytes);
        bytes
    }

    pub(crate) fn random_u32(&self) -> u32 {
        let mut bytes = [0; 4];
        self.config.seams.entropy.fill(&mut bytes);
        u32::from_be_bytes(bytes)
    }

    /// Says how the connection stands, if that is news.
    pub(crate) fn set_state(&self, state: ConnState) {
        let news = self.state.send_if_modified(|now| {
            let news = *now != state;
            now.clone_from(&state);
            news
        });
        if news {
            self.events.push([Event::State(state)]);
        }
    }

    /// Says that the outbox changed.
    pub(crate) fn outbox_changed(&self) {
        self.outbox.send_modify(|version| *version += 1);
    }

    /// How rooms stand, as the inbox told.
    pub(crate) fn heads(&self) -> MutexGuard<'_, BTreeMap<RoomId, Head>> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps how a room stands.
    pub(crate) fn note_head(&self, head: &Head) {
        let mut heads = self.heads();
        if heads.len() < HEADS_KEPT_MAX || heads.contains_key(&head.room) {
            heads.insert(head.room, head.clone());
        }
    }

    /// Keeps how this device is there, for the next connection.
    pub(crate) fn appears(&self, said: SetPresence) {
        let kept = Some(said).filter(|said| said.state != PresenceState::ONLINE);
        *self.appearance.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    /// How this device is there, when a new connection has to be told.
    pub(crate) fn appearance(&self) -> Option<SetPresence> {
        self.appearance.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether typing in a room is to be told now; it counts as told.
    pub(crate) fn types(&self, room: RoomId) -> bool {
        let now = Instant::now();
        let mut typed = self.typed.lock().unwrap_or_else(PoisonError::into_inner);
        typed.retain(|_, last| now.duration_since(*last) < TYPING_EVERY);
        let is_due = !typed.contains_key(&room);
        if is_due {
            typed.insert(room, now);
        }
        is_due
    }

    /// The connection, waiting for it until `deadline`.
    ///
    /// # Errors
    /// At once what makes waiting pointless; at the deadline why there is none.
    pub(crate) async fn connected(&self, deadline: Instant) -> Result<Link, Error> {
        let mut state = self.state.subscribe();
        loop {
            // The state before the link: it changes after it, so what comes in between still wakes us.
            let now = state.borrow_and_update().clone();
            if let Some(link) = self.link.borrow().clone() {
                return Ok(link);
            }
            match now {
                ConnState::Idle => {
                    return Err(Error::never(ErrorCode::NotStarted, "the client was not started"));
                }
                ConnState::Stopped { why } => return Err(why),
                _ => {}
            }
            if timeout_at(deadline, state.changed()).await.is_err() {
                return Err(self.why_offline());
            }
        }
    }

    fn why_offline(&self) -> Error {
        match &*self.state.borrow() {
            ConnState::Waiting { why, .. } | ConnState::Stopped { why } => why.clone(),
            _ => Error::new(ErrorCode::Unreachable, Retry::WhenOnline, "there is no connection yet"),
        }
    }

    /// Asks the server, on this connection or on the next, until `wait` is over. Only for questions that may be
    /// asked twice, and all of ours may.
    ///
    /// Not `AsyncFn`: with it no future of ours would be known to be `Send`, and nobody could spawn one.
    pub(crate) async fn ask<T, F: Future<Output = Result<T, Ending>>>(
        &self,
        wait: Duration,
        question: impl Fn(Link) -> F,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + wait;
        loop {
            self.connected(deadline).await?;
            // Taken where its end will be noticed: it may be another one by now, or none.
            let mut links = self.link.subscribe();
            let Some(link) = links.borrow_and_update().clone() else {
                continue;
            };
            match timeout_at(deadline, question(link)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(ending)) if ending.is_disconnection() => {
                    // The session notices in its own time; asking the dead link again would only spin.
                    if timeout_at(deadline, links.changed()).await.is_err() {
                        return Err(ending.error());
                    }
                }
                Ok(Err(ending)) => return Err(ending.error()),
                Err(_) => return Err(Ending::Late("the question").error()),
            }
        }
    }
}
