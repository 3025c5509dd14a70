//! What people type, turned into values before anything else happens: durations, places in a log, rooms, keys.
//!
//! All of it is pure, so that a mistake ends the program with the usage code before a profile is opened.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use quipu_client::protocol::limits::TEXT_BYTES_MAX;
use quipu_client::protocol::request::{Permissions, Reason, RoomRole, ServerRole};
use quipu_client::protocol::token::sha256;
use quipu_client::protocol::{Cursor, MessageId, Nickname, RoomId, RoomName};
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Text that is not what an argument wants.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ParseError {
    #[error("a duration is a number with a unit, such as 90s, 15m, 48h, 7d or 1h30m")]
    Duration,
    #[error("a duration of {0} seconds is more than a hundred years")]
    LongDuration(u64),
    #[error(
        "say how far back: a duration (1h), a cursor (1.42), a time (2026-11-23T09:15:00Z), `start` or `resume`"
    )]
    Since,
    #[error("a room is `name`, `#name`, `@nickname` or 32 hexadecimal digits: {0}")]
    Room(String),
    #[error("a profile name is 1 to 64 letters, digits, `-`, `_` or `.`, and starts with a letter or digit")]
    Profile,
    #[error("a role is guest, bot, member or admin")]
    Role,
    #[error("a day is such as 2026-11-25")]
    Day,
    #[error("an id must not be empty")]
    EmptyId,
    #[error("a role in a room is reader, member, moderator or owner")]
    RoomRole,
    #[error("a role on the server is guest, member, admin or owner")]
    ServerRole,
    #[error("a permission is one of: {0}")]
    Permission(String),
    #[error("a reason has 1 to {TEXT_BYTES_MAX} bytes")]
    Reason,
}

/// A length of time: numbers with the units `ms`, `s`, `m`, `h`, `d`, `w`, largest first or not.
pub(crate) fn duration(text: &str) -> Result<Duration, ParseError> {
    let mut rest = text.trim();
    let mut total_ms: u64 = 0;
    if rest.is_empty() {
        return Err(ParseError::Duration);
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|char: char| char.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().map_err(|_| ParseError::Duration)?;
        rest = &rest[digits..];
        let letters = rest.len() - rest.trim_start_matches(|char: char| char.is_ascii_alphabetic()).len();
        let unit_ms = unit_ms(&rest[..letters]).ok_or(ParseError::Duration)?;
        rest = &rest[letters..];
        total_ms = total_ms.saturating_add(number.saturating_mul(unit_ms));
    }
    if total_ms > DURATION_MS_MAX {
        return Err(ParseError::LongDuration(total_ms / 1_000));
    }
    Ok(Duration::from_millis(total_ms))
}

fn unit_ms(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 24 * 3_600_000,
        "w" => 7 * 24 * 3_600_000,
        _ => return None,
    })
}

/// Where `tail` begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// So long ago.
    Ago(Duration),
    /// At this time, unix milliseconds.
    At(u64),
    /// Behind this place.
    After(Cursor),
    /// With the oldest entry.
    Start,
    /// Where this profile was.
    Resume,
}

impl FromStr for Since {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "start" => return Ok(Self::Start),
            "resume" => return Ok(Self::Resume),
            _ => {}
        }
        if let Ok(cursor) = text.parse() {
            return Ok(Self::After(cursor));
        }
        if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
            let at_ms = at.unix_timestamp_nanos() / 1_000_000;
            return u64::try_from(at_ms).map(Self::At).map_err(|_| ParseError::Since);
        }
        duration(text).map(Self::Ago).map_err(|_| ParseError::Since)
    }
}

/// A room as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RoomRef {
    /// By its id.
    Id(RoomId),
    /// By its name.
    Name(RoomName),
    /// The direct room with this person.
    Person(Nickname),
}

