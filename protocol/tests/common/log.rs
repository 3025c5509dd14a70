//! Samples of what goes into a room's log and comes out of it: PUBLISH, ROOM, INBOX, datagrams.

use quipu_protocol::datagram::Typing;
use quipu_protocol::entry::{
    Change, Created, Edited, Erasure, FileRef, MemberChange, NameChange, Origin, TopicChange,
};
use quipu_protocol::inbox::{
    Head, HeadExt, Heads, InboxReady, Membership, PersonPresence, Presence, PresenceState,
};
use quipu_protocol::publish::{Ack, Refused};
use quipu_protocol::request::{Notify, Retention, RoomRole, Visibility};
use quipu_protocol::room::{CaughtUp, End, EndReason, Gap, GapReason, Opened, Snapshot};
use quipu_protocol::{Blob, Code, Draft, Entry, Ext, Kind, List, Refusal, Seq, Text, cbor};

use super::request::{direct_room, lobby, team};
use super::{ADA, AT_MS, BOB, LAPTOP, LOBBY, MESSAGE, PHONE, Sample, TEAM, at, fits, frame, item, name};

pub fn samples() -> Vec<Sample> {
    [publish(), entries(), room(), inbox()].into_iter().flatten().collect()
}

fn draft(body: &[u8], ext: Ext) -> Draft {
    Draft { room: LOBBY, message: MESSAGE, kind: Kind::TEXT, body: fits(Blob::new(body.to_vec())), ext }
}

fn full_ext() -> Ext {
    Ext {
        reply_to: Some(Seq(40)),
        if_head: Some(Seq(41)),
        if_epoch: Some(2),
        mentions: Some(fits(List::new(vec![BOB]))),
        thread_root: Some(Seq(38)),
        expires_ms: Some(AT_MS + 60_000),
        epoch: Some(2),
        previous_hash: Some(fits(Blob::new(vec![0x88; 32]))),
        target: Some(Seq(37)),
        files: Some(fits(List::new(vec![picture(), FileRef { width: None, height: None, ..picture() }]))),
        reason: Some(fits(Text::new("because"))),
        mentions_room: Some(true),
        origin: Some(Origin { at_ms: AT_MS - 1, author: fits(Text::new("ada on irc")) }),
        edited: Some(Edited { by: BOB, at_ms: AT_MS }),
        erased: Some(Erasure::REMOVED),
    }
}

pub fn picture() -> FileRef {
    FileRef {
        hash: fits(Blob::new(vec![0x77; 32])),
        size: 4_711,
        name: name("quipu.png"),
        media_type: fits(Text::new("image/png")),
        width: Some(640),
        height: Some(480),
    }
}

fn publish() -> Vec<Sample> {
    let ack = |duplicate| Ack { message: MESSAGE, at: at(42), at_ms: AT_MS, duplicate };
    let refused = |refusal| Refused { message: MESSAGE, refusal };
    vec![
        frame("publish", draft(b"hello", Ext::default())),
        frame("publish-everything", draft("grüße, Bob ☎".as_bytes(), full_ext())),
        frame("publish-empty", draft(b"", Ext::default())),
        frame("ack", ack(false)),
        frame("ack-again", ack(true)),
        frame("refused", refused(Refusal::new(Code::MESSAGE_CONFLICT))),
        frame("refused-stale", refused(Refusal::because(Code::STALE_HEAD, "the head is 42"))),
    ]
}

