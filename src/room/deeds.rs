//! Deeds: what is done to a room or to somebody in it, as an entry of its log and as a record for those who moderate.
//!
//! Both are written in the job that does it, so nothing is done that is not told, and nothing told that is not done.

use quipu_protocol::limits::DETAIL_BYTES_MAX;
use quipu_protocol::request::{Act, Reason};
use quipu_protocol::{Blob, DeviceId, Ext, Kind, RoomId, Text, UserId};

use crate::auth::Authenticated;
use crate::store::{AuditRow, MemberState, NewEntry, WriteError, Writes};

/// Who does something, where, when and why.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deed<'a> {
    pub(super) who: &'a Authenticated,
    pub(super) room: RoomId,
    pub(super) now_ms: u64,
    pub(super) reason: Option<&'a Reason>,
}

/// An entry by which a log tells what was done.
pub(super) fn told(
    room: RoomId,
    now_ms: u64,
    author: Option<(UserId, DeviceId)>,
    kind: Kind,
    body: Vec<u8>,
) -> NewEntry {
    let body = Blob::new(body).expect("names, numbers and topics are far below the limit of a body");
    NewEntry { room, now_ms, author, message: None, kind, body, ext: Ext::default(), membership: None }
}

impl Deed<'_> {
    /// Tells it in the room's log, with the membership it changes.
    pub(super) fn note(
        &self,
        store: &mut dyn Writes,
        kind: Kind,
        body: Vec<u8>,
        membership: Option<(UserId, Option<MemberState>)>,
    ) -> Result<(), WriteError> {
        let author = Some((self.who.user(), self.who.device()));
        let ext = Ext { reason: self.reason.cloned(), ..Ext::default() };
        let entry = told(self.room, self.now_ms, author, kind, body);
        store.append(NewEntry { ext, membership, ..entry })?;
        Ok(())
    }

    /// Records it for those who moderate.
    pub(super) fn record(
        &self,
        store: &mut dyn Writes,
        act: Act,
        user: Option<UserId>,
        detail: Option<String>,
    ) -> Result<(), WriteError> {
        let row = AuditRow {
            at_ms: self.now_ms,
            act,
            by: Some(self.who.user()),
            room: Some(self.room),
            user,
            reason: self.reason.cloned(),
            detail: detail.map(Text::<DETAIL_BYTES_MAX>::cut),
        };
        Ok(store.put_audit(&row)?)
    }
}
