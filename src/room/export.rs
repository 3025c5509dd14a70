//! What the server keeps about an account, as pages of records.
//!
//! ```text
//!   account ─▶ devices ─▶ memberships ─▶ invites ─▶ messages ─▶ (no next)     a place is a section and a key in it
//! ```
//!
//! Each page is one question of bounded size, so it sees its own moment. It is the asker's own account and no other:
//! an admin does not get to read what others were told in private.

use bytes::Bytes;
use quipu_protocol::entry::Erasure;
use quipu_protocol::limits::{EXPORT_PLACE_BYTES_MAX, PAGE_ENTRIES_MAX, ROWS_MAX};
use quipu_protocol::request::{
    DeviceInfo, ExportAccount, ExportRecord, Exported, ExportedAccount, ExportedMembership, ExportedMessage,
    InviteInfo,
};
use quipu_protocol::{
    Blob, Code, DeviceId, Entry, FrameDecoder, InviteId, List, Message, Refusal, RoomId, Seq, UserId,
};

use super::chat::Rooms;
use crate::auth::Authenticated;
use crate::limits::PAGE_BYTES_MAX;
use crate::store::{AuthoredPlace, Reads, StoreError, StoredEntry};

impl Rooms {
    /// A page of what is kept about the asker, and its records as frames.
    ///
    /// # Errors
    /// [`Code::BAD_REQUEST`] for a place that no page gave.
    pub async fn export(
        &self,
        who: &Authenticated,
        ask: ExportAccount,
    ) -> Result<(Exported, Vec<Bytes>), Refusal> {
        let odd = || Refusal::because(Code::BAD_REQUEST, "no page of an export ends there");
        let place = ask.after.as_deref().map_or(Some(Place::Account), Place::read).ok_or_else(odd)?;
        let (user, now_ms) = (who.user(), self.now_ms());
        let question = self.storage().read(move |store| page(store, user, place, now_ms));
        let (records, next) = question.await.map_err(|error| error.refusal())?;
        let exported = Exported { records: records.len() as u64, next: next.map(Place::written) };
        Ok((exported, records.into_iter().map(|record| record.to_frame()).collect()))
    }
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Account,
    Devices(Option<DeviceId>),
    Memberships(Option<RoomId>),
    Invites(Option<InviteId>),
    Messages(AuthoredPlace),
}

impl Place {
    fn written(self) -> Blob<EXPORT_PLACE_BYTES_MAX> {
        let (section, id, seq) = match self {
            Self::Account => (0, None, Seq::ZERO),
            Self::Devices(after) => (1, after.map(|id| *id.as_bytes()), Seq::ZERO),
            Self::Memberships(after) => (2, after.map(|id| *id.as_bytes()), Seq::ZERO),
            Self::Invites(after) => (3, after.map(|id| *id.as_bytes()), Seq::ZERO),
            Self::Messages(after) => (4, after.room.map(|id| *id.as_bytes()), after.seq),
        };
        let mut bytes = vec![section];
        bytes.extend(id.into_iter().flatten());
        if id.is_some() && section == 4 {
            bytes.extend(seq.0.to_be_bytes());
        }
        Blob::new(bytes).expect("a section, an id and a number are short")
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (section, rest) = bytes.split_first()?;
        let (id, rest) = match rest.first_chunk::<16>() {
            Some(id) => (Some(*id), &rest[16..]),
            None => (None, rest),
        };
        let seq = rest.try_into().map(|bytes| Seq(u64::from_be_bytes(bytes)));
        Some(match (section, id, rest.len(), seq) {
            (0, None, 0, _) => Self::Account,
            (1, id, 0, _) => Self::Devices(id.map(DeviceId::from_bytes)),
            (2, id, 0, _) => Self::Memberships(id.map(RoomId::from_bytes)),
            (3, id, 0, _) => Self::Invites(id.map(InviteId::from_bytes)),
            (4, None, 0, _) => Self::Messages(AuthoredPlace::default()),
            (4, Some(id), 8, Ok(seq)) => {
                Self::Messages(AuthoredPlace { room: Some(RoomId::from_bytes(id)), seq })
            }
            _ => return None,
        })
    }
}

type Section = Result<(Vec<ExportRecord>, Option<Place>), StoreError>;

fn page(store: &dyn Reads, user: UserId, place: Place, now_ms: u64) -> Section {
    match place {
        Place::Account => account(store, user),
        Place::Devices(after) => devices(store, user, after),
        Place::Memberships(after) => memberships(store, user, after),
        Place::Invites(after) => invites(store, user, after),
        Place::Messages(after) => messages(store, user, after, now_ms),
    }
}

