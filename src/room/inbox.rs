//! Inboxes: what one connection still has to be told about everything it has no subscription for.
//!
//! Changes are remembered as *which*, never as *what*: a room that changed a thousand times is one mark, and the
//! answer is read from the store when the connection is ready to hear it. So an inbox is bounded by the number
//! of rooms and people, and a slow connection costs nothing more than a quick one.

use std::collections::BTreeSet;
use std::sync::Mutex;

use quipu_protocol::{RoomId, UserId};
use tokio::sync::Notify;

use super::live::lock;
use super::standing::Standing;
use crate::limits::INBOX_DIRTY_MAX;

/// The changes one connection has not been told.
#[derive(Debug)]
pub struct Inbox {
    user: UserId,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    news: News,
    /// Rooms the account has joined.
    rooms: BTreeSet<RoomId>,
    /// Rooms with a subscription on this connection, which says more than a summary could.
    open: BTreeSet<RoomId>,
    /// How often a membership of the account has changed.
    memberships: u64,
    /// How this connection is there, and when that was said.
    standing: (Standing, u64),
}

/// What changed since the inbox was last emptied.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct News {
    /// Joined rooms whose head or marker moved.
    pub heads: BTreeSet<RoomId>,
    /// Rooms the account came into, was invited to, or left.
    pub memberships: BTreeSet<RoomId>,
    /// The account's settings changed.
    pub settings: bool,
    /// What may wait.
    pub soft: Soft,
    /// More heads than an inbox remembers: tell all of them.
    pub all: bool,
    /// More memberships than an inbox remembers: only a new connection can tell them all.
    pub overrun: bool,
}

/// What is told last, and held back first when there is too much to do.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Soft {
    /// People who came, went, or are there differently.
    pub people: BTreeSet<UserId>,
    /// More people than an inbox remembers: tell all of them anew.
    pub everybody: bool,
    /// Open rooms in which a receipt moved or went.
    pub receipts: BTreeSet<RoomId>,
}

impl Soft {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes what came later.
    pub fn absorb(&mut self, later: Self) {
        self.people.extend(later.people);
        self.receipts.extend(later.receipts);
        self.everybody |= later.everybody;
        self.bound();
    }

    /// Forgets who it was: everybody is told anew when there is time for it.
    pub fn hold_back(&mut self) {
        self.everybody |= !self.people.is_empty();
        self.people.clear();
    }

    fn bound(&mut self) {
        if self.people.len() > INBOX_DIRTY_MAX {
            self.hold_back();
        }
    }
}

impl News {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Heads and people can all be told again, so too many of them become "all"; memberships that ended cannot.
    fn bound(&mut self) {
        if self.heads.len() > INBOX_DIRTY_MAX {
            self.heads.clear();
            self.all = true;
        }
        self.soft.bound();
        if self.memberships.len() > INBOX_DIRTY_MAX {
            self.memberships.clear();
            self.overrun = true;
        }
    }
}