fn entries() -> Vec<Sample> {
    let created = |name, visibility: Visibility, topic| Created { name, visibility: visibility.0, topic };
    let lobby = created(Some(name("lobby")), Visibility::PUBLIC, Some(name("for all")));
    let joined =
        MemberChange { user: ADA, change: Change::JOINED, nickname: name("Ada"), role: RoomRole::OWNER.0 };
    let entry = |seq, kind, body: Vec<u8>, ext| Entry {
        seq: Seq(seq),
        at_ms: AT_MS,
        user: Some(ADA),
        device: Some(LAPTOP),
        message: Some(MESSAGE),
        kind,
        body: fits(Blob::new(body)),
        ext,
    };
    let by_server = |entry| Entry { user: None, device: None, message: None, ..entry };
    let kept = Ext { if_head: None, if_epoch: None, ..full_ext() };
    vec![
        frame("entry-created", by_server(entry(1, Kind::CREATED, cbor::encode(&lobby), Ext::default()))),
        frame(
            "entry-member",
            Entry { message: None, ..entry(2, Kind::MEMBER, cbor::encode(&joined), Ext::default()) },
        ),
        frame("entry-text", entry(42, Kind::TEXT, b"hello".to_vec(), Ext::default())),
        frame("entry-everything", entry(43, Kind::TEXT, "grüße, Bob ☎".into(), kept)),
        frame("entry-unknown-kind", entry(1 << 32, Kind(4_711), vec![0xff], Ext::default())),
        item("created-body", "created-body", lobby),
        item("created-body-direct", "created-body", created(None, Visibility::DIRECT, None)),
        frame(
            "entry-erased",
            entry(44, Kind::TEXT, b"hello".to_vec(), Ext { reply_to: Some(Seq(40)), ..Ext::default() })
                .erased(Erasure::EXPIRED),
        ),
        item("retention-body", "retention-body", super::request::keeps_all()),
        item("retention-body-nothing", "retention-body", Retention::default()),
        item("member-body", "member-body", joined),
        item("topic-body", "topic-body", TopicChange { topic: Some(name("for all")) }),
        item("topic-body-none", "topic-body", TopicChange { topic: None }),
        item("name-body", "name-body", NameChange { before: Some(name("lobby")), name: name("hall") }),
        item("name-body-first", "name-body", NameChange { before: None, name: name("hall") }),
        item(
            "member-body-removed",
            "member-body",
            MemberChange {
                user: BOB,
                change: Change::REMOVED,
                nickname: name("bob_2.x"),
                role: RoomRole::READER.0,
            },
        ),
    ]
}

fn room() -> Vec<Sample> {
    let gap = |from, to, reason| Gap { from: Seq(from), to: Seq(to), reason };
    let end = |reason| End { reason };
    let snapshot = |info| Snapshot { as_of: Seq(42), info };
    vec![
        frame("opened", Opened { subscription: 1, room: LOBBY, start: at(41), head: Seq(42), floor: Seq(1) }),
        frame("snapshot", snapshot(lobby())),
        frame("snapshot-direct", snapshot(direct_room())),
        frame("gap-backlog", gap(1, 37, GapReason::BACKLOG)),
        frame("gap-incarnation", gap(1, 9, GapReason::INCARNATION)),
        frame("gap-retention", gap(1, 1_000_000, GapReason::RETENTION)),
        frame("caught-up", CaughtUp { seq: Seq(42) }),
        frame("end-shutdown", end(EndReason::SHUTDOWN)),
        frame("end-left", end(EndReason::LEFT)),
        frame("end-removed", end(EndReason::REMOVED)),
        frame("end-deleted", end(EndReason::DELETED)),
    ]
}

fn inbox() -> Vec<Sample> {
    let head = |room, seq, marker, unread, mentions| Head {
        room,
        head: at(seq),
        marker: Seq(marker),
        unread,
        ext: HeadExt { mentions, notify: None, unread_from: None },
    };
    let again = Head {
        ext: HeadExt { mentions: None, notify: Some(Notify::NOTHING), unread_from: Some(Seq(12)) },
        ..head(LOBBY, 42, 40, 27, None)
    };
    let present = |user, state| PersonPresence { user, state, text: None };
    let typing = |user| Typing { room: LOBBY, user, ttl_ms: 6_000 };
    vec![
        frame("heads-none", Heads { rooms: List::default() }),
        frame(
            "heads",
            Heads {
                rooms: fits(List::new(vec![head(LOBBY, 42, 40, 2, None), head(TEAM, 300, 7, 256, Some(3))])),
            },
        ),
        frame("heads-unread-again", Heads { rooms: fits(List::new(vec![again])) }),
        frame("membership", Membership { info: team() }),
        frame(
            "presence",
            Presence {
                people: fits(List::new(vec![
                    present(ADA, PresenceState::ONLINE),
                    present(BOB, PresenceState::OFFLINE),
                ])),
            },
        ),
        frame("inbox-ready", InboxReady { rooms: 2 }),
        frame("typing-from-client", typing(None)),
        frame("typing-from-server", typing(Some(BOB))),
        item("device-id", "device-id", PHONE),
    ]
}
