//! A room as a cell wants it, and what a deed leaves behind there.

use quipu_protocol::entry::FileRef;
use quipu_protocol::request::{MembershipState, Permissions, RoomRole, Sanction, ServerRole, Visibility};
use quipu_protocol::{
    Blob, Code, Cursor, Draft, Ext, Incarnation, Kind, List, MessageId, RoomId, RoomName, Seq, Text,
    UploadId, UserId,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Cell, Standing, State, TARGETS, Target};
use crate::auth::Authenticated;
use crate::room::{Live, Rooms, rules};
use crate::seams::Seams;
use crate::store::memory::MemoryStore;
use crate::store::{
    Blocking, FileRow, Lane, MemberState, NewEntry, ReportRow, RoomRow, SanctionRow, Settings, Storage,
    UploadRow, UserRow, WriteError, Writes,
};

/// Explicit permissions of [`Standing::Trusted`].
pub(super) const TRUSTED: Permissions = Permissions::READ.or(Permissions::KICK).or(Permissions::MANAGE_ROLES);
/// Hash of the file that the first owner's message refers to.
pub(super) const FILE: [u8; 32] = [5; 32];
/// Longer than the test lasts.
const SLOW_MS: u64 = 600_000;
const MYSELF: UserId = UserId::from_bytes([1; 16]);

/// A server with one room in the state and with the people a cell needs; renewed when something was done.
pub(super) struct Stage {
    pub(super) rooms: Rooms,
    pub(super) asker: Authenticated,
    pub(super) room: RoomId,
    /// Something the first owner said.
    pub(super) said: Seq,
    standing: Standing,
    state: State,
    made: u64,
    _eraser: DropGuard,
}

impl Stage {
    pub(super) async fn new(role: ServerRole, standing: Standing, state: State) -> Self {
        let live = std::sync::Arc::new(Live::default());
        let storage = Storage::start(Box::new(MemoryStore::new()), Blocking::Inline, live.clone()).unwrap();
        let rooms = Rooms::new(storage, live, Seams::system());
        let (eraser, stopping) = (rooms.clone(), CancellationToken::new());
        let stop = stopping.clone();
        tokio::spawn(async move { eraser.erase_purged(stop).await });
        let asker = Authenticated::for_test(MYSELF, "asker", role);
        let is_out = |of| match of {
            Target::Owner => state == State::Orphaned,
            Target::Myself => standing == Standing::Deactivated,
            _ => false,
        };
        let people = TARGETS.map(|of| UserRow {
            user: user(of),
            nickname: format!("{of:?}").parse().unwrap(),
            role: if of == Target::Myself { role } else { ServerRole::MEMBER },
            epoch: 0,
            created_ms: 0,
            deactivated_ms: is_out(of).then_some(1),
        });
        let job =
            rooms.storage().write(move |store| Ok(people.iter().try_for_each(|row| store.put_user(row))?));
        job.await.unwrap();
        let room = RoomId::from_bytes([0; 16]);
        let mut stage = Self {
            rooms,
            asker,
            room,
            said: Seq(1),
            standing,
            state,
            made: 0,
            _eraser: stopping.drop_guard(),
        };
        stage.renew().await;
        stage
    }

    /// A new room like the one before.
    async fn renew(&mut self) {
        self.made += 1;
        let mut id = [9; 16];
        id[..8].copy_from_slice(&self.made.to_be_bytes());
        let before = std::mem::replace(&mut self.room, RoomId::from_bytes(id));
        let (row, standing, now_ms) = (self.row(), self.standing, self.rooms.now_ms());
        let job = self.rooms.storage().write(move |store| {
            // The room before would count among those the people are in.
            if store.room(before)?.is_some() {
                TARGETS.iter().try_for_each(|of| store.set_member(before, user(*of), None))?;
            }
            furnish(store, &row, standing, now_ms)?;
            Ok(store.room(row.room)?.map(|row| row.head.seq))
        });
        self.said = job.await.unwrap().unwrap();
        if self.state == State::Slow && self.asker_speaks() {
            self.speak().await;
        }
    }

