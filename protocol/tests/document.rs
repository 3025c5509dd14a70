//! That PROTOCOL.md and the comments of the CDDL say what the code does: every table and every example.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{cddl, spec};
use quipu_protocol::inbox::PresenceState;
use quipu_protocol::request::{
    AnchorKind, MembershipState, Notify, Permissions, RoomRole, ServerRole, Visibility,
};
use quipu_protocol::room::{EndReason, GapReason};
use quipu_protocol::stream::{BidiType, UniType};
use quipu_protocol::{CloseCode, Code, InviteLink, Kind, ResetCode, limits, table};

/// The rows of the tables whose header begins with these cells.
fn rows(header: &[&str]) -> Vec<Vec<String>> {
    let document = spec("PROTOCOL.md");
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
        inner.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut rows = Vec::new();
    let mut lines = document.lines().filter(|line| line.starts_with('|') || line.is_empty());
    while let Some(line) = lines.next() {
        if cells(line).starts_with(&header.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>()) {
            rows.extend(lines.by_ref().skip(1).take_while(|line| !line.is_empty()).map(cells));
        }
    }
    assert!(!rows.is_empty(), "no table {header:?}");
    rows
}

fn number(cell: &str) -> u64 {
    let parsed = match cell.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => cell.parse(),
    };
    parsed.unwrap_or_else(|_| panic!("{cell} is no number"))
}

/// First cell as a number, second as a name.
fn numbered(header: &[&str]) -> BTreeSet<(u64, String)> {
    rows(header).iter().map(|row| (number(&row[0]), row[1].clone())).collect()
}

/// `AuthTimeout` as `AUTH_TIMEOUT`.
fn screaming(name: &str) -> String {
    let mut out = String::new();
    for char in name.chars() {
        if char.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(char.to_ascii_uppercase());
    }
    out
}

fn closes() -> BTreeSet<(u64, String)> {
    CloseCode::ALL.iter().map(|code| (u64::from(code.number()), screaming(&format!("{code:?}")))).collect()
}

fn resets() -> BTreeSet<(u64, String)> {
    ResetCode::ALL.iter().map(|code| (u64::from(code.number()), screaming(&format!("{code:?}")))).collect()
}

/// The names of [`Code`]'s constants, as its source gives them.
fn codes() -> BTreeSet<(u64, String)> {
    let source = include_str!("../src/error.rs");
    let constants = source.lines().filter_map(|line| {
        let (name, rest) = line.trim().strip_prefix("pub const ")?.split_once(": Self = Self(")?;
        Some((number(rest.trim_end_matches(");")), name.to_owned()))
    });
    let codes: BTreeSet<_> = constants.collect();
    let known = (0..=u16::MAX).filter(|code| Code(*code).meaning() != "unknown code");
    assert_eq!(known.count(), codes.len());
    codes
}

#[test]
fn codes_are_those_of_the_code() {
    assert_eq!(numbered(&["Code", "Name", "Means", "The client"]), closes());
    let mut others = numbered(&["Code", "Name", "Means"]);
    others.retain(|row| !closes().contains(row));
    assert_eq!(others, resets().union(&codes()).cloned().collect());
}

#[test]
fn the_cddl_comments_list_the_same_codes() {
    let words: Vec<&str> =
        cddl::TEXT.lines().filter(|line| line.starts_with(';')).flat_map(str::split_whitespace).collect();
    let listed: BTreeSet<(u64, String)> = words
        .windows(2)
        .filter(|pair| pair[0].starts_with("0x") || pair[0].len() == 3)
        .filter_map(|pair| {
            let digits = pair[0].trim_start_matches("0x");
            let radix = if digits.len() < pair[0].len() { 16 } else { 10 };
            let number = u64::from_str_radix(digits, radix).ok()?;
            let name = pair[1];
            let is_name = name.chars().all(|char| char.is_ascii_uppercase() || char == '_');
            is_name.then(|| (number, name.to_owned()))
        })
        .collect();
    let streams = numbered(&["Type", "Name", "Direction"]);
    let all = closes().into_iter().chain(resets()).chain(codes()).chain(streams).collect();
    assert_eq!(listed, all);
}

#[test]
fn frames_are_those_of_the_code() {
    let code = table::messages().map(|(ty, name)| (ty.0, name.to_owned())).collect();
    assert_eq!(numbered(&["Type", "Name", "On"]), code);
}

