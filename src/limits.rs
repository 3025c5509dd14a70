//! Bounds of one server: units, reasons, and how they relate. Those of the wire are `quipu_protocol::limits`;
//! those an operator may move are in `config::Limits`.

use std::time::Duration;

use quipu_protocol::limits::{
    BACKLOG_ENTRIES_MAX, BODY_BYTES_MAX, ENTRY_OVERHEAD_BYTES_MAX, PAGE_ENTRIES_MAX,
};

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
/// Rooms, people and memberships an INBOX remembers as changed before it just says everything again.
pub const INBOX_DIRTY_MAX: usize = 1_024;
/// Least time between two writes to one INBOX: what changes more often is summed up.
pub const INBOX_INTERVAL: Duration = Duration::from_millis(200);
/// Typing notices a reader may miss when it is busy, in notices.
pub const TYPING_QUEUE: usize = 8;

/// Time a TLS handshake may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes at once: each costs a third of a millisecond of CPU.
pub const HANDSHAKES_MAX: usize = 256;
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
/// Life of a bot's invite: somebody is about to use it.
pub const BOT_INVITE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Webhooks into one room.
pub const HOOKS_PER_ROOM_MAX: usize = 64;
/// Members of one room.
pub const MEMBERS_MAX: u64 = 20_000;
/// Longest life of an invite.
pub const INVITE_LIFE_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Most uses of an invite.
pub const INVITE_USES_MAX: u64 = 1_000;

/// What a stopping server grants clients to finish reading.
pub const GRACE: Duration = Duration::from_secs(3);
/// What it grants after that to say goodbye.
pub const FAREWELL: Duration = Duration::from_secs(1);
// The process ends within five seconds of being asked.
const _: () = assert!(GRACE.as_secs() + FAREWELL.as_secs() < 5);