    fn row(&self) -> RoomRow {
        let visibility = match self.state {
            State::Private => Visibility::PRIVATE,
            State::Direct => Visibility::DIRECT,
            _ => Visibility::PUBLIC,
        };
        RoomRow {
            room: self.room,
            name: Some(self.name()),
            visibility,
            topic: None,
            direct: None,
            head: Cursor { incarnation: Incarnation(1), seq: Seq::ZERO },
            floor: Seq(1),
            members: 0,
            creator: Some(user(Target::Owner)),
            created_ms: 0,
            settings: Settings {
                read_only: self.state == State::ReadOnly,
                invite_only: self.state == State::InviteOnly,
                slow_ms: if self.state == State::Slow { SLOW_MS } else { 0 },
            },
        }
    }

    pub(super) fn name(&self) -> RoomName {
        format!("room{}", self.made).parse().unwrap()
    }

    /// Whether the asker was heard when the room was made.
    fn asker_speaks(&self) -> bool {
        matches!(self.standing, Standing::Member | Standing::Muted | Standing::Moderator | Standing::Owner)
    }

    /// The asker's last word before the deed, whatever is decided about them afterwards.
    async fn speak(&self) {
        let entry = NewEntry {
            author: Some((MYSELF, self.asker.device())),
            ..said(self.room, Target::Myself, self.rooms.now_ms())
        };
        self.rooms.storage().write(move |store| Ok(store.append(entry).map(drop)?)).await.unwrap();
    }

    /// Publishes something, as a connection does: about what the first owner said, unless it is a message.
    pub(super) async fn send(&self, kind: Kind, body: &str) -> Option<Code> {
        let draft = Draft {
            room: self.room,
            message: MessageId::from_bytes(*self.room.as_bytes()),
            kind,
            body: Blob::new(body.as_bytes().to_vec()).unwrap(),
            ext: Ext { target: kind.has_target().then_some(self.said), ..Ext::default() },
        };
        let pending = self.rooms.publish(&self.asker, draft, &Lane::default()).await.unwrap();
        super::code(pending.await.map_err(WriteError::refusal))
    }

    /// A report of what the first owner said, by a member: waiting.
    pub(super) async fn reported(&self) -> u64 {
        let row = ReportRow {
            room: self.room,
            seq: self.said,
            author: user(Target::Owner),
            by: user(Target::Member),
            at_ms: 0,
            reason: quipu_protocol::Text::new("loud").unwrap(),
        };
        let room = self.room;
        let job = self.rooms.storage().write(move |store| {
            if store.reports(Some(room), 0, 1)?.is_empty() {
                store.put_report(&row)?;
            }
            Ok(store.reports(Some(room), 0, 1)?[0].0)
        });
        job.await.unwrap()
    }

    /// Does the cell's deed. Gives its outcome, and what is wrong with what it left behind.
    pub(super) async fn play(&mut self, cell: Cell) -> (Option<Code>, Option<&'static str>) {
        let before = self.traces().await;
        let outcome = cell.deed.ask(self, user(cell.target)).await;
        let after = self.traces().await;
        let complaint = match outcome {
            Some(_) if after != before => Some("a refused deed left something behind"),
            None if after.0 > before.0 && after.2 != Some(MYSELF) => Some("another one did it"),
            _ => None,
        };
        if after != before {
            self.renew().await;
        }
        (outcome, complaint)
    }

    /// Head of the log, number of records, and author of the newest entry.
    async fn traces(&self) -> (Seq, u64, Option<UserId>) {
        let room = self.room;
        let question = self.rooms.storage().read(move |store| {
            let head = store.room(room)?.map_or(Seq::ZERO, |row| row.head.seq);
            let newest = store.entry(room, head)?.and_then(|entry| entry.user);
            let record = store.audit(None, None, 1)?.first().map_or(0, |(record, _)| *record);
            Ok((head, record, newest))
        });
        question.await.unwrap()
    }
}