impl FromStr for RoomRef {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = |error: quipu_client::protocol::name::NameError| ParseError::Room(error.to_string());
        if let Some(name) = text.strip_prefix('#') {
            return name.parse().map(Self::Name).map_err(wrong);
        }
        if let Some(nickname) = text.strip_prefix('@') {
            return nickname.parse().map(Self::Person).map_err(wrong);
        }
        // 32 hexadecimal digits would also be a name; `#` says that it is one.
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => text.parse().map(Self::Name).map_err(wrong),
        }
    }
}

impl fmt::Display for RoomRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => write!(f, "#{name}"),
            Self::Person(nickname) => write!(f, "@{nickname}"),
        }
    }
}

/// A nickname, with or without the `@` it is shown with.
pub(crate) fn nickname(text: &str) -> Result<Nickname, quipu_client::protocol::name::NameError> {
    text.strip_prefix('@').unwrap_or(text).parse()
}

/// Name of a profile. It becomes a folder's name, so it is narrow.
pub(crate) fn profile(text: &str) -> Result<String, ParseError> {
    let allowed = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    let begins = text.starts_with(|char: char| char.is_ascii_alphanumeric());
    if begins && text.len() <= 64 && text.chars().all(allowed) {
        Ok(text.into())
    } else {
        Err(ParseError::Profile)
    }
}

/// The role of a newcomer. `owner` is not given away by link.
pub(crate) fn role(text: &str) -> Result<ServerRole, ParseError> {
    [ServerRole::GUEST, ServerRole::BOT, ServerRole::MEMBER, ServerRole::ADMIN]
        .into_iter()
        .find(|role| role.word() == text)
        .ok_or(ParseError::Role)
}

/// A role in a room.
pub(crate) fn room_role(text: &str) -> Result<RoomRole, ParseError> {
    [RoomRole::READER, RoomRole::MEMBER, RoomRole::MODERATOR, RoomRole::OWNER]
        .into_iter()
        .find(|role| role.word() == text)
        .ok_or(ParseError::RoomRole)
}

/// A role on the server that people have.
pub(crate) fn server_role(text: &str) -> Result<ServerRole, ParseError> {
    [ServerRole::GUEST, ServerRole::MEMBER, ServerRole::ADMIN, ServerRole::OWNER]
        .into_iter()
        .find(|role| role.word() == text)
        .ok_or(ParseError::ServerRole)
}

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day(pub(crate) time::Date);

/// A day as `2010-08-17`.
pub(crate) fn day(text: &str) -> Result<Day, ParseError> {
    super::import::day(text).map(Day).ok_or(ParseError::Day)
}

/// One permission, by its name.
pub(crate) fn permission(text: &str) -> Result<Permissions, ParseError> {
    let names = || Permissions::ALL.names().collect::<Vec<_>>().join(", ");
    Permissions::named(text).ok_or_else(|| ParseError::Permission(names()))
}

/// Why something is done.
pub(crate) fn reason(text: &str) -> Result<Reason, ParseError> {
    match Reason::new(text) {
        Ok(reason) if !text.trim().is_empty() => Ok(reason),
        _ => Err(ParseError::Reason),
    }
}

/// What a bot may do: names of permissions, or `all`.
pub(crate) fn scope(text: &str) -> Result<Permissions, ParseError> {
    if text == "all" {
        return Ok(Permissions::ANYTHING);
    }
    let mut scope = Permissions::NONE;
    for name in text.split(',') {
        scope = scope.or(permission(name.trim())?);
    }
    Ok(scope)
}

/// The caller's own name for a message, so that sending twice is sending once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl FromStr for Key {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() { Err(ParseError::EmptyId) } else { Ok(Self(text.into())) }
    }
}

impl Key {
    /// A key of ours.
    pub(crate) fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The id of the one message: the 32 hexadecimal digits themselves, of anything else the first half of its
    /// SHA-256.
    pub(crate) fn id(&self) -> MessageId {
        self.0.parse().unwrap_or_else(|_| hashed(&self.0))
    }