/// The records of a section from its rows, of which there may be one more than a page takes.
fn section<T>(
    mut rows: Vec<T>,
    more: impl Fn(&T) -> Place,
    next: Place,
    record: impl Fn(T) -> ExportRecord,
) -> (Vec<ExportRecord>, Option<Place>) {
    let is_more = rows.len() > ROWS_MAX;
    rows.truncate(ROWS_MAX);
    let place = rows.last().filter(|_| is_more).map_or(next, more);
    (rows.into_iter().map(record).collect(), Some(place))
}

fn account(store: &dyn Reads, user: UserId) -> Section {
    let account = store.user(user)?.map(|row| ExportRecord {
        account: Some(ExportedAccount {
            user: row.user,
            nickname: row.nickname,
            role: row.role,
            created_ms: row.created_ms,
        }),
        ..ExportRecord::default()
    });
    Ok((account.into_iter().collect(), Some(Place::Devices(None))))
}

fn devices(store: &dyn Reads, user: UserId, after: Option<DeviceId>) -> Section {
    let rows = store.devices(user)?.into_iter().filter(|row| Some(row.device) > after).take(ROWS_MAX + 1);
    let more = |row: &crate::store::DeviceRow| Place::Devices(Some(row.device));
    Ok(section(rows.collect(), more, Place::Memberships(None), |row| ExportRecord {
        device: Some(DeviceInfo {
            device: row.device,
            name: row.name,
            created_ms: row.created_ms,
            seen_ms: row.seen_ms,
            online: false,
            revoked_ms: row.revoked_ms,
        }),
        ..ExportRecord::default()
    }))
}

fn memberships(store: &dyn Reads, user: UserId, after: Option<RoomId>) -> Section {
    let rows = store.rooms_of(user, after, ROWS_MAX + 1)?;
    let more =
        |(row, _): &(crate::store::RoomRow, crate::store::MemberRow)| Place::Memberships(Some(row.room));
    Ok(section(rows, more, Place::Invites(None), |(row, member)| ExportRecord {
        membership: Some(ExportedMembership {
            room: row.room,
            membership: member.state.membership,
            role: member.state.role,
            marker: member.marker,
            name: row.name,
        }),
        ..ExportRecord::default()
    }))
}

fn invites(store: &dyn Reads, user: UserId, after: Option<InviteId>) -> Section {
    let mut rows = Vec::new();
    for row in store.invites(Some(user), after, ROWS_MAX + 1)? {
        let redeemed_by = store.redeemed_by(row.invite, ROWS_MAX)?;
        rows.push((row, redeemed_by));
    }
    let more = |(row, _): &(crate::store::InviteRow, Vec<UserId>)| Place::Invites(Some(row.invite));
    Ok(section(rows, more, Place::Messages(AuthoredPlace::default()), |(row, redeemed_by)| ExportRecord {
        invite: Some(InviteInfo {
            invite: row.invite,
            uses_left: row.uses_left,
            expires_ms: row.expires_ms,
            revoked: row.revoked,
            redeemed_by: List::first(redeemed_by),
            created_by: row.created_by,
            room: row.room,
        }),
        ..ExportRecord::default()
    }))
}

fn messages(store: &dyn Reads, user: UserId, after: AuthoredPlace, now_ms: u64) -> Section {
    let (entries, next) = store.authored(user, after, PAGE_ENTRIES_MAX, PAGE_BYTES_MAX)?;
    let mut records = Vec::with_capacity(entries.len());
    for (room, stored) in entries {
        let entry = decoded(&stored)?;
        let entry = if entry.is_expired(now_ms) { entry.erased(Erasure::EXPIRED) } else { entry };
        let message = Some(ExportedMessage { room, entry });
        records.push(ExportRecord { message, ..ExportRecord::default() });
    }
    Ok((records, next.map(Place::Messages)))
}

fn decoded(stored: &StoredEntry) -> Result<Entry, StoreError> {
    let mut decoder = FrameDecoder::default();
    decoder.feed(&stored.frame);
    let entry = decoder.next_frame().ok().flatten().and_then(|frame| frame.decode().ok());
    entry.ok_or_else(|| StoreError::Damaged("an entry that is none".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_as_it_was_and_nothing_else_is_one() {
        let messages = AuthoredPlace { room: Some(RoomId::from_bytes([4; 16])), seq: Seq(u64::MAX) };
        for place in [
            Place::Account,
            Place::Devices(None),
            Place::Devices(Some(DeviceId::from_bytes([1; 16]))),
            Place::Memberships(Some(RoomId::from_bytes([2; 16]))),
            Place::Invites(Some(InviteId::from_bytes([3; 16]))),
            Place::Messages(AuthoredPlace::default()),
            Place::Messages(messages),
        ] {
            assert_eq!(Place::read(&place.written()), Some(place));
        }
        for odd in [&[][..], &[9], &[0, 1], &[1; 9], &[4; 18], &[2; 64]] {
            assert_eq!(Place::read(odd), None, "{odd:?}");
        }
    }
}
