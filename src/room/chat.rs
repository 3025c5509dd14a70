//! What people do in rooms: publish, read, mark as read.
//!
//! A publish is a job in the store's write transaction: membership and role are looked up at the head of the
//! log, so a removal that races a message has one outcome, and the log shows which came first.

use std::sync::Arc;

use quipu_protocol::limits::EXPIRY_MS_MAX;
use quipu_protocol::publish::Ack;
use quipu_protocol::request::{Permissions, RoomInfo, SubscribeRoom};
use quipu_protocol::room::Opened;
use quipu_protocol::{Code, Draft, Ext, Kind, Refusal, RoomId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::footing::{Footing, readable};
use super::keeping::Policy;
use super::live::Live;
use super::load::Load;
use super::purging::Eraser;
use super::subscription::Subscription;
use super::{directory, files, relating, rules};
use crate::auth::Authenticated;
use crate::config::FileLimits;
use crate::files::Depot;
use crate::limits::SEARCHES_MAX;
use crate::seams::{Clock, Seams};
use crate::store::{Appended, Lane, NewEntry, Pending, Storage, WriteError, Writes};

/// The rooms of one server.
#[derive(Clone)]
pub struct Rooms {
    storage: Storage,
    live: Arc<Live>,
    seams: Seams,
    files: Arc<FileLimits>,
    pub(super) eraser: Arc<Eraser>,
    searches: Arc<Semaphore>,
    load: Arc<Load>,
    policy: Policy,
}

/// A room that was opened for reading.
pub struct OpenedRoom {
    /// The cursor and its wake-up.
    pub subscription: Subscription,
    /// Where it begins. The subscription's number is the transport's to give.
    pub opened: Opened,
    /// What the room is, for a reader without a cursor.
    pub snapshot: Option<RoomInfo>,
}

impl Rooms {
    /// `live` must be the observer of `storage`.
    pub fn new(storage: Storage, live: Arc<Live>, seams: Seams) -> Self {
        let searches = Arc::new(Semaphore::new(SEARCHES_MAX));
        let load = Arc::new(Load::new(storage.clone()));
        let (files, eraser, policy) = (Arc::default(), Arc::default(), Policy::default());
        Self { storage, live, seams, files, eraser, searches, load, policy }
    }

    /// The same, with what the operator grants to files.
    #[must_use]
    pub fn granting(self, files: FileLimits) -> Self {
        Self { files: Arc::new(files), ..self }
    }

    /// How much there is to do.
    pub fn load(&self) -> &Arc<Load> {
        &self.load
    }

    /// The same for a server that does not keep everything.
    #[must_use]
    pub fn keeping(self, retention: crate::config::Retention) -> Self {
        Self { policy: Policy(retention), ..self }
    }

    pub(super) fn policy(&self) -> Policy {
        self.policy
    }

    /// What is alive.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    pub(super) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// For jobs: what is decided is decided by the time when it is.
    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.seams.clock)
    }

    /// A place among the few searches at once, for as long as it is held.
    pub(super) async fn search_turn(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes it.
        Arc::clone(&self.searches).acquire_owned().await.ok()
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.seams.clock.now_ms()
    }

    pub(super) fn random_id(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.seams.entropy.fill(&mut bytes);
        bytes
    }

    pub(super) fn file_limits(&self) -> &FileLimits {
        &self.files
    }

    /// What new content is called on the disk.
    pub(super) fn new_file_name(&self, hash: &crate::store::FileHash) -> String {
        Depot::new_name(hash, self.seams.entropy.as_ref())
    }

    /// Gives a draft its place in the queue of the log; await the result for the answer. Drafts whose places
    /// were taken in an order are numbered in that order, and those of a lane not at all behind one that failed.
    ///
    /// # Errors
    /// What is wrong with the draft itself. Everything else is the answer's.
    pub async fn publish(
        &self,
        who: &Authenticated,
        draft: Draft,
        lane: &Lane,
    ) -> Result<Pending<Ack>, Refusal> {
        self.enqueue(who, draft, lane, None).await
    }

    /// The same for a draft that comes too early: it is refused in its turn, unless it was published before.
    ///
    /// # Errors
    /// As for [`Rooms::publish`].
    pub async fn postpone(
        &self,
        who: &Authenticated,
        draft: Draft,
        lane: &Lane,
        later: Refusal,
    ) -> Result<Pending<Ack>, Refusal> {
        self.enqueue(who, draft, lane, Some(later)).await
    }

    async fn enqueue(
        &self,
        who: &Authenticated,
        draft: Draft,
        lane: &Lane,
        later: Option<Refusal>,
    ) -> Result<Pending<Ack>, Refusal> {
        check(&draft)?;
        let (who, clock) = (who.clone(), self.clock());
        let (files, turns) = (Arc::clone(&self.files), lane.clone());
        let job = move |store: &mut dyn Writes| {
            // What a room refuses for now is not overtaken by what follows it in the lane.
            let later = turns.waits(draft.room, draft.message).or(later);
            let (room, message) = (draft.room, draft.message);
            let outcome = append(store, &who, draft, clock.now_ms(), &files, later);
            match &outcome {
                Ok(_) => turns.answered(room, message, None),
                Err(WriteError::Refused(refusal)) => turns.answered(room, message, Some(refusal)),
                // The lane is closed for all of them.
                Err(_) => {}
            }
            outcome
        };
        self.storage.enqueue_in(lane, job).await.map_err(WriteError::refusal)
    }

    /// Opens a room for reading.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when the room is hidden from the asker, [`Code::FORBIDDEN`] when they are no member.
    pub async fn subscribe(&self, who: &Authenticated, ask: &SubscribeRoom) -> Result<OpenedRoom, Refusal> {
        // Attached first: a departure while we look is seen by the subscription.
        let (id, asker, now_ms) = (ask.room, who.clone(), self.now_ms());
        let mut subscription = Subscription::attach(self, ask.room, who.user());
        let question = move |store: &dyn crate::store::Reads| {
            let (room, member) = match readable(store, &asker, id)? {
                Ok(found) => found,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let info = directory::info(store, asker.user(), now_ms, room.clone(), member)?;
            Ok(Ok((info, room)))
        };
        let (info, room) = self.storage.read(question).await.map_err(|error| error.refusal())??;
        let start = subscription.begin(room.head, room.floor, ask.after, ask.backlog);
        let opened = Opened { subscription: 0, room: id, start, head: room.head.seq, floor: room.floor };
        let snapshot = ask.after.is_none().then_some(info);
        Ok(OpenedRoom { subscription, opened, snapshot })
    }

    /// Somebody types in a room: its readers are told, if the typist may also write there. Dropped under load.
    pub async fn typing(&self, who: &Authenticated, room: RoomId, ttl_ms: u64) {
        if self.load.is_high() {
            return self.load.hold_back();
        }
        let (asker, now_ms) = (who.clone(), self.now_ms());
        let question = move |store: &dyn crate::store::Reads| {
            let at = Footing::of(store, room, asker.user(), now_ms);
            Ok(at.is_ok_and(|at| rules::may(&asker, &at, Permissions::SEND).is_ok()))
        };
        if let Ok(true) = self.storage.read(question).await {
            self.live.typing(quipu_protocol::datagram::Typing { room, user: Some(who.user()), ttl_ms });
        }
    }
}

