//! JSON, version 1: one object per line, for programs.
//!
//! Every object has `v` and `type`; what stands in a room's log has `cursor` too. Fields that do not apply are left
//! out. New fields and new types may come without a new version, so readers skip what they do not know; renaming or
//! removing one raises `v`. Texts are exact: JSON itself escapes control characters.
//! Invariant: `docs/CLI.md` lists every type.

mod types;

use quipu_client::protocol::inbox::PresenceState;
use quipu_client::protocol::request::{
    AuditRecord, BotInfo, DeviceInfo, HookInfo, InviteInfo, MemberInfo, Permissions, Receipt, ReportInfo,
    RoomInfo, SanctionInfo, Settings,
};
use quipu_client::protocol::room::{EndReason, GapReason};
use quipu_client::protocol::{Cursor, HookId, InviteId, MessageId, Nickname, Refusal, RoomId, Seq, UserId};
use quipu_client::{Account, Check, Presence, RoomSummary, Sent, Verdict};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

use super::clock::rfc3339;
use super::room::Room;
use types::{DEEDS, TYPES};

/// One object: its fields in the order they were given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    fields: Vec<(&'static str, Value)>,
}

impl Record {
    /// An object of this type, one of [`TYPES`].
    pub(crate) fn new(kind: &'static str) -> Self {
        debug_assert!(TYPES.contains(&kind), "{kind} is not in the manual");
        Self { fields: vec![("v", VERSION.into()), ("type", kind.into())] }
    }

    /// The same with a field.
    pub(crate) fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((key, value.into()));
        self
    }

    /// The same with a field, if there is a value.
    pub(crate) fn maybe<T: Into<Value>>(self, key: &'static str, value: Option<T>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// A field that is a text or a number, as text.
    pub(crate) fn text_of(&self, key: &str) -> Option<String> {
        self.fields.iter().find(|(name, _)| *name == key).and_then(|(_, value)| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    }

    /// The same with a time under two names: `NAME` for people and `NAME_ms` to calculate with.
    fn time(self, key: &'static str, key_ms: &'static str, at_ms: u64) -> Self {
        self.with(key, rfc3339(at_ms)).with(key_ms, at_ms)
    }

    /// The same with a time, if there is one.
    fn maybe_time(self, key: &'static str, key_ms: &'static str, at_ms: Option<u64>) -> Self {
        match at_ms {
            Some(at_ms) => self.time(key, key_ms, at_ms),
            None => self,
        }
    }

    /// The same with a room's id and name.
    pub(crate) fn of_room(self, room: &Room) -> Self {
        self.with("room", room.id.to_string()).maybe("room_name", room.name.clone())
    }

    /// A line about a place in a room's log.
    pub(crate) fn at(kind: &'static str, room: &Room, cursor: Cursor) -> Self {
        Self::new(kind).of_room(room).with("seq", cursor.seq.0).with("cursor", cursor.to_string())
    }

    /// The same with a moment.
    pub(crate) fn moment(self, at_ms: u64) -> Self {
        self.time("at", "at_ms", at_ms)
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        self.fields.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
        map.end()
    }
}

/// `gap`: entries that are not told one by one.
pub(crate) fn gap(room: &Room, cursor: Cursor, from: Seq, to: Seq, reason: GapReason) -> Record {
    let record = Record::at("gap", room, cursor).with("first", from.0).with("last", to.0);
    record.with("reason", gap_word(reason))
}

/// Why entries are not told, in a word.
pub(crate) fn gap_word(reason: GapReason) -> &'static str {
    match reason {
        GapReason::BACKLOG => "backlog",
        GapReason::INCARNATION => "incarnation",
        GapReason::RETENTION => "retention",
        _ => "unknown",
    }
}

/// `ended`: a room is followed no longer.
pub(crate) fn ended(room: &Room, reason: Option<EndReason>, refusal: Option<&Refusal>) -> Record {
    let record = Record::new("ended").of_room(room).maybe("reason", reason.map(end_word));
    record
        .maybe("code", refusal.map(|refusal| refusal.code.0))
        .maybe("text", refusal.map(ToString::to_string))
}

/// Why a room is followed no longer, in a word.
pub(crate) fn end_word(reason: EndReason) -> &'static str {
    match reason {
        EndReason::SHUTDOWN => "shutdown",
        EndReason::LEFT => "left",
        EndReason::REMOVED => "removed",
        EndReason::DELETED => "deleted",
        _ => "unknown",
    }
}

