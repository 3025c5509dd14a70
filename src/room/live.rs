//! What is alive: rooms with readers, and the inboxes of whoever is online. All of it is memory.
//!
//! ```text
//!   committed(batch) ─▶ per room: tail.push…, one wake-up ─▶ subscriptions
//!                    └▶ inboxes that follow the room, or whose membership changed
//! ```
//!
//! It is called by the store's writer after each commit, so it never blocks and never asks. A room without
//! readers has no state here at all.
//! Invariant: a subscription is known here before its first question to the store, so it misses no commit.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quipu_protocol::datagram::Typing;
use quipu_protocol::request::MembershipState;
use quipu_protocol::room::EndReason;
use quipu_protocol::{RoomId, Seq, UserId};
use tokio::sync::{Notify, broadcast};

use super::fading::Fading;
use super::inbox::Inbox;
use super::people::People;
use super::standing::Standing;
use super::sweeper::Chores;
use super::tail::Tail;
use crate::limits::{PRESENCE_MEMBERS_MAX, TYPING_QUEUE};
use crate::store::{Effect, Fresh, Observer};

/// Rooms with readers, and inboxes.
#[derive(Default)]
pub struct Live {
    rooms: Mutex<HashMap<RoomId, Arc<LiveRoom>>>,
    people: Mutex<People>,
    chores: Chores,
}

/// One room that somebody reads.
pub(super) struct LiveRoom {
    pub(super) room: RoomId,
    pub(super) state: Mutex<State>,
    /// Wakes readers, in the order in which they began to wait: a watch would wake them in a random one.
    pub(super) appended: Notify,
    pub(super) typing: broadcast::Sender<Typing>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) tail: Tail,
    /// The newest position that was observed here, with everything it did to memberships.
    pub(super) observed: Seq,
    /// The oldest entry there is, as far as was observed here.
    pub(super) floor: Seq,
    /// Whether the room is no more.
    pub(super) deleted: bool,
    /// When entries of the tail vanish.
    pub(super) fading: Fading,
    /// Accounts with subscriptions, how many, and where they ceased to be members.
    readers: HashMap<UserId, Reader>,
}

#[derive(Default)]
struct Reader {
    subscriptions: usize,
    gone: Option<(Seq, EndReason)>,
}

impl State {
    fn append(&mut self, entry: &Fresh) {
        self.tail.push(entry.seq, entry.frame.clone());
        if let Some(expires_ms) = entry.expires_ms {
            self.fading.add(entry.seq, expires_ms);
        }
        self.observed = self.observed.max(entry.seq);
        let Some((user, membership)) = entry.membership else { return };
        let gone = membership.is_none_or(|state| state.membership != MembershipState::JOINED);
        if let Some(reader) = self.readers.get_mut(&user).filter(|_| gone) {
            let reason = if entry.author == Some(user) { EndReason::LEFT } else { EndReason::REMOVED };
            reader.gone = Some((entry.seq, reason));
        }
    }

    /// Where and how this account ceased to be a member, if it did since it began to read.
    pub(super) fn gone(&self, user: UserId) -> Option<(Seq, EndReason)> {
        self.readers.get(&user).and_then(|reader| reader.gone)
    }
}