/// What can be judged without the log.
fn check(draft: &Draft) -> Result<(), Refusal> {
    if !draft.kind.is_publishable() {
        return Err(Refusal::because(
            Code::UNSUPPORTED,
            format!("entries of kind {} are not published", draft.kind.0),
        ));
    }
    let ext = &draft.ext;
    if ext.is_presumptuous() || ext.reason.is_some() {
        return Err(Refusal::because(Code::UNSUPPORTED, "the draft uses a field that is not for it"));
    }
    if draft.kind != Kind::TEXT && ext.files.is_some() {
        return Err(Refusal::because(Code::UNSUPPORTED, "only a message refers to files"));
    }
    if ext.expires_ms.is_some() && draft.kind != Kind::TEXT {
        return Err(Refusal::because(
            Code::UNSUPPORTED,
            "only messages vanish; what is about them goes along",
        ));
    }
    relating::check(draft)
}

/// That a message vanishes later than it comes, and before it is forgotten that it does.
fn lies_ahead(expires_ms: Option<u64>, now_ms: u64) -> Result<(), Refusal> {
    match expires_ms {
        Some(expires_ms) if expires_ms <= now_ms => {
            Err(Refusal::because(Code::EXPIRED, "the message would have vanished already"))
        }
        Some(expires_ms) if expires_ms - now_ms > EXPIRY_MS_MAX => {
            Err(Refusal::because(Code::BAD_REQUEST, "a message vanishes within a year, or not at all"))
        }
        _ => Ok(()),
    }
}

fn append(
    store: &mut dyn Writes,
    who: &Authenticated,
    draft: Draft,
    now_ms: u64,
    limits: &FileLimits,
    later: Option<Refusal>,
) -> Result<Ack, WriteError> {
    let message = draft.message;
    let if_head = draft.ext.if_head;
    let at = Footing::of(&*store, draft.room, who.user(), now_ms)?;
    let said_ms = at.said_ms(&*store, who.user())?;
    let entry = NewEntry {
        room: draft.room,
        now_ms,
        author: Some((who.user(), who.device())),
        message: Some(message),
        kind: draft.kind,
        body: draft.body,
        ext: Ext { if_head: None, ..draft.ext },
        membership: None,
    };
    let stale = if_head.is_some_and(|seq| seq != at.room.head.seq);
    let allowed = rules::may_speak(who, &at, entry.kind, said_ms);
    let allowed = allowed.and_then(|()| later.map_or(Ok(()), Err));
    let allowed = allowed.and_then(|()| match &entry.ext.origin {
        // Who puts words into the mouths of others is somebody whom the room trusts.
        Some(_) => rules::may(who, &at, Permissions::MANAGE_ROOM),
        None => Ok(()),
    });
    let allowed = allowed.and_then(|()| lies_ahead(entry.ext.expires_ms, now_ms));
    let allowed = allowed.and_then(|()| if stale { Err(Code::STALE_HEAD.into()) } else { Ok(()) });
    let allowed = match allowed {
        Ok(()) => files::may_refer(store, who, &at, &entry.ext, limits)?,
        refused => refused,
    };
    let judged = match allowed {
        Ok(()) => relating::judge(&*store, who, &at, &entry),
        Err(refusal) => Err(refusal.into()),
    };
    let appended = match judged {
        Ok(deed) => relating::append(store, who, entry, deed)?,
        // What was acknowledged once stays acknowledged, whatever has changed since.
        Err(WriteError::Refused(refusal)) => store.find(&entry)?.ok_or(refusal)?,
        Err(failure) => return Err(failure),
    };
    let ack = |placed: crate::store::Placed, duplicate| Ack {
        message,
        at: placed.at,
        at_ms: placed.at_ms,
        duplicate,
    };
    match appended {
        Appended::New(placed) => Ok(ack(placed, false)),
        Appended::Duplicate(placed) => Ok(ack(placed, true)),
        Appended::Conflict => Err(Refusal::from(Code::MESSAGE_CONFLICT).into()),
    }
}