/// `sent`: a message has its place in the log.
pub(crate) fn sent(room: &Room, sent: &Sent, line: Option<u64>) -> Record {
    let record = Record::at("sent", room, sent.at).moment(sent.at_ms).with("id", sent.id.to_string());
    record.with("duplicate", sent.duplicate).maybe("line", line)
}

/// `queued`: a message is in the outbox.
pub(crate) fn queued(room: &Room, id: MessageId, line: Option<u64>) -> Record {
    Record::new("queued").of_room(room).with("id", id.to_string()).maybe("line", line)
}

/// `room`: a room, and how it stands.
pub(crate) fn room(info: &RoomInfo, unread: Option<u64>, marker: Option<Seq>) -> Record {
    Record::new("room")
        .of_room(&Room::of(info))
        .with("cursor", info.head.to_string())
        .with("visibility", info.visibility.word())
        .with("membership", info.membership.word())
        .with("role", info.role.word())
        .with("members", info.members)
        .maybe("unread", unread)
        .maybe("marker", marker.map(|seq| seq.0))
        .maybe("topic", info.topic.as_ref().map(|topic| topic.as_str()))
        .maybe("peer", info.peer.map(|peer| peer.to_string()))
        .maybe("peer_nickname", info.peer_nickname.as_ref().map(|name| name.as_str()))
        .maybe("permissions", info.permissions.map(permissions))
        .maybe("read_only", info.settings.as_ref().and_then(|settings| settings.read_only))
        .maybe("invite_only", info.settings.as_ref().and_then(|settings| settings.invite_only))
        .maybe("slow_ms", info.settings.as_ref().and_then(|settings| settings.slow_ms))
        .maybe("muted", info.muted.map(|_| true))
        .maybe("muted_until_ms", info.muted.and_then(|muted| muted.until_ms))
}

/// `room`, from a list.
pub(crate) fn summary(summary: &RoomSummary) -> Record {
    room(&summary.info, summary.unread, summary.marker)
        .maybe("mentions", summary.mentions)
        .maybe("unread_from", summary.unread_from.map(|seq| seq.0))
        .maybe("notify", summary.notify.map(|level| level.word()))
}

/// `member`: somebody in a room.
pub(crate) fn member(room: &Room, member: &MemberInfo) -> Record {
    Record::new("member")
        .of_room(room)
        .with("user", member.user.to_string())
        .with("nickname", member.nickname.as_str())
        .with("role", member.role.word())
        .with("membership", member.membership.word())
        .with("online", member.online)
        .maybe("presence", member.presence.map(|state| state.word()))
        .maybe("away_text", member.away_text.as_ref().map(|text| text.as_str()))
        .maybe_time("last_seen", "last_seen_ms", member.last_seen_ms)
        .maybe("permissions", member.permissions.map(permissions))
}

/// Permissions by their names.
pub(crate) fn permissions(set: Permissions) -> Vec<Value> {
    set.names().map(Into::into).collect()
}

/// `sanction`: a ban or a mute that holds.
pub(crate) fn sanction(room: &Room, row: &SanctionInfo) -> Record {
    let record = Record::new("sanction")
        .of_room(room)
        .with("user", row.user.to_string())
        .with("nickname", row.nickname.as_str())
        .with("sanction", row.sanction.word())
        .with("by", row.by.to_string())
        .moment(row.at_ms);
    let record = match row.until_ms {
        Some(until_ms) => record.time("until", "until_ms", until_ms),
        None => record,
    };
    record.maybe("reason", row.reason.as_ref().map(|reason| reason.as_str()))
}

/// `report`: a report that waits.
pub(crate) fn report(row: &ReportInfo) -> Record {
    Record::new("report")
        .with("report", row.report)
        .with("room", row.room.to_string())
        .with("seq", row.seq.0)
        .with("author", row.author.to_string())
        .with("by", row.by.to_string())
        .moment(row.at_ms)
        .with("reason", row.reason.as_str())
}

/// `act`: something that was done.
pub(crate) fn audit(row: &AuditRecord) -> Record {
    Record::new("act")
        .with("record", row.record)
        .moment(row.at_ms)
        .with("act", row.act.word())
        .maybe("by", row.by.map(|user| user.to_string()))
        .maybe("room", row.room.map(|room| room.to_string()))
        .maybe("user", row.user.map(|user| user.to_string()))
        .maybe("reason", row.reason.as_ref().map(|reason| reason.as_str()))
        .maybe("detail", row.detail.as_ref().map(|detail| detail.as_str()))
}

