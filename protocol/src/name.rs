//! Names people choose, each with its rule. Parsing is the only way in, also for serde.
//!
//! Names are shown in terminals and compared by eye, so they are narrow: no spaces, no control characters, one
//! alphabet for what identifies. Topics and device names only inform, and are wider.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::is_unseen;
use crate::limits::{
    AWAY_TEXT_BYTES_MAX, DEVICE_NAME_BYTES_MAX, EMOJI_BYTES_MAX, FILE_NAME_BYTES_MAX, NICKNAME_BYTES_MAX,
    ROOM_NAME_BYTES_MAX, TOPIC_BYTES_MAX,
};

/// A name outside its rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {rule}")]
pub struct NameError {
    what: &'static str,
    rule: &'static str,
}

macro_rules! name {
    ($($(#[$meta:meta])* $name:ident, $what:literal, $rule:literal, $max:expr, $allowed:expr;)+) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str { &self.0 }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                let allowed: fn(&str) -> bool = $allowed;
                if text.len() <= $max && allowed(&text) {
                    Ok(Self(text))
                } else {
                    Err(NameError { what: $what, rule: $rule })
                }
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> { text.to_owned().try_into() }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self { name.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(&self.0) }
        }
    )+ };
}

name! {
    /// A room's name: it identifies the room on its server.
    RoomName, "a room name", "1 to 64 lowercase letters, digits or `-`, and starts with a letter or digit",
        ROOM_NAME_BYTES_MAX,
        |text| identifies(text, |char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-');
    /// What a person is called. Two that differ only in case are the same, see [`Nickname::folded`].
    Nickname, "a nickname", "1 to 32 letters, digits, `-`, `_` or `.`, and starts with a letter or digit",
        NICKNAME_BYTES_MAX,
        |text| identifies(text, |char| char.is_ascii_alphanumeric() || "-_.".contains(char));
    /// What a person calls a device.
    DeviceName, "a device name", "1 to 64 bytes of text without control characters",
        DEVICE_NAME_BYTES_MAX, |text| !text.is_empty() && is_plain(text);
    /// What somebody who is away says about it.
    AwayText, "a text for being away", "1 to 128 bytes of text without control characters",
        AWAY_TEXT_BYTES_MAX, |text| !text.is_empty() && is_plain(text);
    /// What a room is about.
    Topic, "a topic", "at most 512 bytes of text without control characters",
        TOPIC_BYTES_MAX, is_plain;
    /// What a reaction says: an emoji, or a short word without spaces.
    Emoji, "a reaction", "an emoji or a word of at most 32 bytes, without spaces or control characters",
        EMOJI_BYTES_MAX, is_emoji;
    /// What a file is called. It is shown, and offered when the file is kept; it is never a path.
    FileName, "a file name", "1 to 128 bytes of text without control characters, `/` or `\\`, and not only dots",
        FILE_NAME_BYTES_MAX,
        |text| is_plain(text) && !text.contains(['/', '\\']) && text.chars().any(|char| char != '.' && char != ' ');
}

impl Nickname {
    /// The form in which nicknames are compared: equal for names that differ only in case.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

fn identifies(text: &str, allowed: fn(char) -> bool) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.chars().all(allowed)
}

/// No control characters, and none that only change how others are shown.
fn is_plain(text: &str) -> bool {
    !text.contains(is_unseen)
}

/// Some emoji are several that are joined by a zero-width joiner, which joins two and nothing else: else two that look the
/// same would be different ones.
fn is_emoji(text: &str) -> bool {
    const JOINER: char = '\u{200d}';
    let is_seen = |part: &str| !part.is_empty() && is_plain(part) && !part.contains(char::is_whitespace);
    text.split(JOINER).all(is_seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_names_keep_their_rule() {
        for good in ["lobby", "a", "7", "team-4", &"x".repeat(64)] {
            assert!(good.parse::<RoomName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "Lobby", "a b", "größe", "a/b", "a\u{0}", &"x".repeat(65)] {
            assert!(bad.parse::<RoomName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn nicknames_differ_by_more_than_case() {
        let folded = |text: &str| text.parse::<Nickname>().map(|name| name.folded());
        assert_eq!(folded("Maria.K"), folded("maria.k"));
        assert!(folded("ada\u{202e}").is_err() && folded("аda").is_err() && folded(" ada").is_err());
    }

    #[test]
    fn file_names_are_no_paths() {
        for good in ["a", "Übersicht 2026.pdf", ".profile", "…"] {
            assert!(good.parse::<FileName>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", " ", "a/b", "..\\a", "a\u{0}", "cod.exe\u{202e}gpj", &"x".repeat(129)] {
            assert!(bad.parse::<FileName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn reactions_are_one_visible_word() {
        for good in ["👍", "+1", "👩\u{200d}🚀", "❤\u{fe0f}", "danke", "哈哈", &"x".repeat(32)] {
            assert!(good.parse::<Emoji>().is_ok(), "{good:?}");
        }
        let joined = ["\u{200d}", "👍\u{200d}", "\u{200d}👍", "👩\u{200d}\u{200d}🚀"];
        let bad = ["", " ", "a b", "a\n", "\u{202e}x", "\u{200b}", "a\u{3000}b", "👍\u{ad}", &"x".repeat(33)];
        for bad in bad.into_iter().chain(joined) {
            assert!(bad.parse::<Emoji>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn device_names_and_topics_carry_nothing_invisible() {
        assert!("Maria's phone ☎".parse::<DeviceName>().is_ok());
        assert!("".parse::<Topic>().is_ok());
        let acting = ["a\nb", "a\u{1b}[2J", "a\u{202e}b", "a\u{200b}", "a\u{9b}1m", "a\u{61c}"];
        let unseen = ["a\u{ad}", "a\u{180e}", "a\u{fff9}", "a\u{e0041}", "\u{3164}", "\u{115f}", "a\u{34f}"];
        for bad in acting.into_iter().chain(unseen) {
            assert!(bad.parse::<DeviceName>().is_err() && bad.parse::<Topic>().is_err(), "{bad:?}");
            assert!(bad.parse::<AwayText>().is_err(), "{bad:?}");
        }
        assert!("zu Tisch, bis gleich ☕".parse::<AwayText>().is_ok());
        assert!("".parse::<AwayText>().is_err() && "x".repeat(129).parse::<AwayText>().is_err());
    }
}
