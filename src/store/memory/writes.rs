//! Changes to the tables, each through the journal.

use quipu_protocol::{Cursor, MessageId, RoomId, Seq, UserId};

use super::state::{Kept, Room, Sent};
use super::{Batch, View};
use crate::store::common::{Standing, content_hash, entry};
use crate::store::{
    Appended, DeviceRow, Fresh, InviteRow, MemberState, NewEntry, Placed, RoomRow, StoreError, UserRow,
    Writes,
};

impl Writes for View<Batch<'_>> {
    fn begin_job(&mut self) -> Result<(), StoreError> {
        self.0.journal.keep();
        self.0.job_begins = self.0.fresh.len();
        Ok(())
    }

    fn end_job(&mut self, keep: bool) -> Result<(), StoreError> {
        if keep {
            self.0.journal.keep();
        } else {
            self.0.journal.undo();
            self.0.fresh.truncate(self.0.job_begins);
        }
        Ok(())
    }

    fn append(&mut self, new: NewEntry) -> Result<Appended, StoreError> {
        self.0.append(&new)
    }

    fn find(&self, new: &NewEntry) -> Result<Option<Appended>, StoreError> {
        self.0.find(new)
    }

    fn insert_room(&mut self, room: &RoomRow) -> Result<(), StoreError> {
        let journal = &mut self.0.journal;
        free(journal.state().rooms.contains_key(&room.room), "room id")?;
        if let Some(name) = &room.name {
            free(journal.state().room_names.contains_key(name), "room name")?;
            journal.put(|state| &mut state.room_names, name.clone(), Some(room.room));
        }
        if let Some(pair) = room.direct {
            free(journal.state().direct_rooms.contains_key(&pair), "pair of people")?;
            journal.put(|state| &mut state.direct_rooms, pair, Some(room.room));
        }
        let log = Room { row: room.clone(), countable: 0, at_ms: 0 };
        journal.put(|state| &mut state.rooms, room.room, Some(log));
        Ok(())
    }

    fn set_member(
        &mut self,
        room: RoomId,
        user: UserId,
        member: Option<MemberState>,
    ) -> Result<(), StoreError> {
        self.0.set_member(room, user, member)
    }

    fn mark_read(&mut self, room: RoomId, user: UserId, seq: Seq) -> Result<Seq, StoreError> {
        self.0.mark_read(room, user, seq)
    }

    fn put_user(&mut self, user: &UserRow) -> Result<(), StoreError> {
        let journal = &mut self.0.journal;
        let folded = user.nickname.folded();
        let holder = journal.state().nicknames.get(&folded);
        free(holder.is_some_and(|holder| *holder != user.user), "nickname")?;
        if let Some(before) = journal.state().users.get(&user.user).map(|before| before.nickname.folded()) {
            journal.put(|state| &mut state.nicknames, before, None);
        }
        journal.put(|state| &mut state.nicknames, folded, Some(user.user));
        journal.put(|state| &mut state.users, user.user, Some(user.clone()));
        Ok(())
    }

    fn put_device(&mut self, device: &DeviceRow) -> Result<(), StoreError> {
        let journal = &mut self.0.journal;
        let holder = journal.state().device_keys.get(&device.key);
        free(holder.is_some_and(|holder| *holder != device.device), "device key")?;
        if let Some(before) = journal.state().devices.get(&device.device).map(|before| before.key.clone()) {
            journal.put(|state| &mut state.device_keys, before, None);
        }
        journal.put(|state| &mut state.device_keys, device.key.clone(), Some(device.device));
        journal.put(|state| &mut state.devices, device.device, Some(device.clone()));
        Ok(())
    }

    fn put_invite(&mut self, invite: &InviteRow) -> Result<(), StoreError> {
        let journal = &mut self.0.journal;
        let holder = journal.state().invite_hashes.get(&invite.secret_hash);
        free(holder.is_some_and(|holder| *holder != invite.invite), "invite secret")?;
        if let Some(before) = journal.state().invites.get(&invite.invite).map(|before| before.secret_hash) {
            journal.put(|state| &mut state.invite_hashes, before, None);
        }
        journal.put(|state| &mut state.invite_hashes, invite.secret_hash, Some(invite.invite));
        journal.put(|state| &mut state.invites, invite.invite, Some(invite.clone()));
        Ok(())
    }
}