/// `presence`: how this person appears now, and on how many other connections that is.
pub(crate) fn presence(presence: &Presence, others: u64) -> Record {
    let (state, text) = match presence {
        Presence::Online => (PresenceState::ONLINE, None),
        Presence::Idle => (PresenceState::IDLE, None),
        Presence::Away(text) => (PresenceState::AWAY, text.as_ref()),
    };
    let record = Record::new("presence").with("presence", state.word());
    record.maybe("away_text", text.map(|text| text.as_str())).with("other_connections", others)
}

/// `settings`: what others may know of this account.
pub(crate) fn settings(settings: &Settings) -> Record {
    Record::new("settings").maybe("receipts", settings.receipts).maybe("last_seen", settings.last_seen)
}

/// `receipt`: how far somebody has read.
pub(crate) fn receipt(room: &Room, receipt: &Receipt, nickname: Option<&str>) -> Record {
    let record = Record::new("receipt").of_room(room).with("user", receipt.user.to_string());
    record.maybe("nickname", nickname).with("seq", receipt.seq.0)
}

/// `account`: who this profile is.
pub(crate) fn account(account: &Account, profile: &str) -> Record {
    Record::new("account")
        .with("profile", profile)
        .with("host", account.host.as_str())
        .with("port", account.port)
        .with("fingerprint", quipu_client::fingerprint(&account.pin))
        .with("user", account.user.to_string())
        .with("nickname", account.nickname.as_str())
        .with("role", account.role.word())
        .with("device", account.device.to_string())
        .with("device_name", account.device_name.as_str())
}

/// `device`: one of this account's devices.
pub(crate) fn device(device: &DeviceInfo, this: bool) -> Record {
    let record =
        Record::new("device").with("device", device.device.to_string()).with("name", device.name.as_str());
    let record = record.with("this", this).with("online", device.online);
    let record =
        record.time("created", "created_ms", device.created_ms).time("seen", "seen_ms", device.seen_ms);
    match device.revoked_ms {
        Some(at_ms) => record.time("revoked", "revoked_ms", at_ms),
        None => record,
    }
}

/// `invite`: an invite that was made earlier. Its link is kept nowhere.
pub(crate) fn invite(invite: &InviteInfo) -> Record {
    let users: Vec<Value> = invite.redeemed_by.iter().map(|user| user.to_string().into()).collect();
    Record::new("invite")
        .with("invite", invite.invite.to_string())
        .with("uses_left", invite.uses_left)
        .time("expires", "expires_ms", invite.expires_ms)
        .with("revoked", invite.revoked)
        .with("redeemed_by", users)
        .maybe("created_by", invite.created_by.map(|user| user.to_string()))
        .maybe("room", invite.room.map(|room: RoomId| room.to_string()))
}

/// `invite-link`: an invite just made. This is the only time its link is seen.
pub(crate) fn invite_link(invite: InviteId, link: &str, expires_ms: u64) -> Record {
    let record = Record::new("invite-link").with("invite", invite.to_string()).with("link", link);
    record.time("expires", "expires_ms", expires_ms)
}

/// `bot-link`: a bot just made, or one more device of one. This is the only time the link is seen.
pub(crate) fn bot_link(user: UserId, nickname: &Nickname, link: &str, expires_ms: u64) -> Record {
    let record = Record::new("bot-link").with("user", user.to_string()).with("nickname", nickname.as_str());
    record.with("link", link).time("expires", "expires_ms", expires_ms)
}

/// `bot`: one of this account's bots.
pub(crate) fn bot(bot: &BotInfo) -> Record {
    let words: Vec<Value> = bot.scope.names().map(Into::into).collect();
    let rooms = bot.rooms.as_ref();
    let rooms = rooms.map(|rooms| rooms.iter().map(|room| room.to_string().into()).collect::<Vec<Value>>());
    let record = Record::new("bot")
        .with("user", bot.user.to_string())
        .with("nickname", bot.nickname.as_str())
        .with("owner", bot.owner.to_string())
        .with("may", words)
        .with("scope", bot.scope.0)
        .maybe("rooms", rooms)
        .with("devices", bot.devices)
        .time("created", "created_ms", bot.created_ms);
    match bot.revoked_ms {
        Some(at_ms) => record.time("revoked", "revoked_ms", at_ms),
        None => record,
    }
}

/// `hook-url`: a webhook just made. This is the only time its address is seen.
pub(crate) fn hook_url(room: &Room, hook: HookId, bot: UserId, url: &str) -> Record {
    let record = Record::new("hook-url").of_room(room).with("hook", hook.to_string());
    record.with("bot", bot.to_string()).with("url", url)
}

