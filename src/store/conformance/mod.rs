//! What every store must do, asked through [`Storage`] as the server asks it.
//!
//! Each case runs on every store, with its calls on the pool and inline under paused time.

mod bots;
mod directory;
mod files;
mod log;
mod members;
mod moderation;
mod retention;
mod search;
mod settings;
mod unread;

use std::sync::{Arc, Mutex};

use quipu_protocol::request::{MembershipState, Notify, RoomRole, ServerRole, Visibility};
use quipu_protocol::{
    Blob, Cursor, DeviceId, Entry, Ext, Incarnation, Kind, MessageId, Nickname, RoomId, Seq, UserId,
};
use tempfile::TempDir;

use super::memory::MemoryStore;
use super::sqlite::{self, SqliteStore};
use super::{
    Appended, Blocking, Effect, MemberState, NewEntry, Observer, Placed, RoomRow, Settings, Storage, Store,
    StoredEntry, UserRow, WriteError,
};

macro_rules! conforms {
    ($($group:ident: $($case:ident),+;)+) => {
        conforms! { @on memory_inline, World::memory(Blocking::Inline), true; $($group: $($case),+;)+ }
        conforms! { @on memory_pool, World::memory(Blocking::Pool), false; $($group: $($case),+;)+ }
        conforms! { @on sqlite_inline, World::sqlite(Blocking::Inline), true; $($group: $($case),+;)+ }
        conforms! { @on sqlite_pool, World::sqlite(Blocking::Pool), false; $($group: $($case),+;)+ }
    };
    (@on $name:ident, $world:expr, $paused:literal; $($group:ident: $($case:ident),+;)+) => {
        mod $name {
            use super::*;
            $($(
                #[test]
                fn $case() {
                    block_on($paused, async { $group::$case($world).await });
                }
            )+)+
        }
    };
}

conforms! {
    log: order_is_dense_from_one, a_retry_gets_the_first_place, another_content_under_the_id_is_a_conflict,
        ids_are_the_authors_own, conditions_are_not_kept, time_never_goes_back, a_failed_job_leaves_no_trace,
        a_panic_harms_only_its_job, a_batch_is_observed_before_it_is_answered, pages_go_both_ways,
        what_was_answered_outlives_a_restart, an_erased_entry_is_empty_everywhere_and_unread_by_nobody, a_closed_store_refuses, the_last_handle_finishes_the_queue;
    members: joining_leaves_nothing_unread, markers_only_move_forward, only_joined_members_count,
        members_come_in_pages, rooms_of_an_account_are_counted;
    files: content_is_known_to_who_showed_it_and_to_who_reads_of_it,
        the_same_content_is_kept_once_and_goes_with_its_last_holder, content_goes_with_the_log_that_refers_to_it, uploads_that_nobody_goes_on_with_end;
    retention: a_trim_takes_the_oldest_in_small_steps_and_moves_markers,
        what_a_trim_takes_is_no_longer_among_the_words, what_a_room_keeps_says_where_its_log_begins,
        what_is_over_is_erased_in_order_of_time, a_message_takes_the_time_of_its_room_and_a_retry_is_the_same,
        message_ids_are_forgotten_after_their_time, a_deleted_room_is_gone_at_once_and_its_rows_in_steps,
        a_deleted_account_cannot_come_in_and_its_nickname_rests,
        where_somebody_was_is_kept_while_it_is_looked_up, what_is_about_something_that_went_is_still_somebodys,
        an_id_that_names_an_older_entry_is_remembered_from_when_it_came, what_somebody_wrote_comes_in_pages;
    bots: bots_are_found_by_owner, webhooks_are_found_by_hash_and_room, webhooks_end_with_their_bot;
    directory: rooms_are_found, rooms_come_in_pages, nicknames_are_unique, devices_are_found_by_key,
        invites_are_found_by_hash, invites_are_taken_back_together_and_forgotten_when_they_have_ended;
    moderation: settings_are_kept, one_sanction_of_a_kind_holds, as_what_somebody_left_is_kept,
        owners_in_use_are_counted, records_and_reports_are_found_by_room, purges_are_kept_until_they_are_done,
        rooms_somebody_wrote_in_are_known_also_when_it_is_erased;
    search: words_are_found_in_their_room_alone, what_changes_is_found_as_it_reads_now, an_undone_job_leaves_no_words,
        accents_and_scripts_without_spaces_are_found, authors_and_files_narrow_a_search, no_question_fails;
    settings: nothing_is_kept_that_the_settings_do_not_allow, a_receipt_only_moves_forward_and_ends_with_the_membership;
}

/// Runs a test on one thread with the time driver alone.
pub(super) fn block_on(paused: bool, test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(paused).build().unwrap().block_on(test);
}

/// A store, and what its observer saw.
pub(super) struct World {
    pub(super) storage: Storage,
    pub(super) seen: Arc<Seen>,
    blocking: Blocking,
    data: Data,
}

enum Data {
    Memory(MemoryStore),
    Folder(TempDir),
}

impl Data {
    fn store(&self) -> Box<dyn Store> {
        match self {
            Self::Memory(store) => Box::new(store.clone()),
            Self::Folder(folder) => Box::new(SqliteStore::open(folder.path()).unwrap()),
        }
    }
}

impl World {
    pub(super) fn memory(blocking: Blocking) -> Self {
        Self::with(Data::Memory(MemoryStore::new()), blocking)
    }

    pub(super) fn sqlite(blocking: Blocking) -> Self {
        Self::with(Data::Folder(tempfile::tempdir().unwrap()), blocking)
    }

    fn with(data: Data, blocking: Blocking) -> Self {
        let seen = Arc::new(Seen::default());
        let observer = Arc::clone(&seen) as Arc<dyn Observer>;
        let storage = Storage::start(data.store(), blocking, observer).unwrap();
        Self { storage, seen, blocking, data }
    }

