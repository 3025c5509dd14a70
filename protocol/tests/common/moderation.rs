//! Samples of moderation: who may do what, who is denied what, what was reported and done.

use quipu_protocol::note::{Erased, RoleChange, SanctionChange};
use quipu_protocol::request::*;
use quipu_protocol::{Blob, Entry, Ext, Kind, List, Seq, Text, cbor};

use super::{ADA, AT_MS, BOB, LAPTOP, Sample, TEAM, fits, frame, item, name};

pub fn samples() -> Vec<Sample> {
    [entries(), roles(), sanctions(), rooms(), accounts(), records()].into_iter().flatten().collect()
}

fn why() -> Option<Reason> {
    Some(fits(Text::new("because")))
}

fn entries() -> Vec<Sample> {
    let role =
        |permissions| RoleChange { user: BOB, nickname: name("bob"), role: RoomRole::MEMBER, permissions };
    let sanction = |sanction, imposed, until_ms| SanctionChange {
        user: BOB,
        nickname: name("bob"),
        sanction,
        imposed,
        until_ms,
    };
    let entry = |seq, kind, body: Vec<u8>| Entry {
        seq: Seq(seq),
        at_ms: AT_MS,
        user: Some(ADA),
        device: Some(LAPTOP),
        message: None,
        kind,
        body: fits(Blob::new(body)),
        ext: Ext { reason: why(), ..Ext::default() },
    };
    let slow = RoomSettings { slow_ms: Some(30_000), ..RoomSettings::default() };
    let erased = Erased { user: BOB, nickname: name("bob") };
    vec![
        frame("entry-role", entry(44, Kind::ROLE, cbor::encode(&role(None)))),
        frame(
            "entry-sanction",
            entry(45, Kind::SANCTION, cbor::encode(&sanction(Sanction::BAN, true, None))),
        ),
        frame("entry-settings", entry(46, Kind::SETTINGS, cbor::encode(&slow))),
        frame("entry-erasure", entry(47, Kind::ERASURE, cbor::encode(&erased))),
        item("role-body", "role-body", role(None)),
        item("role-body-explicit", "role-body", role(Some(Permissions::READ.or(Permissions::PIN)))),
        item("sanction-body", "sanction-body", sanction(Sanction::MUTE, true, Some(AT_MS + 60_000))),
        item("sanction-body-lifted", "sanction-body", sanction(Sanction::BAN, false, None)),
        item("room-settings", "room-settings", slow),
        item("erasure-body", "erasure-body", erased),
    ]
}

fn roles() -> Vec<Sample> {
    let role = |reason| SetRole { room: TEAM, user: BOB, role: RoomRole::MODERATOR, reason };
    let permissions = |permissions, reason| SetPermissions { room: TEAM, user: BOB, permissions, reason };
    vec![
        frame("set-role", role(None)),
        frame("set-role-why", role(why())),
        frame("set-permissions", permissions(Some(Permissions::READ), why())),
        frame("set-permissions-none", permissions(None, None)),
        frame("transfer", Transfer { room: TEAM, user: BOB, reason: None }),
        frame("transfer-why", Transfer { room: TEAM, user: BOB, reason: why() }),
    ]
}

fn sanctions() -> Vec<Sample> {
    let impose = |sanction, life_ms, reason| Impose { room: TEAM, user: BOB, sanction, life_ms, reason };
    let lift = |reason| Lift { room: TEAM, user: BOB, sanction: Sanction::BAN, reason };
    let list = |after| ListSanctions { room: TEAM, after };
    let info = |sanction, until_ms, reason| SanctionInfo {
        user: BOB,
        nickname: name("bob"),
        sanction,
        by: ADA,
        at_ms: AT_MS,
        until_ms,
        reason,
    };
    let key = SanctionKey { user: BOB, sanction: Sanction::BAN };
    vec![
        frame("impose", impose(Sanction::BAN, None, None)),
        frame("impose-for-a-while", impose(Sanction::MUTE, Some(3_600_000), why())),
        frame("lift", lift(None)),
        frame("lift-why", lift(why())),
        frame("list-sanctions", list(None)),
        frame("list-sanctions-after", list(Some(key))),
        frame(
            "sanctions",
            Sanctions {
                sanctions: fits(List::new(vec![
                    info(Sanction::BAN, None, None),
                    info(Sanction::MUTE, Some(AT_MS + 60_000), why()),
                ])),
                more: false,
            },
        ),
    ]
}

fn rooms() -> Vec<Sample> {
    let settings = RoomSettings { read_only: Some(true), invite_only: Some(false), slow_ms: Some(30_000) };
    let set = |settings, reason| SetRoom { room: TEAM, settings, reason };
    vec![
        frame("set-room", set(settings, why())),
        frame("set-room-nothing", set(RoomSettings::default(), None)),
    ]
}

fn accounts() -> Vec<Sample> {
    let purge = |room, reason| Purge { user: BOB, room, reason };
    let role = |reason| SetServerRole { user: BOB, role: ServerRole::ADMIN, reason };
    vec![
        frame("deactivate", Deactivate { user: BOB, reason: None }),
        frame("deactivate-why", Deactivate { user: BOB, reason: why() }),
        frame("reactivate", Reactivate { user: BOB, reason: None }),
        frame("reactivate-why", Reactivate { user: BOB, reason: why() }),
        frame("set-server-role", role(None)),
        frame("set-server-role-why", role(why())),
        frame("purge-everywhere", purge(None, None)),
        frame("purge-room", purge(Some(TEAM), why())),
    ]
}

fn records() -> Vec<Sample> {
    let report = ReportInfo {
        report: 7,
        room: TEAM,
        seq: Seq(42),
        author: BOB,
        by: ADA,
        at_ms: AT_MS,
        reason: fits(Text::new("spam")),
    };
    let record = |by, room, user, reason, detail| AuditRecord {
        record: 9,
        at_ms: AT_MS,
        act: Act::ROLE,
        by,
        room,
        user,
        reason,
        detail,
    };
    let full = record(Some(ADA), Some(TEAM), Some(BOB), why(), Some(fits(Text::new("member to moderator"))));
    let bare = record(None, None, None, None, None);
    vec![
        frame("report", Report { room: TEAM, seq: Seq(42), reason: fits(Text::new("spam")) }),
        frame("list-reports", ListReports { room: None, after: None }),
        frame("list-reports-after", ListReports { room: Some(TEAM), after: Some(7) }),
        frame("reports", Reports { reports: fits(List::new(vec![report])), more: false }),
        frame("resolve", Resolve { report: 7, reason: None }),
        frame("resolve-why", Resolve { report: 7, reason: why() }),
        frame("list-audit", ListAudit { room: None, after: None }),
        frame("list-audit-after", ListAudit { room: Some(TEAM), after: Some(9) }),
        frame("audit", Audit { records: fits(List::new(vec![full, bare])), more: true }),
    ]
}