/// `hook`: a webhook into a room.
pub(crate) fn hook(room: &Room, hook: &HookInfo) -> Record {
    Record::new("hook")
        .of_room(room)
        .with("hook", hook.hook.to_string())
        .with("bot", hook.bot.to_string())
        .with("created_by", hook.created_by.to_string())
        .time("created", "created_ms", hook.created_ms)
}

/// `check`: one step of connecting.
pub(crate) fn check(check: &Check) -> Record {
    let record = Record::new("check").with("name", check.name).with("verdict", verdict_word(check.verdict));
    record.with("detail", check.detail.as_str()).maybe("value", check.value)
}

/// How a step went, in a word.
pub(crate) fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "good",
        Verdict::Doubtful => "doubtful",
        Verdict::Bad => "bad",
    }
}

/// `done`: something was changed, and there is nothing else to say about it.
pub(crate) fn done(what: &'static str, id: String) -> Record {
    debug_assert!(DEEDS.contains(&what), "{what} is not in the manual");
    Record::new("done").with("what", what).with("id", id)
}

const VERSION: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_client::protocol::request::{MembershipState, RoomRole, Visibility};
    use quipu_client::protocol::{Code, Incarnation};

    fn json(record: &Record) -> String {
        serde_json::to_string(record).unwrap()
    }

    fn lobby() -> RoomInfo {
        RoomInfo {
            room: RoomId::from_bytes([1; 16]),
            visibility: Visibility::PUBLIC,
            head: cursor(9),
            members: 2,
            membership: MembershipState::JOINED,
            role: RoomRole::MEMBER,
            name: Some("lobby".parse().unwrap()),
            topic: None,
            peer: None,
            peer_nickname: None,
            permissions: None,
            settings: None,
            muted: None,
            retention: None,
            deleted: None,
        }
    }

    fn cursor(seq: u64) -> Cursor {
        Cursor { incarnation: Incarnation(7), seq: Seq(seq) }
    }

    #[test]
    fn the_manual_lists_every_deed() {
        let manual = include_str!("../../../docs/CLI.md");
        let row = manual.lines().find(|line| line.starts_with("| `done` |")).expect("a row");
        for what in DEEDS {
            assert!(row.contains(&format!("`{what}`")), "docs/CLI.md does not say that something was {what}");
        }
    }

    #[test]
    fn the_manual_lists_every_type() {
        let manual = include_str!("../../../docs/CLI.md");
        for kind in TYPES {
            assert!(manual.contains(&format!("| `{kind}` |")), "docs/CLI.md has no row for {kind}");
        }
    }

    const ROOM: &str = r#""room":"01010101010101010101010101010101","room_name":"lobby""#;

    #[test]
    fn a_room_has_its_shape() {
        let expected = format!(
            r#"{{"v":1,"type":"room",{ROOM},"cursor":"7.9","visibility":"public","membership":"joined","role":"member","members":2,"unread":3,"marker":6}}"#
        );
        assert_eq!(json(&room(&lobby(), Some(3), Some(Seq(6)))), expected);
    }

    #[test]
    fn what_happens_to_a_stream_has_its_shape() {
        let room = Room::of(&lobby());
        assert_eq!(
            json(&gap(&room, cursor(5), Seq(1), Seq(5), GapReason::RETENTION)),
            format!(
                r#"{{"v":1,"type":"gap",{ROOM},"seq":5,"cursor":"7.5","first":1,"last":5,"reason":"retention"}}"#
            )
        );
        assert_eq!(
            json(&ended(&room, None, Some(&Refusal::new(Code::FORBIDDEN)))),
            format!(r#"{{"v":1,"type":"ended",{ROOM},"code":201,"text":"not allowed"}}"#)
        );
    }

    #[test]
    fn what_was_sent_has_its_shape() {
        let id = MessageId::from_bytes([2; 16]);
        let outcome = Sent { id, room: lobby().room, at: cursor(9), at_ms: 0, duplicate: true };
        assert_eq!(
            json(&sent(&Room::of(&lobby()), &outcome, Some(4))),
            format!(
                r#"{{"v":1,"type":"sent",{ROOM},"seq":9,"cursor":"7.9","at":"1970-01-01T00:00:00.000Z","at_ms":0,"id":"{id}","duplicate":true,"line":4}}"#
            )
        );
    }

    #[test]
    fn a_check_has_its_shape_and_exact_text() {
        let step =
            Check { name: "udp", verdict: Verdict::Bad, detail: "no\u{1b}".into(), value: None, error: None };
        assert_eq!(
            json(&check(&step)),
            "{\"v\":1,\"type\":\"check\",\"name\":\"udp\",\"verdict\":\"bad\",\"detail\":\"no\\u001b\"}"
        );
    }
}