    /// The same data after a stop and a start.
    pub(super) async fn restarted(self) -> Self {
        self.storage.close().await;
        Self::with(self.data, self.blocking)
    }

    /// A copy of what is there now, while it goes on; a store in memory has none.
    pub(super) fn backup(&self) -> Option<TempDir> {
        let Data::Folder(folder) = &self.data else { return None };
        let copy = tempfile::tempdir().unwrap();
        sqlite::snapshot(folder.path(), &copy.path().join("copy.db")).unwrap();
        Some(copy)
    }

    /// Another store, made from a copy, in the place of this one.
    pub(super) async fn restored(self, copy: &TempDir) -> Self {
        self.storage.close().await;
        let folder = tempfile::tempdir().unwrap();
        sqlite::revive(&copy.path().join("copy.db"), folder.path(), 99).unwrap();
        Self::with(Data::Folder(folder), self.blocking)
    }

    pub(super) async fn create(&self, room: RoomId) {
        let row = room_row(room);
        self.storage.write(move |writes| Ok(writes.insert_room(&row)?)).await.unwrap();
    }

    pub(super) async fn append(&self, new: NewEntry) -> Appended {
        self.storage.write(move |writes| Ok(writes.append(new)?)).await.unwrap()
    }

    pub(super) async fn set_member(&self, room: RoomId, user: UserId, member: Option<MemberState>) {
        self.storage.write(move |writes| Ok(writes.set_member(room, user, member)?)).await.unwrap();
    }

    pub(super) async fn log(&self, room: RoomId) -> Vec<StoredEntry> {
        self.storage
            .read(move |reads| reads.entries_after(room, Seq::ZERO, usize::MAX, usize::MAX))
            .await
            .unwrap()
    }

    /// An entry of the lobby as it reads now.
    pub(super) async fn entry(&self, seq: u64) -> Entry {
        self.storage.read(move |reads| reads.entry(LOBBY, Seq(seq))).await.unwrap().unwrap()
    }

    /// Unread entries of a joined member.
    pub(super) async fn unread(&self, room: RoomId, user: UserId) -> Option<u64> {
        let heads = self.storage.read(move |reads| reads.heads(user, Some(&[room]))).await.unwrap();
        heads.first().map(|head| head.unread)
    }
}

/// Remembers the positions of every batch.
#[derive(Default)]
pub(super) struct Seen(Mutex<Vec<(RoomId, Seq)>>);

impl Observer for Seen {
    fn committed(&self, effects: &[Effect]) {
        let entries = effects.iter().filter_map(Effect::appended);
        self.0.lock().unwrap().extend(entries.map(|entry| (entry.room, entry.seq)));
    }
}

impl Seen {
    pub(super) fn of(&self, room: RoomId) -> Vec<u64> {
        let seen = self.0.lock().unwrap();
        seen.iter().filter(|(seen, _)| *seen == room).map(|(_, seq)| seq.0).collect()
    }
}

pub(super) const LOBBY: RoomId = room(1);
pub(super) const ADA: UserId = user(1);
pub(super) const BOB: UserId = user(2);
pub(super) const JOINED: MemberState =
    MemberState { membership: MembershipState::JOINED, role: RoomRole::MEMBER, permissions: None };
pub(super) const INVITED: MemberState =
    MemberState { membership: MembershipState::INVITED, role: RoomRole::READER, permissions: None };

pub(super) const fn room(number: u8) -> RoomId {
    RoomId::from_bytes([number; 16])
}

pub(super) const fn user(number: u8) -> UserId {
    UserId::from_bytes([number; 16])
}

pub(super) fn message(number: u64) -> MessageId {
    MessageId::from_bytes(u128::from(number).to_be_bytes())
}

pub(super) fn room_row(room: RoomId) -> RoomRow {
    RoomRow {
        room,
        name: None,
        visibility: Visibility::PUBLIC,
        topic: None,
        direct: None,
        head: Cursor { incarnation: Incarnation(u64::MAX - 7), seq: Seq::ZERO },
        floor: Seq(1),
        members: 0,
        creator: Some(ADA),
        created_ms: 1_000,
        settings: Settings::default(),
    }
}

pub(super) fn user_row(user: UserId, nickname: &str) -> UserRow {
    UserRow {
        user,
        nickname: nickname.parse::<Nickname>().unwrap(),
        role: ServerRole::MEMBER,
        epoch: 3,
        created_ms: 4,
        deactivated_ms: None,
    }
}

/// A text of `author`, under the message id with this number.
pub(super) fn says(author: UserId, number: u64, text: &str) -> NewEntry {
    NewEntry {
        room: LOBBY,
        now_ms: 5_000,
        author: Some((author, DeviceId::from_bytes([9; 16]))),
        message: Some(message(number)),
        kind: Kind::TEXT,
        body: Blob::new(text.as_bytes().to_vec()).unwrap(),
        ext: Ext::default(),
        membership: None,
    }
}

/// A note of the server that `user` is `member` now.
pub(super) fn becomes(user: UserId, member: Option<MemberState>) -> NewEntry {
    NewEntry {
        author: None,
        message: None,
        kind: Kind::MEMBER,
        membership: Some((user, member)),
        ..says(user, 0, "")
    }
}

pub(super) fn place(appended: Appended) -> Placed {
    match appended {
        Appended::New(place) | Appended::Duplicate(place) => place,
        Appended::Conflict => panic!("a conflict has no place"),
    }
}

pub(super) fn refused<T: std::fmt::Debug>(outcome: Result<T, WriteError>) -> quipu_protocol::Code {
    match outcome {
        Err(WriteError::Refused(refusal)) => refusal.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}
