//! Who is online, which rooms they follow, and who is told of whom.
//!
//! Presence is told within rooms of few followers. Who was told that somebody is there is told when they go,
//! however large the room has become since: the room remembers of whom it told. A room that becomes small tells of all.
//! Invariant: an inbox that was removed follows nothing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use quipu_protocol::{RoomId, UserId};

use super::inbox::Inbox;
use super::standing::{Standing, most_present};
use crate::limits::PRESENCE_MEMBERS_MAX;

/// Inboxes by account, and by the rooms they follow.
#[derive(Default)]
pub(super) struct People {
    inboxes: HashMap<UserId, Vec<Arc<Inbox>>>,
    rooms: HashMap<RoomId, Followers>,
    /// How often anybody said how they are there.
    turn: u64,
}

#[derive(Default)]
struct Followers {
    inboxes: Vec<Arc<Inbox>>,
    /// Accounts whose presence the followers were told.
    told: HashSet<UserId>,
}

impl Followers {
    fn tell(&self, of: UserId) {
        self.inboxes.iter().for_each(|inbox| inbox.presence_changed(of));
    }

    /// The room has just become small enough: those who came while it was not are told.
    fn tell_all(&mut self) {
        for user in self.inboxes.iter().map(|inbox| inbox.user()).collect::<BTreeSet<_>>() {
            if self.told.insert(user) {
                self.tell(user);
            }
        }
    }
}

impl People {
    pub(super) fn add(&mut self, inbox: &Arc<Inbox>) {
        let user = inbox.user();
        let before = self.standing(user);
        self.inboxes.entry(user).or_default().push(Arc::clone(inbox));
        self.tell_unless(user, &before);
    }

    pub(super) fn remove(&mut self, inbox: &Arc<Inbox>) {
        let user = inbox.user();
        let before = self.standing(user);
        if let Some(inboxes) = self.inboxes.get_mut(&user) {
            inboxes.retain(|other| !Arc::ptr_eq(other, inbox));
            if inboxes.is_empty() {
                self.inboxes.remove(&user);
            }
        }
        for room in inbox.take_rooms() {
            self.unfollow(inbox, room);
        }
        self.tell_unless(user, &before);
    }

    /// Says how one connection is there, or all connections of its account; gives how many it has.
    pub(super) fn stands(&mut self, inbox: &Inbox, standing: &Standing, everywhere: bool) -> usize {
        let user = inbox.user();
        let before = self.standing(user);
        self.turn += 1;
        for other in self.of(user) {
            if everywhere || std::ptr::eq(&**other, inbox) {
                other.stands(standing.clone(), self.turn);
            }
        }
        self.tell_unless(user, &before);
        self.of(user).len()
    }

    /// How an account is there.
    fn standing(&self, user: UserId) -> Standing {
        most_present(self.of(user).iter().map(|inbox| inbox.standing()))
    }

    /// Tells those who were told of an account how it is there now, unless it is as before.
    fn tell_unless(&self, user: UserId, before: &Standing) {
        if self.standing(user) == *before {
            return;
        }
        let rooms: BTreeSet<RoomId> = self.of(user).iter().flat_map(|inbox| inbox.rooms()).collect();
        let told = rooms.iter().filter_map(|room| self.rooms.get(room));
        told.filter(|followers| followers.told.contains(&user)).for_each(|followers| followers.tell(user));
    }

    pub(super) fn of(&self, user: UserId) -> &[Arc<Inbox>] {
        self.inboxes.get(&user).map_or(&[], Vec::as_slice)
    }

    pub(super) fn following(&self, room: RoomId) -> &[Arc<Inbox>] {
        self.rooms.get(&room).map_or(&[], |followers| followers.inboxes.as_slice())
    }

    /// Whether an inbox was added and not removed yet.
    fn has(&self, inbox: &Arc<Inbox>) -> bool {
        self.of(inbox.user()).iter().any(|other| Arc::ptr_eq(other, inbox))
    }

    pub(super) fn follow(&mut self, inbox: &Arc<Inbox>, room: RoomId) {
        if !self.has(inbox) || !inbox.add_room(room) {
            return;
        }
        let followers = self.rooms.entry(room).or_default();
        followers.inboxes.push(Arc::clone(inbox));
        followers.told.iter().for_each(|of| inbox.presence_changed(*of));
        if followers.inboxes.len() <= PRESENCE_MEMBERS_MAX && followers.told.insert(inbox.user()) {
            followers.tell(inbox.user());
        }
    }

