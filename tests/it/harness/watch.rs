//! Somebody who reads an INBOX, and keeps what it says of people.

use std::collections::BTreeMap;

use quipu_protocol::inbox::{Presence, PresenceAnew, PresenceState};
use quipu_protocol::{Frame, Message, UniType, UserId};

use super::{Member, RawReader};

/// An INBOX, read frame by frame.
pub(crate) struct Watch {
    inbox: RawReader,
    /// Those who are not offline, as far as was told.
    pub(crate) people: BTreeMap<UserId, (PresenceState, Option<String>)>,
}

impl Watch {
    /// The INBOX of a member, who has opened no room yet.
    pub(crate) async fn of(member: &Member) -> Self {
        let (ty, inbox) = member.peer.accept().await;
        assert_eq!(ty, UniType::Inbox);
        Self { inbox, people: BTreeMap::new() }
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Frame {
        let frame = self.inbox.next().await.unwrap().expect("the inbox goes on");
        if frame.is::<PresenceAnew>() {
            self.people.clear();
        } else if frame.is::<Presence>() {
            let presence: Presence = frame.decode().unwrap();
            for person in presence.people.into_vec() {
                let text = person.text.map(String::from);
                match person.state {
                    PresenceState::OFFLINE => self.people.remove(&person.user),
                    state => self.people.insert(person.user, (state, text)),
                };
            }
        }
        frame
    }

    /// The next frame of this type; gives what came before it, too.
    pub(crate) async fn next_is<T: Message>(&mut self) -> (T, Vec<Frame>) {
        let mut before = Vec::new();
        loop {
            let frame = self.next().await;
            if frame.is::<T>() {
                return (frame.decode().unwrap(), before);
            }
            before.push(frame);
        }
    }

    /// Reads until somebody is there in this way; `OFFLINE` until they are gone.
    pub(crate) async fn sees(&mut self, user: UserId, state: PresenceState, text: Option<&str>) {
        let wanted = (state, text.map(ToOwned::to_owned));
        let wanted = (state != PresenceState::OFFLINE).then_some(wanted);
        while self.people.get(&user) != wanted.as_ref() {
            self.next().await;
        }
    }
}
