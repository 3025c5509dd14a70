//! What the server keeps about an account, as pages of records.
//!
//! ```text
//!   account ─▶ devices ─▶ memberships ─▶ invites ─▶ messages ─▶ what they said of others' ─▶ files
//!                                                                   a place is a section and a key in it
//! ```
//!
//! Each page is one question of bounded size, so it sees its own moment. It is the asker's own account and no other:
//! an admin does not get to read what others were told in private.

use bytes::Bytes;
use quipu_protocol::limits::{EXPORT_PLACE_BYTES_MAX, PAGE_ENTRIES_MAX, ROWS_MAX};
use quipu_protocol::request::{
    DeviceInfo, ExportAccount, ExportRecord, Exported, ExportedAccount, ExportedFile, ExportedMembership,
    ExportedMessage, InviteInfo, Settings,
};
use quipu_protocol::{Blob, Code, DeviceId, InviteId, List, Message, Refusal, RoomId, Seq, UserId};

use super::chat::Rooms;
use super::fading;
use crate::auth::Authenticated;
use crate::limits::PAGE_BYTES_MAX;
use crate::store::{AuthoredPlace, FileHash, Reads, RelationPlace, StoreError, StoredEntry};

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
        let (mut records, next) = question.await.map_err(|error| error.refusal())?;
        // A bot is told nothing of rooms outside of those it is held to, not even what it did there.
        records.retain(|record| room_of(record).is_none_or(|room| who.may_know(room)));
        let exported = Exported { records: records.len() as u64, next: next.map(Place::written) };
        Ok((exported, records.into_iter().map(|record| record.to_frame()).collect()))
    }
}

/// The room that a record is about.
fn room_of(record: &ExportRecord) -> Option<RoomId> {
    let membership = record.membership.as_ref().map(|membership| membership.room);
    membership.or(record.message.as_ref().map(|message| message.room))
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Account,
    Devices(Option<DeviceId>),
    Memberships(Option<RoomId>),
    Invites(Option<InviteId>),
    Messages(AuthoredPlace),
    Related(RelationPlace),
    Files(Option<FileHash>),
}

impl Place {
    fn written(self) -> Blob<EXPORT_PLACE_BYTES_MAX> {
        let id = |id: Option<[u8; 16]>| id.map_or_else(Vec::new, |id| id.to_vec());
        let (section, key) = match self {
            Self::Account => (0, Vec::new()),
            Self::Devices(after) => (1, id(after.map(|id| *id.as_bytes()))),
            Self::Memberships(after) => (2, id(after.map(|id| *id.as_bytes()))),
            Self::Invites(after) => (3, id(after.map(|id| *id.as_bytes()))),
            Self::Messages(AuthoredPlace { room, seq }) => (4, in_room(room, &[seq.0])),
            Self::Related(RelationPlace { room, target, kind, seq }) => {
                (5, in_room(room, &[target.0, kind, seq.0]))
            }
            Self::Files(after) => (6, after.map_or_else(Vec::new, |hash| hash.to_vec())),
        };
        let bytes = [vec![section], key].concat();
        Blob::new(bytes).expect("a section, an id and three numbers, or a hash, are short")
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (section, key) = bytes.split_first()?;
        let is_first = key.is_empty();
        let id = || if is_first { Some(None) } else { <[u8; 16]>::try_from(key).ok().map(Some) };
        Some(match section {
            0 => return is_first.then_some(Self::Account),
            1 => Self::Devices(id()?.map(DeviceId::from_bytes)),
            2 => Self::Memberships(id()?.map(RoomId::from_bytes)),
            3 => Self::Invites(id()?.map(InviteId::from_bytes)),
            4 if is_first => Self::Messages(AuthoredPlace::default()),
            4 => {
                let (room, [seq]) = of_room(key)?;
                Self::Messages(AuthoredPlace { room: Some(room), seq: Seq(seq) })
            }
            5 if is_first => Self::Related(RelationPlace::default()),
            5 => {
                let (room, [target, kind, seq]) = of_room(key)?;
                Self::Related(RelationPlace { room: Some(room), target: Seq(target), kind, seq: Seq(seq) })
            }
            6 if is_first => Self::Files(None),
            6 => Self::Files(Some(key.try_into().ok()?)),
            _ => return None,
        })
    }
}

/// The key of a place in a room; nothing before the first room.
fn in_room(room: Option<RoomId>, numbers: &[u64]) -> Vec<u8> {
    let Some(room) = room else { return Vec::new() };
    let numbers = numbers.iter().flat_map(|number| number.to_be_bytes());
    room.as_bytes().iter().copied().chain(numbers).collect()
}

