//! Every bound of the wire, with its unit and its reason, and how the bounds relate.
//!
//! Bounds of one server or one client live in their own `limits.rs`; these are the ones both must know.

/// Largest payload of a frame, in bytes: a page of a list, a full message with room to spare.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Largest payload of a frame from a client on CONTROL, in bytes: a token and a proof with room to spare. Strangers send these.
pub const CONTROL_BYTES_MAX: usize = 4 * 1024;
/// Largest body of an entry, in bytes: several screens of text.
pub const BODY_BYTES_MAX: usize = 16 * 1024;
/// All of an entry that is not its body, in bytes: ids, numbers and a full [`crate::Ext`].
pub const ENTRY_OVERHEAD_BYTES_MAX: usize = 4 * 1024;
/// Largest datagram payload, in bytes: it must fit the smallest QUIC packet (RFC 9000 section 14.1).
pub const DATAGRAM_BYTES_MAX: usize = 1_100;

/// Deepest nesting of arrays and maps in a frame. Our deepest message uses five.
pub const CBOR_DEPTH_MAX: usize = 8;
/// Most pairs in one map: duplicates are looked for pair by pair, so the square of this is work per map.
pub const MAP_ENTRIES_MAX: usize = 64;
/// Most items in one array, anywhere on the wire.
pub const ARRAY_ITEMS_MAX: usize = 512;

/// Rooms one connection may have open, each of them a ROOM stream that costs both ends memory.
pub const ROOMS_OPEN_MAX: usize = 32;
/// Rooms named in one Subscribe request.
pub const SUBSCRIBE_ROOMS_MAX: usize = 32;
/// PUBLISH streams one connection may have open.
pub const PUBLISH_STREAMS_MAX: usize = 4;
/// Publishes one PUBLISH stream may have unanswered before the server stops reading it.
pub const PUBLISHES_IN_FLIGHT_MAX: usize = 256;
/// Entries in one page of history.
pub const PAGE_ENTRIES_MAX: usize = 500;
/// Entries the server replays to a subscriber before it answers with a gap instead.
pub const BACKLOG_ENTRIES_MAX: u64 = 5_000;
/// Rows in one answer that lists rooms, members, devices, invites or users.
pub const ROWS_MAX: usize = 64;
/// Rooms in one Heads frame of the INBOX.
pub const HEADS_MAX: usize = 64;
/// People in one Presence frame of the INBOX.
pub const PRESENCE_MAX: usize = 256;
/// Receipts in one answer, or in one Receipts frame of the INBOX: larger rooms tell none.
pub const RECEIPTS_MAX: usize = 64;
/// People mentioned in one message.
pub const MENTIONS_MAX: usize = 32;
/// Files of one message.
pub const FILES_MAX: usize = 8;
/// Entries in one answer that lists files: each may have several, with long names.
pub const FILE_ENTRIES_MAX: usize = 24;
/// Longest name of a file, in bytes.
pub const FILE_NAME_BYTES_MAX: usize = 128;
/// Longest media type, in bytes.
pub const MEDIA_TYPE_BYTES_MAX: usize = 64;
/// Longest emoji or word of a reaction, in bytes of UTF-8: a family of four with skin tones, or a short word.
pub const EMOJI_BYTES_MAX: usize = 32;
/// Different emoji on one message; how many people chose each does not matter.
pub const EMOJI_PER_ENTRY_MAX: usize = 32;
/// Edits of one message: all of them are erased together with it, in one step.
pub const EDITS_MAX: usize = 100;
/// Pinned messages of one room: the list is one answer.
pub const PINS_MAX: usize = 50;
/// Longest text of a search, in bytes.
pub const SEARCH_BYTES_MAX: usize = 256;
/// Rooms one search may be limited to.
pub const SEARCH_ROOMS_MAX: usize = 32;
/// Messages in one answer to a search.
pub const HITS_MAX: usize = 64;
/// Longest part of a message that an answer to a search shows, in bytes.
pub const SNIPPET_BYTES_MAX: usize = 256;
/// Places that are marked in such a part.
pub const SNIPPET_MATCHES_MAX: usize = 16;
/// Words a search could not look up, and is told.
pub const IGNORED_MAX: usize = 16;
/// Rooms a bot may be held to.
pub const BOT_ROOMS_MAX: usize = 32;
/// Feature ids in a Hello.
pub const FEATURES_MAX: usize = 64;

/// Longest room name, nickname, device name and topic, in bytes of UTF-8.
pub const ROOM_NAME_BYTES_MAX: usize = 64;
/// See [`ROOM_NAME_BYTES_MAX`].
pub const NICKNAME_BYTES_MAX: usize = 32;
/// See [`ROOM_NAME_BYTES_MAX`].
pub const DEVICE_NAME_BYTES_MAX: usize = 64;
/// See [`ROOM_NAME_BYTES_MAX`].
pub const TOPIC_BYTES_MAX: usize = 512;
/// Longest text of somebody who is away, in bytes: half a line. See [`PRESENCE_MAX`] for how many fit a frame.
pub const AWAY_TEXT_BYTES_MAX: usize = 128;
/// Longest explanation in an error or a notice, in bytes: a sentence.
pub const TEXT_BYTES_MAX: usize = 512;
/// Longest remark of what exactly was done, in bytes: a few words and numbers.
pub const DETAIL_BYTES_MAX: usize = 96;
/// Longest name a peer gives its program, in bytes.
pub const AGENT_BYTES_MAX: usize = 64;
/// Longest `host:port` a Goaway may point to, in bytes: a full DNS name and a port.
pub const REDIRECT_BYTES_MAX: usize = 264;