fn user(of: Target) -> UserId {
    if of == Target::Myself { MYSELF } else { UserId::from_bytes([100 + of as u8; 16]) }
}

fn said(room: RoomId, by: Target, now_ms: u64) -> NewEntry {
    let author = Some((user(by), quipu_protocol::DeviceId::from_bytes([1; 16])));
    let body = Blob::new(b"quiet".to_vec()).unwrap();
    NewEntry {
        room,
        now_ms,
        author,
        message: None,
        kind: Kind::TEXT,
        body,
        ext: Ext::default(),
        membership: None,
    }
}

/// The room, everybody who is in it, and something its first owner said.
fn furnish(store: &mut dyn Writes, row: &RoomRow, standing: Standing, now_ms: u64) -> Result<(), WriteError> {
    store.insert_room(row)?;
    let mut people = vec![(Target::Owner, Some(rules::joined(RoomRole::OWNER)))];
    if row.visibility != Visibility::DIRECT {
        people.extend([
            (Target::Reader, Some(rules::joined(RoomRole::READER))),
            (Target::Member, Some(rules::joined(RoomRole::MEMBER))),
            (Target::Moderator, Some(rules::joined(RoomRole::MODERATOR))),
        ]);
    }
    people.extend(memberships(standing).into_iter().map(|state| (Target::Myself, state)));
    for (of, state) in people {
        store.set_member(row.room, user(of), state)?;
    }
    let sanction = match standing {
        Standing::Banned => Some(Sanction::BAN),
        Standing::Muted => Some(Sanction::MUTE),
        _ => None,
    };
    if let Some(sanction) = sanction {
        let by = user(Target::Owner);
        let row = SanctionRow {
            room: row.room,
            user: MYSELF,
            sanction,
            by,
            at_ms: 0,
            until_ms: None,
            reason: None,
        };
        store.put_sanction(&row)?;
    }
    let (media_type, name) = (Text::new("text/plain").unwrap(), "quiet.txt".parse().unwrap());
    let hash = Blob::new(FILE.to_vec()).unwrap();
    let file = FileRef { hash, size: 1, name, media_type, width: None, height: None };
    let ext = Ext { files: Some(List::first(vec![file])), ..Ext::default() };
    bring_file(store, row.room, now_ms)?;
    store.append(NewEntry { ext, ..said(row.room, Target::Owner, now_ms) })?;
    Ok(())
}

fn bring_file(store: &mut dyn Writes, room: RoomId, now_ms: u64) -> Result<(), WriteError> {
    let file = FileRow { hash: FILE, size: 1, name: "05".to_owned() };
    let upload = UploadRow {
        user: user(Target::Owner),
        upload: UploadId::from_bytes([5; 16]),
        room,
        file,
        seen_ms: now_ms,
    };
    store.put_upload(&upload)?;
    Ok(store.put_file(&upload, u64::MAX)?)
}

/// What the asker was in the room, one after the other.
fn memberships(standing: Standing) -> Vec<Option<MemberState>> {
    let joined = |role| Some(rules::joined(role));
    match standing {
        Standing::Stranger => vec![],
        Standing::Invited => vec![Some(rules::invited())],
        Standing::Departed => vec![joined(RoomRole::MODERATOR), None],
        Standing::Banned => vec![joined(RoomRole::MEMBER), None],
        Standing::Reader => vec![joined(RoomRole::READER)],
        Standing::Member | Standing::Muted => vec![joined(RoomRole::MEMBER)],
        Standing::Trusted => vec![Some(MemberState {
            membership: MembershipState::JOINED,
            role: RoomRole::MEMBER,
            permissions: Some(TRUSTED),
        })],
        Standing::Moderator => vec![joined(RoomRole::MODERATOR)],
        Standing::Owner | Standing::Deactivated => vec![joined(RoomRole::OWNER)],
    }
}