impl Inbox {
    /// An inbox that has everything to tell.
    pub fn new(user: UserId) -> Self {
        let state = State {
            news: News { all: true, ..News::default() },
            rooms: BTreeSet::new(),
            open: BTreeSet::new(),
            memberships: 0,
            standing: (Standing::ONLINE, 0),
        };
        Self { user, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Whose it is.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Waits for news and takes it. Cancel-safe: news are taken in the poll that returns them.
    pub async fn take(&self) -> News {
        loop {
            let news = std::mem::take(&mut lock(&self.state).news);
            if !news.is_empty() {
                return news;
            }
            // A change between the two steps leaves a permit, so it is not slept through.
            self.changed.notified().await;
        }
    }

    /// A room has a subscription on this connection now.
    pub fn opened(&self, room: RoomId) {
        lock(&self.state).open.insert(room);
    }

    /// It has one no longer, so its head is news again.
    pub fn closed(&self, room: RoomId) {
        self.change(|state| {
            state.open.remove(&room);
            if state.rooms.contains(&room) {
                state.news.heads.insert(room);
            }
        });
    }

    /// A room's head moved; with `forced` something did that a subscription does not say.
    pub(super) fn head_changed(&self, room: RoomId, forced: bool) {
        self.change(|state| {
            if forced || !state.open.contains(&room) {
                state.news.heads.insert(room);
            }
        });
    }

    /// How often a membership of the account has changed: what was asked of the store before it moved is stale.
    pub fn memberships(&self) -> u64 {
        lock(&self.state).memberships
    }

    pub(super) fn membership_changed(&self, room: RoomId) {
        self.change(|state| {
            state.memberships += 1;
            state.news.memberships.insert(room);
        });
    }

    pub(super) fn presence_changed(&self, user: UserId) {
        if user != self.user {
            self.change(|state| {
                state.news.soft.people.insert(user);
            });
        }
    }

    /// A receipt of somebody in this room moved or went.
    pub(super) fn receipts_changed(&self, room: RoomId) {
        self.change(|state| {
            if state.open.contains(&room) {
                state.news.soft.receipts.insert(room);
            }
        });
    }

    pub(super) fn settings_changed(&self) {
        self.change(|state| state.news.settings = true);
    }

    /// Whether a room has a subscription on this connection.
    pub fn is_open(&self, room: RoomId) -> bool {
        lock(&self.state).open.contains(&room)
    }

    /// How this connection is there, and when that was said.
    pub(super) fn standing(&self) -> (Standing, u64) {
        lock(&self.state).standing.clone()
    }

    pub(super) fn stands(&self, standing: Standing, turn: u64) {
        lock(&self.state).standing = (standing, turn);
    }

    /// Whether the account is in this room, as far as this inbox was told: at its beginning it was told of none.
    pub fn follows(&self, room: RoomId) -> bool {
        lock(&self.state).rooms.contains(&room)
    }

    pub(super) fn add_room(&self, room: RoomId) -> bool {
        lock(&self.state).rooms.insert(room)
    }

    pub(super) fn remove_room(&self, room: RoomId) -> bool {
        lock(&self.state).rooms.remove(&room)
    }

    pub(super) fn rooms(&self) -> BTreeSet<RoomId> {
        lock(&self.state).rooms.clone()
    }

    pub(super) fn take_rooms(&self) -> BTreeSet<RoomId> {
        std::mem::take(&mut lock(&self.state).rooms)
    }

    #[cfg(test)]
    pub(super) fn has_news(&self) -> bool {
        !lock(&self.state).news.is_empty()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = lock(&self.state);
        let had = !state.news.is_empty();
        change(&mut state);
        state.news.bound();
        // Whoever had news already is awake or will look before it sleeps.
        let wake = !had && !state.news.is_empty();
        drop(state);
        if wake {
            self.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(n: u16) -> RoomId {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        RoomId::from_bytes(bytes)
    }

    fn inbox() -> Inbox {
        let inbox = Inbox::new(UserId::from_bytes([1; 16]));
        lock(&inbox.state).news = News::default();
        inbox
    }

    #[tokio::test]
    async fn many_changes_of_a_room_are_one_piece_of_news() {
        let inbox = inbox();
        (0..1_000).for_each(|_| inbox.head_changed(room(1), false));
        assert_eq!(inbox.take().await, News { heads: [room(1)].into(), ..News::default() });
        assert!(lock(&inbox.state).news.is_empty());
    }

    #[tokio::test]
    async fn an_open_room_is_not_summed_up_until_it_closes() {
        let inbox = inbox();
        inbox.add_room(room(1));
        inbox.opened(room(1));
        inbox.head_changed(room(1), false);
        assert!(lock(&inbox.state).news.is_empty());
        inbox.head_changed(room(1), true);
        assert_eq!(inbox.take().await.heads, [room(1)].into());
        inbox.closed(room(1));
        assert_eq!(inbox.take().await.heads, [room(1)].into());
    }

    #[tokio::test]
    async fn more_than_it_remembers_becomes_everything() {
        let inbox = inbox();
        (0..=INBOX_DIRTY_MAX as u16).for_each(|n| inbox.head_changed(room(n), false));
        let news = inbox.take().await;
        assert!(news.all && news.heads.is_empty());
    }

    #[tokio::test]
    async fn news_wake_whoever_waits() {
        let inbox = std::sync::Arc::new(inbox());
        let waiting = tokio::spawn({
            let inbox = std::sync::Arc::clone(&inbox);
            async move { inbox.take().await }
        });
        tokio::task::yield_now().await;
        inbox.presence_changed(UserId::from_bytes([2; 16]));
        assert_eq!(waiting.await.unwrap().soft.people.len(), 1);
    }

    #[tokio::test]
    async fn what_is_held_back_becomes_everybody_and_receipts_stay() {
        let inbox = inbox();
        inbox.presence_changed(UserId::from_bytes([2; 16]));
        inbox.receipts_changed(room(1));
        inbox.opened(room(1));
        inbox.receipts_changed(room(1));
        let mut soft = inbox.take().await.soft;
        soft.hold_back();
        assert_eq!(soft, Soft { everybody: true, receipts: [room(1)].into(), ..Soft::default() });
        soft.absorb(Soft { people: [UserId::from_bytes([3; 16])].into(), ..Soft::default() });
        assert!(soft.everybody && soft.people.len() == 1);
    }
}
