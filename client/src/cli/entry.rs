//! An entry of a room's log, as a line for people and as an object for programs.
//!
//! What a later version of the protocol says is shown as unsupported, never left out: a log without holes should
//! look like one.

use quipu_client::protocol::cbor;
use quipu_client::protocol::entry::{
    Change, Created, Entry, Erasure, FileRef, Kind, MemberChange, NameChange, TopicChange,
};
use quipu_client::protocol::note::{Erased, RoleChange, SanctionChange};
use quipu_client::protocol::request::{Retention, RoomRole, RoomSettings, Visibility};
use quipu_client::protocol::{Cursor, UserId};
use serde_json::Value;

use super::files::{described, fields};
use super::record::{Record, permissions};
use super::room::{Names, Room};
use super::{moderation, origin, render, retention};

/// What an entry says, taken apart once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said<'a> {
    /// A message.
    Text(&'a str),
    /// Somebody came, went, was invited or removed.
    Member(MemberChange),
    /// The room came to be.
    Created(Created),
    /// Somebody has another role or other permissions.
    Role(RoleChange),
    /// Somebody was banned or muted, or no longer is.
    Sanction(SanctionChange),
    /// Settings changed.
    Settings(RoomSettings),
    /// Everything somebody wrote was erased.
    Erasure(Erased),
    /// A message reads differently.
    Edit(&'a str),
    /// A message is gone, and maybe why.
    Redaction(&'a str),
    /// Somebody reacts.
    Reaction(&'a str),
    /// Somebody reacts so no longer.
    Unreaction(&'a str),
    /// A message is pinned.
    Pin,
    /// It is so no longer.
    Unpin,
    /// What the room is about changed.
    Topic(TopicChange),
    /// The room is called differently.
    Name(NameChange),
    /// The room keeps something else.
    Retention(Retention),
    /// What was said here is gone.
    Gone,
    /// Something this version does not know.
    Unsupported,
}

impl<'a> Said<'a> {
    /// Reads an entry.
    pub(crate) fn of(entry: &'a Entry) -> Self {
        let words = || std::str::from_utf8(&entry.body).ok();
        let decoded = match entry.kind {
            // That something was erased is not erased with the reason.
            Kind::REDACTION => words().map(Self::Redaction),
            Kind::TEXT | Kind::EDIT | Kind::REACTION | Kind::UNREACTION if entry.is_erased() => {
                Some(Self::Gone)
            }
            Kind::TEXT => entry.text().map(Self::Text),
            Kind::EDIT => words().map(Self::Edit),
            Kind::REACTION => words().map(Self::Reaction),
            Kind::UNREACTION => words().map(Self::Unreaction),
            Kind::PIN => Some(Self::Pin),
            Kind::UNPIN => Some(Self::Unpin),
            Kind::TOPIC => cbor::decode(&entry.body, "TopicChange").ok().map(Self::Topic),
            Kind::NAME => cbor::decode(&entry.body, "NameChange").ok().map(Self::Name),
            Kind::MEMBER => cbor::decode(&entry.body, "MemberChange").ok().map(Self::Member),
            Kind::CREATED => cbor::decode(&entry.body, "Created").ok().map(Self::Created),
            Kind::ROLE => cbor::decode(&entry.body, "RoleChange").ok().map(Self::Role),
            Kind::SANCTION => cbor::decode(&entry.body, "SanctionChange").ok().map(Self::Sanction),
            Kind::SETTINGS => cbor::decode(&entry.body, "RoomSettings").ok().map(Self::Settings),
            Kind::RETENTION => cbor::decode(&entry.body, "Retention").ok().map(Self::Retention),
            Kind::ERASURE => cbor::decode(&entry.body, "Erased").ok().map(Self::Erasure),
            _ => None,
        };
        decoded.unwrap_or(Self::Unsupported)
    }
}

/// Remembers the names of everyone the entries are about.
pub(crate) async fn fetch_names<'a>(
    names: &mut Names,
    client: &quipu_client::Client,
    entries: impl Iterator<Item = &'a Entry>,
) {
    let mut users = Vec::new();
    for entry in entries {
        if let Said::Member(change) = Said::of(entry) {
            names.learn(change.user, change.nickname);
        }
        users.extend(entry.user);
    }
    names.fetch(client, users).await;
}

/// `maria: hello`, or `* maria joined`. In one line or, as a person reads it, in several.
pub(crate) fn text(entry: &Entry, names: &Names, lines: Lines) -> String {
    let who = |user: Option<UserId>| user.map_or_else(|| "the server".to_owned(), |user| names.label(user));
    let author = who(entry.user);
    let target = entry.ext.target.map(|seq| seq.0).unwrap_or_default();
    let words = |text| match lines {
        Lines::One => render::line(text).into_owned(),
        Lines::Many => render::block(text),
    };
    match Said::of(entry) {
        Said::Text(text) => {
            let files: String = files(entry).map(|file| format!(" [{}]", described(file))).collect();
            let origin = origin::of(entry).map(origin::words).unwrap_or_default();
            format!("{author}{origin}{}: {}{files}", marks(entry), words(text))
        }
        Said::Edit(text) => format!("* {author} edited {target}: {}", words(text)),
        Said::Redaction("") => format!("* {author} erased {target}"),
        Said::Redaction(reason) => format!("* {author} erased {target}: {}", render::line(reason)),
        Said::Reaction(emoji) => format!("* {author} reacts to {target}: {}", render::emoji(emoji)),
        Said::Unreaction(emoji) => format!("* {author} takes back from {target}: {}", render::emoji(emoji)),
        Said::Pin => format!("* {author} pinned {target}"),
        Said::Unpin => format!("* {author} took the pin off {target}"),
        Said::Topic(TopicChange { topic: Some(topic) }) => {
            format!("* {author} set the topic: {}", render::line(topic.as_str()))
        }
        Said::Topic(TopicChange { topic: None }) => format!("* {author} took the topic away"),
        Said::Name(change) => format!("* {author} named the room #{}", change.name),
        Said::Member(change) => format!("* {}{}", happened(&change, entry.user, &author), why(entry)),
        Said::Created(_) => format!("* {author} made the room"),
        Said::Role(change) => format!("* {}{}", moderation::became(&change, &author), why(entry)),
        Said::Sanction(change) => {
            format!("* {}{}", moderation::denied(&change, &author, entry.at_ms), why(entry))
        }
        Said::Settings(settings) => {
            format!("* {author} set: {}{}", moderation::settings_words(&settings), why(entry))
        }
        Said::Erasure(erased) => {
            format!("* {author} erased everything {} wrote before{}", erased.nickname, why(entry))
        }
        Said::Retention(said) => {
            format!("* {author}: the room keeps {}{}", retention::words(&said), why(entry))
        }
        Said::Gone if entry.kind == Kind::TEXT && entry.ext.erased == Some(Erasure::EXPIRED) => {
            format!("{author}{}: (vanished)", marks(entry))
        }
        Said::Gone if entry.kind == Kind::TEXT => format!("{author}{}: (erased)", marks(entry)),
        Said::Gone => format!("* {author}, about {target}: (erased)"),
        Said::Unsupported => {
            format!("* {author}: an entry of kind {}, which this version cannot show", entry.kind.0)
        }
    }
}

/// ` (to 12, in 7, edited)`: what a message is beside its text.
fn marks(entry: &Entry) -> String {
    let reply = entry.ext.reply_to.map(|seq| format!("to {seq}"));
    let thread = entry.ext.thread_root.map(|seq| format!("in {seq}"));
    let edited = entry.ext.edited.as_ref().map(|_| "edited".to_owned());
    let marks: Vec<String> = [reply, thread, edited].into_iter().flatten().collect();
    if marks.is_empty() { String::new() } else { format!(" ({})", marks.join(", ")) }
}

/// How a message with several lines is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// On one, with `\n` where they were: one line of output is one entry.
    One,
    /// On several, the later ones indented.
    Many,
}

/// The reason that was given, behind a colon.
fn why(entry: &Entry) -> String {
    let reason = entry.ext.reason.as_ref();
    reason.map(|reason| format!(": {}", render::line(reason.as_str()))).unwrap_or_default()
}

fn happened(change: &MemberChange, author: Option<UserId>, author_name: &str) -> String {
    let whom = &change.nickname;
    let by_themselves = author == Some(change.user);
    match change.change {
        Change::JOINED => format!("{whom} joined"),
        Change::LEFT => format!("{whom} left"),
        Change::INVITED => format!("{author_name} invited {whom}"),
        Change::REMOVED if by_themselves => format!("{whom} left"),
        Change::REMOVED => format!("{author_name} removed {whom}"),
        Change(number) => format!("{whom}: membership change {number}, which this version cannot show"),
    }
}

/// The entry for programs: a type for each kind of entry, `unsupported` for one that this version does not know.
pub(crate) fn record(room: &Room, cursor: Cursor, entry: &Entry, names: &Names, me: UserId) -> Record {
    let said = Said::of(entry);
    let kind = match said {
        Said::Gone if entry.kind == Kind::EDIT => "edit",
        Said::Gone if entry.kind == Kind::REACTION => "reaction",
        Said::Gone if entry.kind == Kind::UNREACTION => "unreaction",
        Said::Text(_) | Said::Gone => "message",
        Said::Edit(_) => "edit",
        Said::Redaction(_) => "redaction",
        Said::Reaction(_) => "reaction",
        Said::Unreaction(_) => "unreaction",
        Said::Pin => "pin",
        Said::Unpin => "unpin",
        Said::Topic(_) => "topic-change",
        Said::Name(_) => "name-change",
        Said::Member(_) => "member-change",
        Said::Created(_) => "created",
        Said::Role(_) => "role-change",
        Said::Sanction(_) => "sanction-change",
        Said::Settings(_) => "settings-change",
        Said::Erasure(_) => "erasure",
        Said::Retention(_) => "retention-change",
        Said::Unsupported => "unsupported",
    };
    let record = Record::at(kind, room, cursor)
        .moment(entry.at_ms)
        .maybe("user", entry.user.map(|user| user.to_string()))
        .maybe("nickname", entry.user.and_then(|user| names.get(user)))
        .maybe("device", entry.device.map(|device| device.to_string()))
        .maybe("id", entry.message.map(|message| message.to_string()))
        .with("own", entry.user == Some(me));
    let record = match said {
        Said::Text(text) | Said::Edit(text) => record.with("text", text),
        Said::Redaction("") | Said::Pin | Said::Unpin => record,
        Said::Redaction(reason) => record.with("reason", reason),
        Said::Reaction(emoji) | Said::Unreaction(emoji) => record.with("emoji", emoji),
        Said::Topic(change) => record.maybe("topic", change.topic.as_ref().map(|topic| topic.as_str())),
        Said::Name(change) => record
            .with("name", change.name.as_str())
            .maybe("name_before", change.before.as_ref().map(|name| name.as_str())),
        Said::Member(change) => record
            .with("change", change_word(change.change))
            .with("whom", change.user.to_string())
            .with("whom_nickname", change.nickname.as_str())
            .with("role", RoomRole(change.role).word()),
        Said::Created(created) => record
            .with("visibility", Visibility(created.visibility).word())
            .maybe("topic", created.topic.as_ref().map(|topic| topic.as_str())),
        Said::Role(change) => record
            .with("whom", change.user.to_string())
            .with("whom_nickname", change.nickname.as_str())
            .with("role", change.role.word())
            .maybe("permissions", change.permissions.map(permissions)),
        Said::Sanction(change) => record
            .with("whom", change.user.to_string())
            .with("whom_nickname", change.nickname.as_str())
            .with("sanction", change.sanction.word())
            .with("imposed", change.imposed)
            .maybe("until_ms", change.until_ms),
        Said::Settings(settings) => record
            .maybe("read_only", settings.read_only)
            .maybe("invite_only", settings.invite_only)
            .maybe("slow_ms", settings.slow_ms),
        Said::Erasure(erased) => {
            record.with("whom", erased.user.to_string()).with("whom_nickname", erased.nickname.as_str())
        }
        Said::Retention(said) => retention::with_retention(record, &said),
        Said::Gone => record.with("erased", true),
        Said::Unsupported => record.with("kind", entry.kind.0).with("body_hex", hex(&entry.body)),
    };
    let mentions = entry.ext.mentions.as_ref().filter(|list| !list.is_empty());
    let mentions =
        mentions.map(|list| list.iter().map(|user| user.to_string().into()).collect::<Vec<Value>>());
    let files = objects(entry);
    let record = record.maybe("files", (!files.is_empty()).then_some(files));
    record
        .maybe("target", entry.ext.target.map(|seq| seq.0))
        .maybe("origin", origin::of(entry).map(origin::object))
        .maybe("reply_to", entry.ext.reply_to.map(|seq| seq.0))
        .maybe("thread", entry.ext.thread_root.map(|seq| seq.0))
        .maybe("expires_ms", entry.ext.expires_ms)
        .maybe("mentions", mentions)
        .maybe("mentions_room", entry.ext.mentions_room)
        .maybe("edited_by", entry.ext.edited.as_ref().map(|edited| edited.by.to_string()))
        .maybe("edited_ms", entry.ext.edited.as_ref().map(|edited| edited.at_ms))
        .maybe("reason", entry.ext.reason.as_ref().map(|reason| reason.as_str()))
}

/// What a message has beside its text.
pub(crate) fn files(entry: &Entry) -> impl Iterator<Item = &FileRef> {
    entry.ext.files.iter().filter(|_| !entry.is_erased()).flat_map(|files| files.iter())
}

/// The same for programs.
pub(crate) fn objects(entry: &Entry) -> Vec<Value> {
    let object = |file| fields(file).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    files(entry).map(|file| Value::Object(object(file))).collect()
}

fn change_word(change: Change) -> &'static str {
    match change {
        Change::JOINED => "joined",
        Change::LEFT => "left",
        Change::INVITED => "invited",
        Change::REMOVED => "removed",
        _ => "unknown",
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_client::protocol::{Blob, DeviceId, Ext, Incarnation, MessageId, RoomId, Seq};

    fn entry(kind: Kind, body: impl Into<Vec<u8>>) -> Entry {
        Entry {
            seq: Seq(42),
            at_ms: 1_000,
            user: Some(UserId::from_bytes([1; 16])),
            device: Some(DeviceId::from_bytes([2; 16])),
            message: Some(MessageId::from_bytes([3; 16])),
            kind,
            body: Blob::new(body.into()).unwrap(),
            ext: Ext::default(),
        }
    }

    fn names() -> Names {
        let mut names = Names::default();
        names.learn(UserId::from_bytes([1; 16]), "maria".parse().unwrap());
        names
    }

    fn json(entry: &Entry) -> String {
        let room =
            Room { id: RoomId::from_bytes([9; 16]), name: Some("lobby".into()), label: "#lobby".into() };
        let cursor = Cursor { incarnation: Incarnation(7), seq: entry.seq };
        serde_json::to_string(&record(&room, cursor, entry, &names(), UserId::from_bytes([8; 16]))).unwrap()
    }

    #[test]
    fn a_message_is_harmless_for_people_and_exact_for_programs() {
        let entry = entry(Kind::TEXT, "\u{feff}one\ntwo\u{1b}[2J");
        assert_eq!(text(&entry, &names(), Lines::One), "maria: \\u{feff}one\\ntwo\\u{1b}[2J");
        assert_eq!(text(&entry, &names(), Lines::Many), "maria: \\u{feff}one\n    two\\u{1b}[2J");
        let expected = concat!(
            r#"{"v":1,"type":"message","room":"09090909090909090909090909090909","room_name":"lobby","#,
            r#""seq":42,"cursor":"7.42","at":"1970-01-01T00:00:01.000Z","at_ms":1000,"#,
            r#""user":"01010101010101010101010101010101","nickname":"maria","#,
            r#""device":"02020202020202020202020202020202","id":"03030303030303030303030303030303","#,
            r#""own":false,"text":""#,
            "\u{feff}",
            r#"one\ntwo\u001b[2J"}"#,
        );
        assert_eq!(json(&entry), expected);
    }

    #[test]
    fn memberships_are_sentences() {
        let maria = UserId::from_bytes([1; 16]);
        let ada = UserId::from_bytes([5; 16]);
        let line = |user, change| {
            let change = MemberChange { user, change, nickname: "ada".parse().unwrap(), role: 10 };
            text(&entry(Kind::MEMBER, cbor::encode(&change)), &names(), Lines::One)
        };
        assert_eq!(line(ada, Change::JOINED), "* ada joined");
        assert_eq!(line(ada, Change::INVITED), "* maria invited ada");
        assert_eq!(line(ada, Change::REMOVED), "* maria removed ada");
        assert_eq!(line(maria, Change::REMOVED), "* ada left");
        let body =
            MemberChange { user: ada, change: Change::JOINED, nickname: "ada".parse().unwrap(), role: 10 };
        let shown = json(&entry(Kind::MEMBER, cbor::encode(&body)));
        assert!(shown.contains(r#""type":"member-change""#), "{shown}");
        assert!(shown.ends_with(r#""change":"joined","whom":"05050505050505050505050505050505","whom_nickname":"ada","role":"member"}"#), "{shown}");
    }

    #[test]
    fn what_was_done_is_a_sentence_with_its_reason() {
        use quipu_client::protocol::Text;
        use quipu_client::protocol::request::{Permissions, Sanction};

        let bob = UserId::from_bytes([5; 16]);
        let line = |kind, body: Vec<u8>| {
            let ext = Ext { reason: Some(Text::new("sp\u{1b}am").unwrap()), ..Ext::default() };
            let entry = Entry { ext, ..entry(kind, body) };
            let shown = json(&entry);
            (text(&entry, &names(), Lines::One), shown)
        };
        let nickname = || "bob".parse().unwrap();
        let role =
            |permissions| RoleChange { user: bob, nickname: nickname(), role: RoomRole::MEMBER, permissions };
        let sanction = |imposed, until_ms| SanctionChange {
            user: bob,
            nickname: nickname(),
            sanction: Sanction::MUTE,
            imposed,
            until_ms,
        };
        let slow = RoomSettings { slow_ms: Some(1_500), read_only: Some(false), ..RoomSettings::default() };
        for (kind, body, sentence, fields) in [
            (Kind::ROLE, cbor::encode(&role(None)), "maria made bob member", r#""role":"member","reason""#),
            (
                Kind::ROLE,
                cbor::encode(&role(Some(Permissions::READ.or(Permissions::PIN)))),
                "maria lets bob do this: read pin",
                r#""permissions":["read","pin"]"#,
            ),
            (
                Kind::SANCTION,
                cbor::encode(&sanction(true, Some(61_000))),
                "maria muted bob for 60 s",
                r#""sanction":"mute","imposed":true,"until_ms":61000"#,
            ),
            (
                Kind::SANCTION,
                cbor::encode(&sanction(false, None)),
                "maria lifted the mute of bob",
                r#""imposed":false"#,
            ),
            (
                Kind::SETTINGS,
                cbor::encode(&slow),
                "maria set: read-only off, slow mode 2 s",
                r#""read_only":false,"slow_ms":1500"#,
            ),
            (
                Kind::ERASURE,
                cbor::encode(&Erased { user: bob, nickname: nickname() }),
                "maria erased everything bob wrote before",
                r#""whom_nickname":"bob""#,
            ),
        ] {
            let (shown, json) = line(kind, body);
            assert_eq!(shown, format!("* {sentence}: sp\\u{{1b}}am"));
            assert!(json.contains(fields), "{json}");
        }
    }

    #[test]
    fn what_is_said_about_a_message_is_a_sentence_and_an_object() {
        use quipu_client::protocol::entry::{Edited, Erasure};

        let ext = || Ext { target: Some(Seq(7)), ..Ext::default() };
        let about = |kind, body: &str| Entry { ext: ext(), ..entry(kind, body) };
        let gone = Entry { ext: Ext { erased: Some(Erasure::REMOVED), ..ext() }, ..entry(Kind::EDIT, "") };
        let topic = TopicChange { topic: Some("tea".parse().unwrap()) };
        let name = NameChange { before: Some("den".parse().unwrap()), name: "kitchen".parse().unwrap() };
        for (entry, line, fields) in [
            (about(Kind::EDIT, "a\u{1b}b"), "* maria edited 7: a\\u{1b}b", r#""text":"a\u001bb","target":7"#),
            (gone, "* maria, about 7: (erased)", r#""type":"edit""#),
            (about(Kind::REDACTION, ""), "* maria erased 7", r#""type":"redaction""#),
            (about(Kind::REDACTION, "rude"), "* maria erased 7: rude", r#""reason":"rude","target":7"#),
            (about(Kind::REACTION, "👍"), "* maria reacts to 7: 👍", r#""emoji":"👍","target":7"#),
            (about(Kind::UNREACTION, "+1"), "* maria takes back from 7: +1", r#""type":"unreaction""#),
            (about(Kind::PIN, ""), "* maria pinned 7", r#""type":"pin""#),
            (about(Kind::UNPIN, ""), "* maria took the pin off 7", r#""type":"unpin""#),
            (entry(Kind::TOPIC, cbor::encode(&topic)), "* maria set the topic: tea", r#""topic":"tea""#),
            (
                entry(Kind::TOPIC, cbor::encode(&TopicChange { topic: None })),
                "* maria took the topic away",
                "}",
            ),
            (
                entry(Kind::NAME, cbor::encode(&name)),
                "* maria named the room #kitchen",
                r#""name":"kitchen","name_before":"den""#,
            ),
        ] {
            assert_eq!(text(&entry, &names(), Lines::One), line);
            assert!(json(&entry).contains(fields), "{}", json(&entry));
        }
        let edited = Some(Edited { by: UserId::from_bytes([1; 16]), at_ms: 2_000 });
        let ext = Ext { reply_to: Some(Seq(3)), thread_root: Some(Seq(2)), edited, ..Ext::default() };
        let message = Entry { ext, ..entry(Kind::TEXT, "hi") };
        assert_eq!(text(&message, &names(), Lines::One), "maria (to 3, in 2, edited): hi");
        assert!(
            json(&message).contains(r#""reply_to":3,"thread":2,"edited_by":"0101"#),
            "{}",
            json(&message)
        );
    }

    #[test]
    fn what_is_unknown_or_broken_is_shown_as_such() {
        for entry in [entry(Kind(99), [1, 2]), entry(Kind::TEXT, [0xff, 0xfe]), entry(Kind::MEMBER, [0x80])] {
            assert_eq!(Said::of(&entry), Said::Unsupported);
            assert!(text(&entry, &names(), Lines::One).contains("cannot show"));
        }
        assert!(json(&entry(Kind(99), [1, 0xab])).ends_with(r#""own":false,"kind":99,"body_hex":"01ab"}"#));
    }
}
