//! Bounds and times of the client, each with its unit and its reason, and how they relate.
//!
//! Those both peers must know are in [`quipu_protocol::limits`].

use std::time::Duration;

use quipu_protocol::limits::{BODY_BYTES_MAX, IDLE_TIMEOUT_MS, PUBLISHES_IN_FLIGHT_MAX, ROOMS_OPEN_MAX};

/// Shortest longest wait before dialling again: the first failure.
pub(crate) const BACKOFF_MIN: Duration = Duration::from_millis(250);
/// Longest wait before dialling again.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A connection that lasted so long was a good one: waiting starts small again.
pub(crate) const GOOD_CONNECTION: Duration = Duration::from_secs(60);
/// How often in a row the server may break the protocol before we stop asking.
pub(crate) const PROTOCOL_ERRORS_MAX: u32 = 3;

/// How long one attempt to connect may take, all addresses together.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(8);
/// Head start of one address over the next (RFC 8305 section 5 says 250 ms).
pub(crate) const DIAL_STAGGER: Duration = Duration::from_millis(250);
/// When the first address is tried once more: its first packets may all be lost.
pub(crate) const DIAL_AGAIN: Duration = Duration::from_secs(3);
/// Addresses tried at most in one attempt.
pub(crate) const DIAL_ADDRESSES_MAX: usize = 4;
/// How long Hello, Redeem, Refresh and Auth may take together.
pub(crate) const AUTH_TIMEOUT: Duration = Duration::from_secs(8);
/// How long a server that refused us has to close the connection, which says more than the refusal does.
pub(crate) const VERDICT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a closing connection may take to say so.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// A silent connection says something this often: address translators forget a flow after about 30 s.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The same while a publish is unanswered: anything new breaks the doubling of retransmission timers.
pub(crate) const NUDGE: Duration = Duration::from_secs(1);
/// Least time a moved connection has to show life before a fresh one is made.
pub(crate) const PATH_TIMEOUT_MIN: Duration = Duration::from_secs(2);
/// Round trips it has at least.
pub(crate) const PATH_ROUND_TRIPS: u32 = 3;

/// How long a stream may wait for the server's leave to open it, or for its first bytes.
pub(crate) const STREAM_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take when nobody said otherwise.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes taken from a stream at once.
pub(crate) const READ_BYTES_MAX: usize = 32 * 1024;
/// Streams the server may have open towards us: rooms, the inbox, and some that are just ending.
pub(crate) const UNI_STREAMS_MAX: u32 = 40;
/// Least time before a room that refused a message for now is tried again, whatever it says.
pub(crate) const HOLD_MIN: Duration = Duration::from_millis(100);
/// And the longest: what made it refuse may be over sooner than it said.
pub(crate) const HOLD_MAX: Duration = Duration::from_secs(120);
/// Publishes in flight at most, whatever the server allows.
pub(crate) const IN_FLIGHT_MAX: usize = 64;
/// Frames waiting to go out on CONTROL.
pub(crate) const CONTROL_FRAMES_MAX: usize = 8;

/// Bytes of a file read, hashed or sent at once.
pub(crate) const FILE_CHUNK_BYTES: usize = 64 * 1024;
/// How long one step of a transfer may take: a piece behind everything people say, or a large file's way to the disk.
pub(crate) const FILE_TIMEOUT: Duration = Duration::from_secs(60);

/// Events kept for whoever takes them late.
pub(crate) const EVENTS_MAX: usize = 10_000;
/// And their bodies, in bytes.
pub(crate) const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// From here on untaken events make rooms wait.
pub(crate) const EVENTS_HIGH: usize = EVENTS_MAX / 2;
/// The same in bytes: the rest is for what all open rooms tell at once.
pub(crate) const EVENT_BYTES_HIGH: usize = EVENT_BYTES_MAX / 2;
/// Entries of a room kept and told together.
pub(crate) const BATCH_ENTRIES: usize = 128;
/// And bytes of their bodies, from which on they are told.
pub(crate) const BATCH_BYTES: usize = 128 * 1024;
/// How long a room waits for events to be taken before it goes on and the oldest are lost.
pub(crate) const EVENTS_PATIENCE: Duration = Duration::from_secs(5);

/// Messages in the outbox.
pub(crate) const OUTBOX_MAX: u64 = 10_000;
/// Outcomes of messages remembered, of those sent and of those refused, so that an id used again is recognised.
pub(crate) const OUTCOMES_MAX: u64 = 10_000;
/// Entries of one room kept in the profile.
pub(crate) const CACHED_ENTRIES_MAX: u64 = 20_000;
/// Rooms whose heads are kept in memory: more than anybody joins.
pub(crate) const HEADS_KEPT_MAX: usize = 10_000;
/// Least time between two typing notices in one room: each holds for twice as long.
pub(crate) const TYPING_EVERY: Duration = Duration::from_secs(3);
/// Entries asked for when a profile resumes a room it never had open.
pub(crate) const FIRST_LOOK_ENTRIES: u64 = 500;

const _: () = assert!(EVENTS_HIGH + ROOMS_OPEN_MAX * BATCH_ENTRIES <= EVENTS_MAX);
const _: () = assert!(EVENT_BYTES_HIGH + ROOMS_OPEN_MAX * (BATCH_BYTES + BODY_BYTES_MAX) <= EVENT_BYTES_MAX);
const _: () = assert!(UNI_STREAMS_MAX as usize > ROOMS_OPEN_MAX);
const _: () = assert!(IN_FLIGHT_MAX <= PUBLISHES_IN_FLIGHT_MAX);
const _: () = assert!(KEEP_ALIVE.as_millis() as u64 * 3 <= IDLE_TIMEOUT_MS);
const _: () = assert!(DIAL_AGAIN.as_millis() < DIAL_TIMEOUT.as_millis());
