//! Who is in a room, read off its log: who came and went, as what, and who is kept out.

use std::collections::BTreeMap;

use quipu_protocol::entry::{Change, MemberChange};
use quipu_protocol::note::{RoleChange, SanctionChange};
use quipu_protocol::request::{MembershipState, RoomRole, Sanction};
use quipu_protocol::{Entry, Kind, RoomId, UserId, cbor};

use super::ImportError;
use crate::store::{MemberState, SanctionRow, Writes};

/// How everybody stands at the place that was read last.
#[derive(Default)]
pub(super) struct People {
    members: BTreeMap<UserId, MemberState>,
    denied: BTreeMap<(UserId, u64), (SanctionChange, Entry)>,
}

impl People {
    /// What an entry changes. One that cannot be read changes nothing: it is kept as it is.
    pub(super) fn note(&mut self, entry: &Entry) {
        match entry.kind {
            Kind::MEMBER => {
                if let Ok(change) = cbor::decode::<MemberChange>(&entry.body, "MemberChange") {
                    self.member(&change);
                }
            }
            Kind::ROLE => {
                if let Ok(RoleChange { user, role, permissions, .. }) =
                    cbor::decode(&entry.body, "RoleChange")
                {
                    self.members
                        .entry(user)
                        .and_modify(|state| (state.role, state.permissions) = (role, permissions));
                }
            }
            Kind::SANCTION => {
                if let Ok(change) = cbor::decode::<SanctionChange>(&entry.body, "SanctionChange") {
                    self.sanction(change, entry);
                }
            }
            _ => {}
        }
    }

    fn member(&mut self, change: &MemberChange) {
        let membership = match change.change {
            Change::JOINED => MembershipState::JOINED,
            Change::INVITED => MembershipState::INVITED,
            Change::LEFT | Change::REMOVED => {
                self.members.remove(&change.user);
                return;
            }
            _ => return,
        };
        let state = MemberState { membership, role: RoomRole(change.role), permissions: None };
        self.members.insert(change.user, state);
    }

    fn sanction(&mut self, change: SanctionChange, entry: &Entry) {
        let key = (change.user, change.sanction.0);
        if change.imposed {
            self.denied.insert(key, (change, entry.clone()));
        } else {
            self.denied.remove(&key);
        }
    }

    /// Writes down those who have an account here; gives how many of them are in the room.
    pub(super) fn settle(
        mut self,
        store: &mut dyn Writes,
        room: RoomId,
        owner: Option<UserId>,
    ) -> Result<u64, ImportError> {
        if let Some(owner) = owner {
            let state =
                MemberState { membership: MembershipState::JOINED, role: RoomRole::OWNER, permissions: None };
            self.members.insert(owner, state);
        }
        for (user, state) in self.members {
            if store.user(user)?.is_some() {
                store.set_member(room, user, Some(state))?;
            }
        }
        for ((user, sanction), (change, entry)) in self.denied {
            if store.user(user)?.is_some() {
                store.put_sanction(&SanctionRow {
                    room,
                    user,
                    sanction: Sanction(sanction),
                    by: entry.user.unwrap_or(user),
                    at_ms: entry.at_ms,
                    until_ms: change.until_ms,
                    reason: entry.ext.reason,
                })?;
            }
        }
        if store.owners(room)? == 0 {
            let text = "nobody who owned it has an account here: say --owner NICKNAME";
            return Err(ImportError::Refused(text.into()));
        }
        Ok(store.room(room)?.map_or(0, |room| room.members))
    }
}