    fn unfollow(&mut self, inbox: &Arc<Inbox>, room: RoomId) {
        let user = inbox.user();
        let Some(followers) = self.rooms.get_mut(&room) else { return };
        followers.inboxes.retain(|other| !Arc::ptr_eq(other, inbox));
        let stays = followers.inboxes.iter().any(|other| other.user() == user);
        if !stays && followers.told.remove(&user) {
            followers.tell(user);
        }
        if followers.inboxes.len() == PRESENCE_MEMBERS_MAX {
            followers.tell_all();
        }
        if followers.inboxes.is_empty() {
            self.rooms.remove(&room);
        }
    }

    pub(super) fn membership_changed(&mut self, room: RoomId, user: UserId, joined: bool) {
        for inbox in self.of(user).to_vec() {
            if joined {
                self.follow(&inbox, room);
            } else if inbox.remove_room(room) {
                self.unfollow(&inbox, room);
                // Those who are seen nowhere else are not seen any more.
                let told = self.rooms.get(&room).map(|followers| followers.told.clone());
                told.into_iter().flatten().for_each(|of| inbox.presence_changed(of));
            }
            inbox.membership_changed(room);
        }
    }

    fn is_online(&self, user: UserId) -> bool {
        self.inboxes.contains_key(&user)
    }

    /// How somebody is seen from an inbox: offline also when no common room tells.
    pub(super) fn presence(&self, inbox: &Inbox, of: UserId) -> Standing {
        let tells =
            |room: &RoomId| self.rooms.get(room).is_some_and(|followers| followers.told.contains(&of));
        if self.is_online(of) && inbox.rooms().iter().any(tells) {
            self.standing(of)
        } else {
            Standing::OFFLINE
        }
    }

    /// How a member of a room is seen by another; none when the room is too large to tell. To themselves everybody is
    /// as they are.
    pub(super) fn presence_in(&self, room: RoomId, by: UserId, of: UserId) -> Option<Standing> {
        let followers = self.rooms.get(&room);
        if by == of || followers.is_some_and(|followers| followers.told.contains(&of)) {
            return Some(self.standing(of));
        }
        let is_small = followers.is_none_or(|followers| followers.inboxes.len() <= PRESENCE_MEMBERS_MAX);
        is_small.then_some(Standing::OFFLINE)
    }