/// Largest token, in bytes. Ours are about 300.
pub const TOKEN_BYTES_MAX: usize = 1_024;
/// Largest proof of possession, in bytes: one COSE_Sign1 over a short payload.
pub const PROOF_BYTES_MAX: usize = 512;

/// How long a peer may stay unauthenticated, in milliseconds.
pub const AUTH_TIMEOUT_MS: u64 = 5_000;
/// Life of a token, in milliseconds: a day. A client refreshes when a third is left.
pub const TOKEN_LIFE_MS: u64 = 24 * 60 * 60 * 1_000;
/// Life of a bot's token, in milliseconds: 30 days, since nobody is there to look after it.
pub const BOT_TOKEN_LIFE_MS: u64 = 30 * TOKEN_LIFE_MS;
/// By how much clocks may differ when a token's times are judged, in milliseconds.
pub const CLOCK_SKEW_MS: u64 = 60_000;
/// How long the server remembers a message id, in milliseconds: a week. A client stops retrying long before.
pub const DEDUPE_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// How long after it first went out a client may send a message again under its id, in milliseconds: half a week.
pub const RETRY_MS: u64 = DEDUPE_MS / 2;
/// How far ahead a message may vanish, in milliseconds: a year.
pub const EXPIRY_MS_MAX: u64 = 365 * 24 * 60 * 60 * 1_000;
/// Longest place at which an export goes on, in bytes: two ids, a number, and what they are of.
pub const EXPORT_PLACE_BYTES_MAX: usize = 64;
/// How long a typing notice holds, in milliseconds.
pub const TYPING_TTL_MS: u64 = 6_000;
/// Both ends give up on a silent connection after this long, in milliseconds.
pub const IDLE_TIMEOUT_MS: u64 = 60_000;

const _: () = assert!(BODY_BYTES_MAX + ENTRY_OVERHEAD_BYTES_MAX <= FRAME_BYTES_MAX);
// The largest are Auth, and a Hello with all features.
const _: () = assert!(TOKEN_BYTES_MAX + PROOF_BYTES_MAX + 64 <= CONTROL_BYTES_MAX);
const _: () = assert!(FEATURES_MAX * 9 + AGENT_BYTES_MAX + 64 <= CONTROL_BYTES_MAX);
const _: () = assert!(CONTROL_BYTES_MAX <= FRAME_BYTES_MAX);
const _: () = assert!(PAGE_ENTRIES_MAX <= ARRAY_ITEMS_MAX && ROWS_MAX <= ARRAY_ITEMS_MAX);
const _: () = assert!(PRESENCE_MAX <= ARRAY_ITEMS_MAX && HEADS_MAX <= ARRAY_ITEMS_MAX);
// A row of presence is a text, an id, and a few numbers.
const _: () = assert!(PRESENCE_MAX * (AWAY_TEXT_BYTES_MAX + 64) <= FRAME_BYTES_MAX);
const _: () = assert!(SUBSCRIBE_ROOMS_MAX <= ROOMS_OPEN_MAX);
const _: () = assert!(PINS_MAX <= ROWS_MAX && EMOJI_PER_ENTRY_MAX <= ROWS_MAX);
// What a search finds fits a frame: the part, its marks, and 128 bytes of ids and numbers for each.
const _: () = assert!(
    HITS_MAX * (SNIPPET_BYTES_MAX + SNIPPET_MATCHES_MAX * 8 + 128) + IGNORED_MAX * (SEARCH_BYTES_MAX + 8)
        <= FRAME_BYTES_MAX
);
// A row of any list fits its share of a frame: names, topic, and 256 bytes of ids, numbers and heads.
const _: () =
    assert!(ROWS_MAX * (ROOM_NAME_BYTES_MAX + TOPIC_BYTES_MAX + NICKNAME_BYTES_MAX + 256) <= FRAME_BYTES_MAX);
// The largest row that lists files fits its share of a frame: names and types, and 96 bytes of hash, sizes and ids each.
const _: () = assert!(
    FILE_ENTRIES_MAX * FILES_MAX * (FILE_NAME_BYTES_MAX + MEDIA_TYPE_BYTES_MAX + 96) <= FRAME_BYTES_MAX
);
// A message is forgotten by its author long before it is forgotten by the server.
const _: () = assert!(RETRY_MS * 2 <= DEDUPE_MS);
const _: () = assert!(TOKEN_LIFE_MS > 3 * CLOCK_SKEW_MS);
