//! Texts that the protocol gives a form: links, names, ids, and what is cut to a bound.

use std::fmt::Display;
use std::path::{Component, Path};
use std::str::FromStr;

use quipu_protocol::limits::*;
use quipu_protocol::link::host_and_port;
use quipu_protocol::{
    AwayText, Cursor, DeviceName, Emoji, FileName, InviteLink, MessageId, Nickname, RoomId, RoomName, Text,
    Topic, UserId,
};

use super::choices::Choices;

/// A bound that cuts of many texts fall on.
const CUT_BYTES: usize = 40;

/// Goal: no text makes parsing panic; what is taken is printed as it is read, and keeps the rule of its name.
pub(crate) fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let text = match choices.below(4) {
        0 => String::from_utf8_lossy(choices.rest()).into_owned(),
        1 => changed_link(&mut choices),
        _ => choices.text(),
    };
    link(&text);
    names(&text);
    let _ =
        (again::<RoomId>(&text), again::<UserId>(&text), again::<MessageId>(&text), again::<Cursor>(&text));
    cut(&text);
}

/// A link that is right but for what the choices put into it; often it is right.
fn changed_link(choices: &mut Choices) -> String {
    let host = choices.one_of(&["a.b", "::1", "192.0.2.7", "A", "x:y", "[::1]", ""]);
    let (pin, secret) = ([choices.byte(); 32], [choices.byte(); 16]);
    let port = choices.one_of(&[0, 1, 443, 4433, u16::MAX]);
    let expires_s = choices.integer() as u32;
    let mut text = InviteLink { host: host.to_owned(), port, pin, secret, expires_s }.to_string();
    for _ in 0..choices.below(3) {
        let at = text.floor_char_boundary(choices.below(text.len() + 1));
        match choices.below(3) {
            0 => text.truncate(at),
            _ => text.insert_str(at, &choices.text()),
        }
    }
    text
}

fn link(text: &str) {
    if let Some(link) = again::<InviteLink>(text) {
        assert!(link.port > 0 && !link.host.is_empty() && link.host.is_ascii(), "{link:?}");
    }
    if let Ok((host, port)) = host_and_port(text) {
        assert!(port > 0 && host.chars().all(|char| char.is_ascii_alphanumeric() || "-._:".contains(char)));
    }
}

fn names(text: &str) {
    let bounded = |taken: Option<usize>, max: usize| assert!(taken.is_none_or(|len| len <= max), "{text:?}");
    let ascii = |taken: Option<&str>| assert!(taken.is_none_or(str::is_ascii), "{text:?}");
    let (room, nickname) = (again::<RoomName>(text), again::<Nickname>(text));
    ascii(room.as_ref().map(RoomName::as_str));
    ascii(nickname.as_ref().map(Nickname::as_str));
    bounded(room.map(|name| name.as_str().len()), ROOM_NAME_BYTES_MAX);
    bounded(nickname.map(|name| name.folded().len()), NICKNAME_BYTES_MAX);
    bounded(again::<Emoji>(text).map(|emoji| emoji.as_str().len()), EMOJI_BYTES_MAX);
    let shown = [
        (again::<DeviceName>(text).map(String::from), DEVICE_NAME_BYTES_MAX),
        (again::<AwayText>(text).map(String::from), AWAY_TEXT_BYTES_MAX),
        (again::<Topic>(text).map(String::from), TOPIC_BYTES_MAX),
        (again::<FileName>(text).map(String::from), FILE_NAME_BYTES_MAX),
    ];
    for (taken, max) in shown {
        bounded(taken.as_ref().map(String::len), max);
        let acts = |text: &String| text.contains(|char: char| char.is_control() || char == '\u{202e}');
        assert!(!taken.as_ref().is_some_and(acts), "{taken:?} acts on a terminal");
    }
    if let Some(name) = again::<FileName>(text) {
        let parts: Vec<_> = Path::new(name.as_str()).components().collect();
        assert!(matches!(parts[..], [Component::Normal(_)]), "{name:?} is more than a name");
    }
}

/// What a text is read as; printed, it is read as the same.
fn again<T: FromStr + Display + PartialEq>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    let printed = value.to_string();
    assert!(printed.parse::<T>().is_ok_and(|again| again == value), "{text:?} is printed as {printed:?}");
    Some(value)
}

fn cut(text: &str) {
    let short = Text::<CUT_BYTES>::cut(text.to_owned());
    assert!(short.as_str().len() <= CUT_BYTES && text.starts_with(short.as_str()));
    assert_eq!(Text::<CUT_BYTES>::new(text).is_ok(), text.len() <= CUT_BYTES);
}