    /// Everybody an inbox is told of.
    pub(super) fn around(&self, inbox: &Inbox) -> BTreeSet<UserId> {
        let rooms = inbox.rooms();
        let told = rooms.iter().filter_map(|room| self.rooms.get(room)).flat_map(|followers| &followers.told);
        told.copied().filter(|of| *of != inbox.user()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: u16) -> UserId {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        UserId::from_bytes(bytes)
    }

    fn room(n: u8) -> RoomId {
        RoomId::from_bytes([n; 16])
    }

    fn arrive(people: &mut People, n: u16, rooms: &[u8]) -> Arc<Inbox> {
        let inbox = Arc::new(Inbox::new(user(n)));
        people.add(&inbox);
        rooms.iter().for_each(|n| people.follow(&inbox, room(*n)));
        inbox
    }

    async fn told(inbox: &Inbox) -> Vec<UserId> {
        inbox.take().await.soft.people.into_iter().collect()
    }

    #[tokio::test]
    async fn people_of_a_small_room_see_each_other_come_and_go() {
        let mut people = People::default();
        let ada = arrive(&mut people, 1, &[1]);
        told(&ada).await;
        let bob = arrive(&mut people, 2, &[1]);
        assert_eq!((told(&ada).await, told(&bob).await), (vec![user(2)], vec![user(1)]));
        assert_eq!(people.presence(&ada, user(2)), Standing::ONLINE);
        people.remove(&bob);
        assert_eq!(told(&ada).await, [user(2)]);
        assert_eq!(people.presence(&ada, user(2)), Standing::OFFLINE);
    }

    #[test]
    fn an_inbox_that_is_gone_follows_nothing() {
        let mut people = People::default();
        let inbox = arrive(&mut people, 1, &[]);
        people.remove(&inbox);
        people.follow(&inbox, room(1));
        assert!(people.following(room(1)).is_empty());
    }

    #[tokio::test]
    async fn who_leaves_a_room_is_not_seen_from_it_nor_sees() {
        let mut people = People::default();
        let (ada, bob) = (arrive(&mut people, 1, &[1]), arrive(&mut people, 2, &[1]));
        told(&ada).await;
        told(&bob).await;
        people.membership_changed(room(1), user(2), false);
        assert_eq!((told(&ada).await, told(&bob).await), (vec![user(2)], vec![user(1)]));
        assert_eq!(people.presence(&ada, user(2)), Standing::OFFLINE);
        assert_eq!(people.presence(&bob, user(1)), Standing::OFFLINE);
    }

    #[tokio::test]
    async fn who_was_seen_in_a_room_that_grew_is_seen_to_go() {
        let mut people = People::default();
        let (ada, bob) = (arrive(&mut people, 1, &[1]), arrive(&mut people, 2, &[1]));
        let crowd: Vec<_> =
            (10..10 + PRESENCE_MEMBERS_MAX as u16).map(|n| arrive(&mut people, n, &[1])).collect();
        told(&ada).await;
        let last = crowd.last().unwrap();
        assert_eq!(people.presence(&ada, last.user()), Standing::OFFLINE);
        people.remove(&bob);
        assert_eq!(told(&ada).await, [user(2)]);
        people.remove(last);
        assert!(people.around(&ada).contains(&user(10)) && !people.around(&ada).contains(&last.user()));
    }

    fn away(text: &str) -> Standing {
        let text = Some(text.parse().unwrap());
        Standing { state: quipu_protocol::inbox::PresenceState::AWAY, text }
    }

    #[tokio::test]
    async fn an_account_is_told_once_it_is_there_differently_and_not_before() {
        let mut people = People::default();
        let ada = arrive(&mut people, 1, &[1]);
        let (laptop, phone) = (arrive(&mut people, 2, &[1]), arrive(&mut people, 2, &[1]));
        told(&ada).await;
        let is_told = |ada: &Inbox| ada.has_news();
        assert_eq!(people.stands(&laptop, &away("lunch"), false), 2);
        assert!(!is_told(&ada), "the phone is still online");
        people.stands(&phone, &away("lunch"), false);
        assert_eq!(told(&ada).await, [user(2)]);
        assert_eq!(people.presence(&ada, user(2)), away("lunch"));
        people.stands(&phone, &away("lunch"), true);
        assert!(!is_told(&ada), "nothing has changed");
        // A new connection is somebody who is there; when it goes, the others are as they were.
        let tablet = arrive(&mut people, 2, &[1]);
        assert_eq!((told(&ada).await, people.presence(&ada, user(2))), (vec![user(2)], Standing::ONLINE));
        people.remove(&tablet);
        assert_eq!((told(&ada).await, people.presence(&ada, user(2))), (vec![user(2)], away("lunch")));
        people.stands(&laptop, &Standing::ONLINE, true);
        assert_eq!(people.presence(&ada, user(2)), Standing::ONLINE);
    }

    #[tokio::test]
    async fn a_crowd_tells_of_nobody_and_everybody_once_it_is_none() {
        let mut people = People::default();
        let first = arrive(&mut people, 1, &[1, 2]);
        let crowd: Vec<_> =
            (10..10 + PRESENCE_MEMBERS_MAX as u16).map(|n| arrive(&mut people, n, &[1])).collect();
        let last = crowd.last().unwrap();
        told(&first).await;
        assert_eq!(people.presence_in(room(1), user(1), last.user()), None, "not even that they are offline");
        people.stands(last, &away("unseen"), false);
        assert!(!first.has_news());
        assert_eq!(people.presence_in(room(1), last.user(), last.user()), Some(away("unseen")));
        people.remove(&crowd[0]);
        assert!(told(&first).await.contains(&last.user()));
        assert_eq!(people.presence_in(room(1), user(1), last.user()), Some(away("unseen")));
        // Nobody who shares no room learns anything.
        let stranger = arrive(&mut people, 5, &[2]);
        assert_eq!(people.presence(&stranger, last.user()), Standing::OFFLINE);
    }
}
