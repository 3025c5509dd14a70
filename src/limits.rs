//! Bounds of one server: units, reasons, and how they relate. Those of the wire are `quipu_protocol::limits`;
//! those an operator may move are in `config::Limits`.

use std::time::Duration;

use quipu_protocol::limits::{
    BACKLOG_ENTRIES_MAX, BODY_BYTES_MAX, ENTRY_OVERHEAD_BYTES_MAX, PAGE_ENTRIES_MAX, RECEIPTS_MAX,
};

use crate::store::{BATCH_JOBS_MAX, JOBS_QUEUED_MAX};

/// Entries a room with readers keeps in memory. Rooms without readers keep none.
pub const TAIL_ENTRIES_MAX: usize = 2_048;
/// Bytes of them, so that long messages do not make a tail large.
pub const TAIL_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Entries all authors of one room may publish in a second, unless the operator says otherwise.
pub const ROOM_PUBLISHES_PER_SECOND: u32 = 200;
/// How long a healthy reader may hang, a change of network say, and still be served from memory.
pub const READER_FORGIVEN: Duration = Duration::from_secs(10);
// Retention and author rate are one decision: the tail outlasts what may be said while a reader hangs.
const _: () =
    assert!(ROOM_PUBLISHES_PER_SECOND as u64 * READER_FORGIVEN.as_secs() <= TAIL_ENTRIES_MAX as u64);
const _: () = assert!(TAIL_ENTRIES_MAX as u64 <= BACKLOG_ENTRIES_MAX);

/// Entries a reader is given in one write.
pub const BATCH_ENTRIES_MAX: usize = 256;
/// Bytes a reader is given in one write, beyond the first entry.
pub const BATCH_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a page of history, beyond the first entry.
pub const PAGE_BYTES_MAX: usize = 256 * 1024;
const _: () = assert!(BATCH_ENTRIES_MAX <= PAGE_ENTRIES_MAX);
const _: () = assert!(BODY_BYTES_MAX + ENTRY_OVERHEAD_BYTES_MAX <= BATCH_BYTES_MAX);

/// Online members of a room to which presence and typing are told; larger rooms do without.
pub const PRESENCE_MEMBERS_MAX: usize = 200;
/// Members of a room in which receipts are told: all of them fit one frame.
pub const RECEIPTS_MEMBERS_MAX: u64 = RECEIPTS_MAX as u64;
/// What "last seen" is rounded down to, in milliseconds: ten minutes. So it is also written at most that often.
pub const LAST_SEEN_GRAIN_MS: u64 = 10 * 60 * 1_000;
/// How often a minute one connection may say that it is idle, away or back: each may be told in all its rooms.
pub const PRESENCE_CHANGES_PER_MINUTE: u32 = 12;
/// Jobs that wait for the store from which on presence, receipts and typing are held back: half a batch waits behind
/// the one under way, so messages are late already.
pub const LOADED_JOBS: usize = BATCH_JOBS_MAX / 2;
const _: () = assert!(LOADED_JOBS < JOBS_QUEUED_MAX);
/// An INBOX whose client took longer than this for a write is behind: it is told no presence until it has caught up.
pub const INBOX_BEHIND: Duration = Duration::from_secs(1);
/// How long presence that was held back waits for a better moment.
pub const HELD_BACK: Duration = Duration::from_secs(1);
/// Rooms, people and memberships an INBOX remembers as changed before it just says everything again.
pub const INBOX_DIRTY_MAX: usize = 1_024;
/// Least time between two writes to one INBOX: what changes more often is summed up.
pub const INBOX_INTERVAL: Duration = Duration::from_millis(200);
/// Typing notices a second of one connection, and at once.
pub const TYPING_PER_SECOND: u32 = 1;
/// See [`TYPING_PER_SECOND`].
pub const TYPING_BURST: u32 = 8;
/// Least time between two typing notices of one connection in one room: a client sends one every three seconds.
pub const TYPING_INTERVAL: Duration = Duration::from_secs(2);
/// Typing notices a reader may miss when it is busy, in notices.
pub const TYPING_QUEUE: usize = 8;