    /// The id of one line of many: line `number`, counted from 1, under this key.
    pub(crate) fn id_of_line(&self, number: u64) -> MessageId {
        hashed(&format!("{}\n{number}", self.0))
    }
}

fn hashed(text: &str) -> MessageId {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&sha256(text.as_bytes())[..16]);
    MessageId::from_bytes(bytes)
}

const DURATION_MS_MAX: u64 = 100 * 366 * 24 * 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_client::protocol::{Incarnation, Seq};

    #[test]
    fn durations_need_their_unit() {
        let good = [("90s", 90_000), ("250ms", 250), ("1h30m", 5_400_000), ("2d", 172_800_000), ("0s", 0)];
        for (text, ms) in good {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "10", "h", "1y", "-1s", "1 h", "1.5h", "99999999999999999999s", "ten seconds"] {
            assert_eq!(duration(bad), Err(ParseError::Duration), "{bad}");
        }
        assert!(matches!(duration("99999999999w"), Err(ParseError::LongDuration(_))));
    }

    #[test]
    fn since_takes_five_forms() {
        let cursor = Cursor { incarnation: Incarnation(1), seq: Seq(42) };
        let good = [
            ("start", Since::Start),
            ("resume", Since::Resume),
            ("1.42", Since::After(cursor)),
            ("1h", Since::Ago(Duration::from_secs(3_600))),
            ("1970-01-01T00:00:01Z", Since::At(1_000)),
        ];
        for (text, since) in good {
            assert_eq!(text.parse(), Ok(since), "{text}");
        }
        for bad in ["", "42", "1.x", "end", "1969-01-01T00:00:01Z"] {
            assert_eq!(bad.parse::<Since>(), Err(ParseError::Since), "{bad}");
        }
    }

    #[test]
    fn a_room_is_named_in_four_ways() {
        let name = |text: &str| RoomRef::Name(text.parse().unwrap());
        let hex = "00112233445566778899aabbccddeeff";
        assert_eq!("lobby".parse(), Ok(name("lobby")));
        assert_eq!("#lobby".parse(), Ok(name("lobby")));
        assert_eq!("@Maria".parse(), Ok(RoomRef::Person("Maria".parse().unwrap())));
        assert_eq!(hex.parse(), Ok(RoomRef::Id(hex.parse().unwrap())));
        assert_eq!(format!("#{hex}").parse(), Ok(name(hex)));
        for bad in ["", "#", "@", "Lobby", "a b", "@a b", "##a"] {
            assert!(matches!(bad.parse::<RoomRef>(), Err(ParseError::Room(_))), "{bad}");
        }
    }

    #[test]
    fn profiles_are_folder_names() {
        assert!(profile("work-2.old_one").is_ok());
        for bad in ["", ".", "..", ".hidden", "a/b", "a\\b", "ü", &"x".repeat(65)] {
            assert_eq!(profile(bad), Err(ParseError::Profile), "{bad}");
        }
    }

    #[test]
    fn a_key_is_an_id_or_is_hashed_to_one() {
        let hex = "00112233445566778899aabbccddeeff";
        let key = |text: &str| text.parse::<Key>().unwrap();
        assert_eq!(key(hex).id().to_string(), hex);
        // The test vector of FIPS 180-4.
        assert_eq!(key("abc").id().to_string(), "ba7816bf8f01cfea414140de5dae2223");
        assert_ne!(key("abc").id_of_line(1), key("abc").id_of_line(2));
        assert_ne!(key("abc").id_of_line(1), key("abc").id());
        assert_eq!("".parse::<Key>(), Err(ParseError::EmptyId));
    }

    #[test]
    fn nobody_becomes_owner_by_link() {
        assert_eq!(role("admin"), Ok(ServerRole::ADMIN));
        assert_eq!(role("owner"), Err(ParseError::Role));
    }
}