#[test]
fn streams_are_those_of_the_code() {
    let bidi =
        [BidiType::Control, BidiType::Publish, BidiType::Request, BidiType::Upload, BidiType::Download];
    let bidi = bidi.map(|ty| (ty.number(), format!("{ty:?}"), "bidi"));
    let uni = [UniType::Room, UniType::Inbox].map(|ty| (ty.number(), format!("{ty:?}"), "uni"));
    let code: BTreeSet<_> = bidi
        .into_iter()
        .chain(uni)
        .map(|(number, name, direction)| (number, name.to_uppercase(), direction.to_owned()))
        .collect();
    let document = rows(&["Type", "Name", "Direction"]);
    let document = document.iter().map(|row| (number(&row[0]), row[1].clone(), row[2].clone())).collect();
    assert_eq!(code, document);
}

/// A number and what it is called, for each `name` of a type.
macro_rules! named {
    ($ty:ident: $($name:ident),+) => { [$(($ty::$name.0, stringify!($name))),+] };
}

#[test]
fn words_are_those_of_the_code() {
    for row in rows(&["Number", "Visibility", "Membership"]) {
        let number = number(&row[0]);
        assert_eq!(row[1], Visibility(number).word());
        assert_eq!(row[2], MembershipState(number).word());
    }
    for row in rows(&["Number", "State", "Means"]) {
        assert_eq!(row[1], PresenceState(number(&row[0])).word());
    }
    for row in rows(&["Number", "Notify", "A new entry is worth a signal"]) {
        assert_eq!(row[1], Notify(number(&row[0])).word());
    }
    for row in rows(&["Number", "Role in a room", "Role on the server"]) {
        let number = number(&row[0]);
        let room = RoomRole(number).word();
        assert_eq!(row[1], if room == "unknown" { "" } else { room });
        assert_eq!(row[2], ServerRole(number).word());
    }
    let bits = rows(&["Bit", "Permission", "Allows"]);
    assert_eq!(bits.len(), Permissions::NAMES.len());
    for row in bits {
        assert_eq!(Permissions::named(&row[1]), Some(Permissions(1 << number(&row[0]))));
    }
    let anchors = rows(&["Kind", "Name", "Gives"]);
    for row in &anchors {
        assert_eq!(row[1], AnchorKind(number(&row[0])).word());
    }
    let pairs = |named: &[(u64, &str)]| -> BTreeSet<(u64, String)> {
        named.iter().map(|(number, name)| (*number, (*name).to_owned())).collect()
    };
    assert_eq!(
        numbered(&["Kind", "Name", "Body"]),
        pairs(&named!(
            Kind: TEXT, EDIT, REDACTION, REACTION, UNREACTION, PIN, UNPIN, CREATED, MEMBER, TOPIC, NAME, ROLE,
            SANCTION, SETTINGS, ERASURE, RETENTION
        ))
    );
    let gaps = named!(GapReason: BACKLOG, INCARNATION, RETENTION);
    let ends = named!(EndReason: SHUTDOWN, LEFT, REMOVED, DELETED);
    let reasons = rows(&["Reason", "Gap", "End"]);
    assert_eq!(reasons.len(), gaps.len().max(ends.len()));
    for (at, row) in reasons.iter().enumerate() {
        for (cell, named) in [(&row[1], gaps.get(at)), (&row[2], ends.get(at))] {
            let (number_of, name) = named.map_or((number(&row[0]), ""), |(number, name)| (*number, *name));
            assert_eq!(number(&row[0]), number_of);
            assert!(cell.starts_with(name) && cell.is_empty() == name.is_empty(), "{row:?}");
        }
    }
}

/// Name and value of each of these limits.
macro_rules! values {
    ($($name:ident),+ $(,)?) => { [$((stringify!($name), limits::$name as u64)),+] };
}