impl Batch<'_> {
    fn find(&self, new: &NewEntry) -> Result<Option<Appended>, StoreError> {
        let log = self.log(new.room)?;
        let sent = key(new).and_then(|key| self.journal.state().messages.get(&key));
        Ok(sent.map(|sent| {
            if sent.hash == content_hash(new) {
                Appended::Duplicate(placed(&log, sent.seq, sent.at_ms))
            } else {
                Appended::Conflict
            }
        }))
    }

    fn append(&mut self, new: &NewEntry) -> Result<Appended, StoreError> {
        if let Some(known) = self.find(new)? {
            return Ok(known);
        }
        let mut log = self.log(new.room)?;
        let key = key(new);
        let hash = content_hash(new);

        let seq = log.row.head.seq.next();
        log.at_ms = log.at_ms.max(new.now_ms);
        log.row.head.seq = seq;
        log.countable += u64::from(new.kind.is_countable());
        let frame = entry(new, seq, log.at_ms).frame();
        let kept = Kept { frame: frame.clone(), nth: log.countable };
        let place = placed(&log, seq, log.at_ms);
        if let Some(key) = key {
            let sent = Sent { seq, at_ms: log.at_ms, hash };
            self.journal.put(|state| &mut state.messages, key, Some(sent));
        }
        self.journal.put(|state| &mut state.entries, (new.room, seq), Some(kept));
        self.journal.put(|state| &mut state.rooms, new.room, Some(log));
        if let Some((user, _)) = new.author.filter(|_| new.kind.is_countable()) {
            self.count_own(new.room, user, seq);
        }
        if let Some((user, member)) = new.membership {
            self.set_member(new.room, user, member)?;
        }
        self.fresh.push(Fresh {
            room: new.room,
            seq,
            frame,
            author: new.author.map(|(user, _)| user),
            membership: new.membership,
        });
        Ok(Appended::New(place))
    }

    fn count_own(&mut self, room: RoomId, user: UserId, seq: Seq) {
        self.journal.put(|state| &mut state.authored, (room, user, seq), Some(()));
        if let Some(mut member) = self.joined(room, user) {
            member.own_after += 1;
            self.journal.put(|state| &mut state.members, (room, user), Some(member));
        }
    }

    fn set_member(
        &mut self,
        room: RoomId,
        user: UserId,
        member: Option<MemberState>,
    ) -> Result<(), StoreError> {
        let mut log = self.log(room)?;
        let before = self.journal.state().members.get(&(room, user)).copied();
        let after =
            member.map(|state| Standing::changed(before.as_ref(), state, log.row.head.seq, log.countable));
        let counted = |standing: Option<&Standing>| u64::from(standing.is_some_and(Standing::is_joined));
        log.row.members = log.row.members + counted(after.as_ref()) - counted(before.as_ref());
        self.journal.put(|state| &mut state.rooms, room, Some(log));
        self.journal.put(|state| &mut state.memberships, (user, room), after.map(|_| ()));
        self.journal.put(|state| &mut state.members, (room, user), after);
        Ok(())
    }

    fn mark_read(&mut self, room: RoomId, user: UserId, seq: Seq) -> Result<Seq, StoreError> {
        let head = self.log(room)?.row.head.seq;
        let mut member = self.joined(room, user).ok_or_else(|| failed("not a member"))?;
        let marker = seq.min(head);
        if marker <= member.row.marker {
            return Ok(member.row.marker);
        }
        let state = self.journal.state();
        member.row.marker = marker;
        member.marker_nth = state.entries.get(&(room, marker)).map_or(0, |kept| kept.nth);
        let own = state.authored.range((room, user, marker.next())..=(room, user, Seq(u64::MAX)));
        member.own_after = own.count() as u64;
        self.journal.put(|state| &mut state.members, (room, user), Some(member));
        Ok(marker)
    }

    fn log(&self, room: RoomId) -> Result<Room, StoreError> {
        self.journal.state().rooms.get(&room).cloned().ok_or_else(|| failed("no such room"))
    }

    fn joined(&self, room: RoomId, user: UserId) -> Option<Standing> {
        let member = self.journal.state().members.get(&(room, user));
        member.copied().filter(Standing::is_joined)
    }
}

fn placed(log: &Room, seq: Seq, at_ms: u64) -> Placed {
    Placed { at: Cursor { seq, ..log.row.head }, at_ms }
}

fn free(taken: bool, what: &str) -> Result<(), StoreError> {
    if taken { Err(failed(&format!("the {what} is taken"))) } else { Ok(()) }
}

fn failed(why: &str) -> StoreError {
    StoreError::Failed(why.to_owned())
}

/// What an author's message id is unique within.
fn key(new: &NewEntry) -> Option<(RoomId, UserId, MessageId)> {
    new.author.zip(new.message).map(|((user, _), message)| (new.room, user, message))
}