/// Connections of one account, on all its devices: each may make the server keep two megabytes.
pub const CONNECTIONS_PER_USER_MAX: usize = 32;
/// How often is looked for connections that make work which leads to nothing.
pub const EXCESS_INTERVAL: Duration = Duration::from_secs(5);
/// Frames of QUIC without any content (PING, RESET_STREAM, PATH_CHALLENGE, MAX_DATA and the like, and datagrams) that one
/// connection may send in that time before it is closed: a few times what the fastest download has cause for.
pub const EXCESS_FRAMES_MAX: u64 = 20_000;
/// Time a TLS handshake may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Strangers at once from which on newcomers must prove their address, however many more there may be: what forged addresses
/// can fill is a small part of all places.
pub const UNPROVEN_MAX: usize = 128;
/// Tokens one connection may ask for in a minute, by Redeem or Refresh. A client needs one a day.
pub const TOKENS_PER_MINUTE: u32 = 6;
/// Least time between two lines of the log about those who were not let in: strangers fill no disk.
pub const REFUSAL_LINES_EVERY: Duration = Duration::from_secs(1);
/// Refused attempts to authenticate on one connection before it is closed.
pub const AUTH_FAILURES_MAX: u32 = 3;
/// Time to wait for credit to open a stream to a client.
pub const OPEN_TIMEOUT: Duration = Duration::from_secs(2);
/// Time a client has to take one write; then its stream is reset, and with CONTROL the connection ends.
pub const STREAM_STALL_MAX: Duration = Duration::from_secs(60);
/// A connection whose INBOX does not move for so long is closed.
pub const CONNECTION_STALL_MAX: Duration = Duration::from_secs(120);
/// Time a client has to send its whole request.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// Requests of one connection at once.
pub const REQUESTS_MAX: usize = 16;
/// Pages of history one connection may have under way; a further one waits. Each is memory until the client takes it.
pub const HISTORIES_MAX: usize = 2;
/// Requests a second of one connection in the long run, and at once.
pub const REQUESTS_PER_SECOND: u32 = 50;
/// See [`REQUESTS_PER_SECOND`].
pub const REQUESTS_BURST: u32 = 200;
/// Broken streams a minute of one connection before it is closed.
pub const STREAM_FAULTS_PER_MINUTE: u32 = 8;
/// Searches of all connections at once, fewer than there are readers: reading does not wait for searching.
pub const SEARCHES_MAX: usize = 2;
/// Entries one search passes over in the index before it says where it stands: up to a twentieth of a microsecond each.
pub const SEARCH_ENTRIES_MAX: u64 = 1 << 18;
/// What a question of the index costs of them, whatever it passes over: half a millisecond in a large index.
pub const SEARCH_QUESTION_ENTRIES: u64 = 1 << 13;
/// Messages one search reads to look whether they match: some ten microseconds each.
pub const SEARCH_READS_MAX: usize = 1_024;
/// Entries of an earlier version that are brought into the index of words in one job: what people say waits as long.
pub const INDEX_STEP_ENTRIES: usize = 256;
/// Failed redemptions a minute from one network prefix.
pub const REDEEM_FAILURES_PER_MINUTE: u32 = 20;
/// Rooms one account has joined. Invitations do not count: others make those.
pub const ROOMS_PER_USER_MAX: usize = 1_000;
/// Rooms one account may ever have made, direct ones among them: a room and its name stay when everybody has left.
pub const ROOMS_MADE_MAX: usize = 1_000;
/// Invitations to rooms that wait for one account. Whoever would add one more is refused, not the account.
pub const INVITATIONS_MAX: usize = 100;
/// Devices of one account that are not revoked.
pub const DEVICES_PER_USER_MAX: usize = 64;
/// Bots of one owner that are not revoked.
pub const BOTS_PER_USER_MAX: u64 = 16;
/// Bots one owner may ever have made: a revoked one stays an account, and keeps its nickname.
pub const BOTS_MADE_MAX: u64 = 100;
/// Life of a bot's invite: somebody is about to use it.
pub const BOT_INVITE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Rooms whose rate of writing is remembered.
pub const ROOM_RATES_MAX: usize = 10_000;
/// Accounts whose rate of writing is remembered.
pub const AUTHOR_RATES_MAX: usize = 10_000;
/// Longest wait for a turn to write that is waited for. Where a room would let somebody wait longer, they are told to come
/// later: by then they could as well have tried again. An answer comes long before a client gives up on it.
pub const OWED_MAX: Duration = Duration::from_secs(10);
/// Webhooks whose rate is remembered.
pub const HOOK_RATES_MAX: usize = 10_000;
/// Webhooks into one room.
pub const HOOKS_PER_ROOM_MAX: usize = 64;
/// Members of one room.
pub const MEMBERS_MAX: u64 = 20_000;
/// Acts on accounts the server remembers, and apart from them ends of rooms; the oldest go first.
pub const AUDIT_RECORDS_MAX: u64 = 100_000;
/// Acts in one room it remembers. They displace each other and nothing else: whoever owns a room makes as many as they like.
pub const AUDIT_RECORDS_PER_ROOM_MAX: u64 = 1_000;
/// Reports of one account that wait for a moderator.
pub const REPORTS_MAX: u64 = 50;
/// Longest ban or mute with an end: what shall last longer has none.
pub const SANCTION_LIFE_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Slowest slow mode.
pub const SLOW_MODE_MAX: Duration = Duration::from_secs(6 * 60 * 60);
/// Time in which the same sanction by the same asker is the same question asked again.
pub const SANCTION_AGAIN: Duration = Duration::from_secs(60);
/// Entries a purge looks at in one step.
pub const PURGE_ENTRIES_MAX: usize = 500;
/// Entries a purge erases in one job: between two of them everybody else writes.
pub const PURGE_ERASED_MAX: usize = 64;
/// Rooms a purge of everything looks at in one step.
pub const PURGE_ROOMS_MAX: usize = 64;
/// Bytes of a file that are read or written at once, and what a transfer holds in memory.
pub const FILE_CHUNK_BYTES: usize = 64 * 1024;
/// Bytes of files a second of one connection, in both directions together: faster ones would be felt in what people say,
/// see docs/PERFORMANCE.md.
pub const FILE_BYTES_PER_SECOND: u64 = 16 * 1024 * 1024;
/// Bytes of an upload that may wait for the disk: what a commit of chat might have to wait for behind them.
pub const FILE_SYNC_BYTES: u64 = 256 * 1024;
/// Uploads of one connection at once; a further one is refused.
pub const UPLOADS_MAX: usize = 2;
/// Downloads of one connection at once; a further one is refused.
pub const DOWNLOADS_MAX: usize = 4;
/// Those of them whose content is on its way, the others wait: each may fill what a client grants one stream, and all
/// together must leave room in the connection's send window for what people say.
pub const DOWNLOADS_FLOWING_MAX: usize = 1;
/// Bytes of a download between two looks at whether the right to it is still there.
pub const FILE_RIGHT_BYTES: u64 = 4 * 1024 * 1024;
/// Uploads of one account that are not finished.
pub const UPLOADS_PER_USER_MAX: u64 = 64;
/// How long an upload waits to be gone on with, and what was uploaded waits for a message that refers to it.
pub const UPLOAD_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// How often files are looked for whose time is over.
pub const TIDY_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Files that are let go in one transaction.
pub const FILES_TIDIED_MAX: usize = 256;
const _: () = assert!(DOWNLOADS_FLOWING_MAX <= DOWNLOADS_MAX);
/// Longest life of an invite.
pub const INVITE_LIFE_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Most uses of an invite.
pub const INVITE_USES_MAX: u64 = 1_000;
/// Invites of one account, those that ended as long as they are remembered.
pub const INVITES_MADE_MAX: u64 = 1_000;
/// How long an invite that ended is remembered: whoever lost the answer to Redeem asks again within that.
pub const INVITE_REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Rows one job of the sweeper changes: few enough that a message behind it waits a few milliseconds.
pub const SWEEP_ROWS_MAX: usize = 256;
/// Rooms one job takes a deleted account out of. Each is an entry.
pub const SWEEP_ROOMS_MAX: usize = 16;
/// Pages of 4 KiB one job gives back to the disk.
pub const SWEEP_PAGES_MAX: u64 = 512;
/// How often the sweeper looks at all rooms: what is beyond retention stays at most that much longer.
pub const SWEEP_ROUND: Duration = Duration::from_secs(60);

/// Bytes of the log that wait for whoever reads stderr: some thousand lines. What finds no room is counted and told.
pub const LOG_BYTES_MAX: usize = 256 * 1024;

/// What a stopping server grants clients to finish reading.
pub const GRACE: Duration = Duration::from_secs(3);
/// What it grants after that to say goodbye.
pub const FAREWELL: Duration = Duration::from_secs(1);
// The process ends within five seconds of being asked.
const _: () = assert!(GRACE.as_secs() + FAREWELL.as_secs() < 5);