fn of_room<const N: usize>(key: &[u8]) -> Option<(RoomId, [u64; N])> {
    let (room, rest) = key.split_first_chunk::<16>()?;
    let mut numbers = [0; N];
    if rest.len() != N * 8 {
        return None;
    }
    for (number, bytes) in numbers.iter_mut().zip(rest.chunks_exact(8)) {
        *number = u64::from_be_bytes(bytes.try_into().ok()?);
    }
    Some((RoomId::from_bytes(*room), numbers))
}

type Section = Result<(Vec<ExportRecord>, Option<Place>), StoreError>;

fn page(store: &dyn Reads, user: UserId, place: Place, now_ms: u64) -> Section {
    match place {
        Place::Account => account(store, user),
        Place::Devices(after) => devices(store, user, after),
        Place::Memberships(after) => memberships(store, user, after),
        Place::Invites(after) => invites(store, user, after),
        Place::Messages(after) => messages(store, user, after, now_ms),
        Place::Related(after) => related(store, user, after, now_ms),
        Place::Files(after) => files(store, user, after),
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
    let kept = store.account_settings(user)?;
    let account = store.user(user)?.map(|row| ExportRecord {
        account: Some(ExportedAccount {
            user: row.user,
            nickname: row.nickname,
            role: row.role,
            created_ms: row.created_ms,
            seen_ms: kept.seen_ms,
        }),
        ..ExportRecord::default()
    });
    let settings = Settings { receipts: Some(kept.receipts), last_seen: Some(kept.last_seen) };
    let settings = ExportRecord { settings: Some(settings), ..ExportRecord::default() };
    Ok((account.into_iter().chain([settings]).collect(), Some(Place::Devices(None))))
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
    let next = next.map_or(Place::Related(RelationPlace::default()), Place::Messages);
    Ok((said(entries, now_ms)?, Some(next)))
}

fn related(store: &dyn Reads, user: UserId, after: RelationPlace, now_ms: u64) -> Section {
    let (entries, next) = store.related(user, after, PAGE_ENTRIES_MAX, PAGE_BYTES_MAX)?;
    Ok((said(entries, now_ms)?, Some(next.map_or(Place::Files(None), Place::Related))))
}

fn said(entries: Vec<(RoomId, StoredEntry)>, now_ms: u64) -> Result<Vec<ExportRecord>, StoreError> {
    let mut records = Vec::with_capacity(entries.len());
    for (room, stored) in entries {
        let entry = fading::shown(stored.entry()?, now_ms);
        let message = Some(ExportedMessage { room, entry });
        records.push(ExportRecord { message, ..ExportRecord::default() });
    }
    Ok(records)
}

fn files(store: &dyn Reads, user: UserId, after: Option<FileHash>) -> Section {
    let mut rows = store.held_files(user, after, ROWS_MAX + 1)?;
    let is_more = rows.len() > ROWS_MAX;
    rows.truncate(ROWS_MAX);
    let next = rows.last().filter(|_| is_more).map(|(hash, _)| Place::Files(Some(*hash)));
    let record = |(hash, size): (FileHash, u64)| {
        let hash = Blob::new(hash.to_vec()).expect("a hash has the bytes of one");
        ExportRecord { file: Some(ExportedFile { hash, size }), ..ExportRecord::default() }
    };
    Ok((rows.into_iter().map(record).collect(), next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_as_it_was_and_nothing_else_is_one() {
        let messages = AuthoredPlace { room: Some(RoomId::from_bytes([4; 16])), seq: Seq(u64::MAX) };
        let related = RelationPlace { room: messages.room, target: Seq(7), kind: 3, seq: Seq(9) };
        for place in [
            Place::Account,
            Place::Devices(None),
            Place::Devices(Some(DeviceId::from_bytes([1; 16]))),
            Place::Memberships(Some(RoomId::from_bytes([2; 16]))),
            Place::Invites(Some(InviteId::from_bytes([3; 16]))),
            Place::Messages(AuthoredPlace::default()),
            Place::Messages(messages),
            Place::Related(RelationPlace::default()),
            Place::Related(related),
            Place::Files(None),
            Place::Files(Some([5; 32])),
        ] {
            assert_eq!(Place::read(&place.written()), Some(place));
        }
        for odd in [&[][..], &[9], &[0, 1], &[1; 9], &[4; 18], &[5; 25], &[6; 9], &[2; 64]] {
            assert_eq!(Place::read(odd), None, "{odd:?}");
        }
    }
}
