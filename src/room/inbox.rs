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
use crate::limits::INBOX_DIRTY_MAX;

/// The changes one connection has not been told.
#[derive(Debug)]
pub struct Inbox {
    user: UserId,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    news: News,
    /// Rooms the account has joined.
    rooms: BTreeSet<RoomId>,
    /// Rooms with a subscription on this connection, which says more than a summary could.
    open: BTreeSet<RoomId>,
    /// How often a membership of the account has changed.
    memberships: u64,
}

/// What changed since the inbox was last emptied.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct News {
    /// Joined rooms whose head or marker moved.
    pub heads: BTreeSet<RoomId>,
    /// Rooms the account came into, was invited to, or left.
    pub memberships: BTreeSet<RoomId>,
    /// People who came or went.
    pub people: BTreeSet<UserId>,
    /// More heads than an inbox remembers: tell all of them.
    pub all: bool,
    /// More people than an inbox remembers: tell all of them.
    pub everybody: bool,
    /// More memberships than an inbox remembers: only a new connection can tell them all.
    pub overrun: bool,
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
        if self.people.len() > INBOX_DIRTY_MAX {
            self.people.clear();
            self.everybody = true;
        }
        if self.memberships.len() > INBOX_DIRTY_MAX {
            self.memberships.clear();
            self.overrun = true;
        }
    }
}

impl Inbox {
    /// An inbox that has everything to tell.
    pub fn new(user: UserId) -> Self {
        let state = State { news: News { all: true, ..News::default() }, ..State::default() };
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

    /// A room's head moved, or with `forced` the account's own marker did.
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
                state.news.people.insert(user);
            });
        }
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
        assert_eq!(waiting.await.unwrap().people.len(), 1);
    }
}