/// Nothing behind these locks can be left half done by a panic, so a poisoned one is as good as new.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// Counts a reader in; from now on the room's commits are kept for it.
    pub(super) fn attach(&self, room: RoomId, user: UserId) -> Arc<LiveRoom> {
        let mut rooms = lock(&self.rooms);
        let live = rooms.entry(room).or_insert_with(|| {
            Arc::new(LiveRoom {
                room,
                state: Mutex::default(),
                appended: Notify::new(),
                typing: broadcast::Sender::new(TYPING_QUEUE),
            })
        });
        lock(&live.state).readers.entry(user).or_default().subscriptions += 1;
        Arc::clone(live)
    }

    /// Counts a reader out; the last one takes the room's state along.
    pub(super) fn detach(&self, live: &LiveRoom, user: UserId) {
        let mut rooms = lock(&self.rooms);
        let mut state = lock(&live.state);
        if let Some(reader) = state.readers.get_mut(&user) {
            reader.subscriptions -= 1;
            if reader.subscriptions == 0 {
                state.readers.remove(&user);
            }
        }
        if state.readers.is_empty() {
            rooms.remove(&live.room);
        }
    }

    /// Tells a room's readers, unless they are too many, that somebody types.
    pub fn typing(&self, typing: Typing) {
        let live = lock(&self.rooms).get(&typing.room).cloned();
        if let Some(live) = live.filter(|live| live.typing.receiver_count() <= PRESENCE_MEMBERS_MAX) {
            // Nobody listening is no failure.
            let _ = live.typing.send(typing);
        }
    }

    /// How somebody is seen from an inbox.
    pub fn presence(&self, inbox: &Inbox, of: UserId) -> Standing {
        lock(&self.people).presence(inbox, of)
    }

    /// What wakes the sweeper.
    pub(super) fn chores(&self) -> &Chores {
        &self.chores
    }

    /// How a member of a room is seen by another; none when the room is too large to tell.
    pub fn presence_in(&self, room: RoomId, by: UserId, of: UserId) -> Option<Standing> {
        lock(&self.people).presence_in(room, by, of)
    }

    /// Says how one connection is there, or all of its account; gives how many it has.
    pub fn stands(&self, inbox: &Inbox, standing: &Standing, everywhere: bool) -> usize {
        lock(&self.people).stands(inbox, standing, everywhere)
    }

    /// A receipt of this account moved or went: those who have the room open are told, if they may know.
    pub fn receipts_changed(&self, user: UserId, room: RoomId) {
        let people = lock(&self.people);
        let others = people.following(room).iter().filter(|inbox| inbox.user() != user);
        others.for_each(|inbox| inbox.receipts_changed(room));
    }

    /// An account's settings changed: all its connections are told.
    pub fn settings_changed(&self, user: UserId) {
        lock(&self.people).of(user).iter().for_each(|inbox| inbox.settings_changed());
    }

    /// Everybody whose presence an inbox is told.
    pub fn around(&self, inbox: &Inbox) -> BTreeSet<UserId> {
        lock(&self.people).around(inbox)
    }

    /// Adds an inbox; it follows no room yet.
    pub fn register(&self, inbox: &Arc<Inbox>) {
        lock(&self.people).add(inbox);
    }

    /// Lets an inbox follow rooms that its account had joined at `as_of`, see [`Inbox::memberships`]. False when
    /// a membership has changed since: ask again which they are.
    pub fn follow(&self, inbox: &Arc<Inbox>, rooms: impl IntoIterator<Item = RoomId>, as_of: u64) -> bool {
        let mut people = lock(&self.people);
        if inbox.memberships() != as_of {
            return false;
        }
        rooms.into_iter().for_each(|room| people.follow(inbox, room));
        true
    }

    /// Removes an inbox, and tells the people of its rooms if it was its account's last.
    pub fn unregister(&self, inbox: &Arc<Inbox>) {
        lock(&self.people).remove(inbox);
    }

    /// Rooms that have readers.
    pub fn open_rooms(&self) -> usize {
        lock(&self.rooms).len()
    }

    /// What an account has noted about a room changed: how far it has read, or what it wants to be told of.
    pub fn marked(&self, user: UserId, room: RoomId) {
        for inbox in lock(&self.people).of(user) {
            inbox.head_changed(room, true);
        }
    }
}

impl Observer for Live {
    fn committed(&self, effects: &[Effect]) {
        for run in effects.chunk_by(|one, next| one.room() == next.room()) {
            let Some(room) = run.first().map(Effect::room) else { continue };
            let live = lock(&self.rooms).get(&room).cloned();
            if let Some(live) = live {
                live.take(run);
            }
            // A reader of the log cannot tell from what is erased whether it was unread, nor whom it called; and
            // trimming moves markers. So both are told also where the room is open.
            let unseen =
                |effect: &Effect| matches!(effect, Effect::Rewritten { .. } | Effect::Trimmed { .. });
            let forced = run.iter().any(unseen);
            let mut people = lock(&self.people);
            for inbox in people.following(room) {
                inbox.head_changed(room, forced);
            }
            for (user, state) in run.iter().filter_map(|effect| effect.appended()?.membership) {
                let joined = state.is_some_and(|state| state.membership == MembershipState::JOINED);
                people.membership_changed(room, user, joined);
                if !joined {
                    // Their receipt went with them.
                    people.following(room).iter().for_each(|inbox| inbox.receipts_changed(room));
                }
            }
            for effect in run {
                self.plan(&mut people, effect);
            }
        }
    }
}

impl Live {
    /// What an effect means to the sweeper, and to those for whom a room ends.
    fn plan(&self, people: &mut People, effect: &Effect) {
        match effect {
            Effect::Appended(entry) if entry.expires_ms.is_some() => self.chores.wake(),
            Effect::Deleted { room, invited } => {
                let following: BTreeSet<_> =
                    people.following(*room).iter().map(|inbox| inbox.user()).collect();
                for user in following.into_iter().chain(invited.iter().copied()) {
                    people.membership_changed(*room, user, false);
                }
                self.chores.wake();
            }
            _ => {}
        }
    }
}

impl LiveRoom {
    /// One wake-up for a whole run, so that a reader is given it in one write.
    fn take(&self, run: &[Effect]) {
        let mut state = lock(&self.state);
        for effect in run {
            match effect {
                Effect::Appended(entry) => state.append(entry),
                Effect::Rewritten { seq, frame, .. } => {
                    state.fading.replaced(*seq, frame);
                    state.tail.replace(*seq, frame.clone());
                }
                Effect::Trimmed { floor, .. } => {
                    state.floor = state.floor.max(*floor);
                    state.tail.forget_below(*floor);
                }
                Effect::Deleted { .. } => state.deleted = true,
            }
        }
        drop(state);
        self.appended.notify_waiters();
    }
}