#[test]
fn limits_are_those_of_the_code() {
    let code: BTreeMap<&str, u64> = values![
        FRAME_BYTES_MAX,
        CONTROL_BYTES_MAX,
        BODY_BYTES_MAX,
        ENTRY_OVERHEAD_BYTES_MAX,
        DATAGRAM_BYTES_MAX,
        CBOR_DEPTH_MAX,
        MAP_ENTRIES_MAX,
        ARRAY_ITEMS_MAX,
        ROOMS_OPEN_MAX,
        SUBSCRIBE_ROOMS_MAX,
        PUBLISH_STREAMS_MAX,
        PUBLISHES_IN_FLIGHT_MAX,
        PAGE_ENTRIES_MAX,
        BACKLOG_ENTRIES_MAX,
        ROWS_MAX,
        HEADS_MAX,
        PRESENCE_MAX,
        RECEIPTS_MAX,
        MENTIONS_MAX,
        EMOJI_BYTES_MAX,
        EMOJI_PER_ENTRY_MAX,
        EDITS_MAX,
        PINS_MAX,
        FILES_MAX,
        FILE_ENTRIES_MAX,
        FILE_NAME_BYTES_MAX,
        MEDIA_TYPE_BYTES_MAX,
        SEARCH_BYTES_MAX,
        SEARCH_ROOMS_MAX,
        HITS_MAX,
        SNIPPET_BYTES_MAX,
        SNIPPET_MATCHES_MAX,
        IGNORED_MAX,
        BOT_ROOMS_MAX,
        FEATURES_MAX,
        ROOM_NAME_BYTES_MAX,
        NICKNAME_BYTES_MAX,
        DEVICE_NAME_BYTES_MAX,
        TOPIC_BYTES_MAX,
        AWAY_TEXT_BYTES_MAX,
        TEXT_BYTES_MAX,
        DETAIL_BYTES_MAX,
        AGENT_BYTES_MAX,
        REDIRECT_BYTES_MAX,
        TOKEN_BYTES_MAX,
        PROOF_BYTES_MAX,
        AUTH_TIMEOUT_MS,
        TOKEN_LIFE_MS,
        BOT_TOKEN_LIFE_MS,
        CLOCK_SKEW_MS,
        DEDUPE_MS,
        RETRY_MS,
        EXPIRY_MS_MAX,
        EXPORT_PLACE_BYTES_MAX,
        TYPING_TTL_MS,
        IDLE_TIMEOUT_MS,
    ]
    .into();
    let source = include_str!("../src/limits.rs");
    let declared = source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    assert_eq!(declared.collect::<BTreeSet<_>>(), code.keys().copied().collect());

    let document = rows(&["Limit", "Value", "Unit"]);
    let document = document.iter().map(|row| (row[0].as_str(), number(&row[1]))).collect();
    assert_eq!(code, document);
}

/// Examples are fenced as ```` ```text frame NAME ```` or ```` ```text step NAME ````.
#[test]
fn examples_are_golden_vectors() {
    let document = spec("PROTOCOL.md");
    let mut known = BTreeMap::new();
    for (what, file) in [("frame", "frames"), ("step", "signed")] {
        let file = spec(&format!("vectors/{file}.json"));
        for vector in serde_json::from_str::<Vec<serde_json::Value>>(&file).unwrap() {
            let text = |key: &str| vector[key].as_str().unwrap().to_owned();
            known.insert(format!("{what} {}", text("name")), text("hex"));
        }
    }
    let mut examples = 0;
    for block in document.split("\n```text ").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap();
        let hex: String = rest.split("\n```").next().unwrap().split_whitespace().collect();
        assert_eq!(known.get(name), Some(&hex), "{name}");
        examples += 1;
    }
    assert!(examples >= 12, "only {examples} examples");
}

#[test]
fn the_link_in_the_text_is_one() {
    let document = spec("PROTOCOL.md");
    let links: Vec<&str> = document.lines().filter(|line| line.starts_with("quipu://chat")).collect();
    assert_eq!(links.len(), 1);
    assert!(links[0].parse::<InviteLink>().is_ok());
    assert!(spec("vectors/links.json").contains(links[0]));
}

#[test]
fn constants_in_the_prose_are_those_of_the_code() {
    let document = spec("PROTOCOL.md");
    let label = std::str::from_utf8(quipu_protocol::token::EXPORTER_LABEL).unwrap();
    let alpn = std::str::from_utf8(quipu_protocol::ALPN).unwrap();
    let purposes = [
        quipu_protocol::token::Purpose::Auth,
        quipu_protocol::token::Purpose::Redeem,
        quipu_protocol::token::Purpose::Refresh,
    ];
    for said in purposes.map(|purpose| purpose.name()).into_iter().chain([label, alpn]) {
        assert!(document.contains(&format!("`{said}`")), "{said}");
    }
    assert!(document.contains(&format!("port {}", quipu_protocol::PORT)));
}
