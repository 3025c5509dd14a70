//! That the fullest message of each kind fits its frame, and the deepest its depth.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use common::{ADA, INVITE, LAPTOP, LOBBY, fits, name, request, samples};
use quipu_protocol::frame::Message;
use quipu_protocol::inbox::{Head, HeadExt, Heads, PersonPresence, Presence, PresenceState, Receipts};
use quipu_protocol::limits::*;
use quipu_protocol::request::*;
use quipu_protocol::{Code, Cursor, Incarnation, List, Refusal, Seq, Text, cbor};

const FAR: Cursor = Cursor { incarnation: Incarnation(u64::MAX), seq: Seq(u64::MAX) };

fn check<T: Message>(fullest: T) {
    let payload = cbor::encode(&fullest);
    assert!(payload.len() <= FRAME_BYTES_MAX, "{} of {} bytes", T::NAME, payload.len());
    assert!(cbor::decode::<T>(&payload, T::NAME).is_ok(), "{}", T::NAME);
}

fn list<T: Clone, const MAX: usize>(row: T) -> List<T, MAX> {
    fits(List::new(vec![row; MAX]))
}

fn fullest_room() -> RoomInfo {
    RoomInfo {
        visibility: Visibility(u64::MAX),
        head: FAR,
        members: u64::MAX,
        membership: MembershipState(u64::MAX),
        role: RoomRole(u64::MAX),
        name: Some(name(&"r".repeat(ROOM_NAME_BYTES_MAX))),
        topic: Some(name(&"t".repeat(TOPIC_BYTES_MAX))),
        peer: Some(ADA),
        peer_nickname: Some(name(&"n".repeat(NICKNAME_BYTES_MAX))),
        permissions: Some(Permissions(u64::MAX)),
        settings: Some(RoomSettings {
            read_only: Some(true),
            invite_only: Some(true),
            slow_ms: Some(u64::MAX),
        }),
        muted: Some(Muted { until_ms: Some(u64::MAX) }),
        ..request::lobby()
    }
}

#[test]
fn the_fullest_lists_fit_a_frame() {
    check(Rooms { rooms: list(fullest_room()), more: true });
    check(Members {
        members: list(MemberInfo {
            user: ADA,
            nickname: name(&"n".repeat(NICKNAME_BYTES_MAX)),
            role: RoomRole(u64::MAX),
            membership: MembershipState(u64::MAX),
            online: true,
            permissions: Some(Permissions(u64::MAX)),
            presence: Some(PresenceState(u64::MAX)),
            away_text: Some(name(&"a".repeat(AWAY_TEXT_BYTES_MAX))),
            last_seen_ms: Some(u64::MAX),
        }),
        more: true,
    });
    check(Invites {
        invites: list(InviteInfo {
            invite: INVITE,
            uses_left: u64::MAX,
            expires_ms: u64::MAX,
            revoked: true,
            redeemed_by: list(ADA),
            created_by: Some(ADA),
            room: Some(LOBBY),
        }),
        more: true,
    });
    check(Devices {
        devices: list(DeviceInfo {
            device: LAPTOP,
            name: name(&"d".repeat(DEVICE_NAME_BYTES_MAX)),
            created_ms: u64::MAX,
            seen_ms: u64::MAX,
            online: true,
            revoked_ms: Some(u64::MAX),
        }),
    });
    check(Subscribed {
        rooms: list(SubscribedRoom {
            room: LOBBY,
            subscription: Some(u64::MAX),
            refusal: Some(Refusal {
                code: Code(u16::MAX),
                text: Some(fits(Text::new("t".repeat(TEXT_BYTES_MAX)))),
                retry_after_ms: Some(u64::MAX),
            }),
        }),
    });
    check(Heads {
        rooms: list(Head {
            room: LOBBY,
            head: FAR,
            marker: FAR.seq,
            unread: u64::MAX,
            ext: HeadExt {
                mentions: Some(u64::MAX),
                notify: Some(Notify(u64::MAX)),
                unread_from: Some(Seq(u64::MAX)),
            },
        }),
    });
    check(Found {
        hits: list(Hit {
            room: LOBBY,
            at: FAR,
            at_ms: u64::MAX,
            text: fits(Text::new("t".repeat(SNIPPET_BYTES_MAX))),
            matches: list(Match { start: SNIPPET_BYTES_MAX as u64, end: SNIPPET_BYTES_MAX as u64 }),
            more_before: true,
            more_after: true,
            user: Some(ADA),
        }),
        ignored: list(fits(Text::new("w".repeat(SEARCH_BYTES_MAX)))),
        partial: list(PartialRoom { room: LOBBY, since: Seq(u64::MAX) }),
        next: Some(SearchPlace { at_ms: u64::MAX, room: LOBBY, seq: Seq(u64::MAX) }),
    });
    check(Presence {
        people: list(PersonPresence {
            user: ADA,
            state: PresenceState(u64::MAX),
            text: Some(name(&"a".repeat(AWAY_TEXT_BYTES_MAX))),
        }),
    });
    check(Receipts { room: LOBBY, rows: list(Receipt { user: ADA, seq: FAR.seq }) });
}

#[test]
fn the_deepest_message_leaves_room_below_the_depth_limit() {
    let deepest = samples().iter().map(|sample| depth(&sample.payload)).max();
    assert!(
        deepest.is_some_and(|deepest| (4..=5).contains(&deepest) && deepest < CBOR_DEPTH_MAX),
        "{deepest:?}"
    );
}

fn depth(payload: &[u8]) -> usize {
    fn of(value: &ciborium::Value) -> usize {
        match value {
            ciborium::Value::Array(items) => 1 + items.iter().map(of).max().unwrap_or(0),
            ciborium::Value::Map(pairs) => 1 + pairs.iter().map(|(_, value)| of(value)).max().unwrap_or(0),
            _ => 0,
        }
    }
    of(&ciborium::from_reader(payload).unwrap())
}
