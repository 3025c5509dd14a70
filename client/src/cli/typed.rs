//! What somebody typed into a chat, and what became of it so far.

use std::collections::VecDeque;

use quipu_client::protocol::MessageId;

use super::input::Line;
use super::render;

/// A line somebody typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Typed {
    /// Only space.
    Nothing,
    /// Words for the room.
    Message(String),
    /// `/quit`.
    Quit,
    /// `/help`.
    Help,
    /// `/who`.
    Who,
    /// `/away` and what was said about it.
    Away(String),
    /// `/back`.
    Back,
    /// `/typing`.
    Typing,
    /// Something that must not be sent, and why.
    Wrong(String),
}

impl Typed {
    /// Reads a line. One that begins with `/` is a command and never sent by accident; `//` begins a message with `/`.
    pub(crate) fn of(line: Line) -> Self {
        let text = match line.content.text() {
            Ok(text) => text,
            Err(error) => return Self::Wrong(error.to_string()),
        };
        if text.trim().is_empty() {
            return Self::Nothing;
        }
        let Some(command) = text.strip_prefix('/') else {
            return Self::Message(text);
        };
        match command.trim_end() {
            "quit" | "exit" | "q" => Self::Quit,
            "help" | "?" => Self::Help,
            "who" | "members" => Self::Who,
            "back" => Self::Back,
            "typing" => Self::Typing,
            away if away == "away" || away.starts_with("away ") => Self::Away(away[4..].trim().to_owned()),
            escaped if escaped.starts_with('/') => Self::Message(command.to_owned()),
            unknown => Self::Wrong(format!("/{} is no command; /help lists them", render::excerpt(unknown))),
        }
    }
}

/// Messages that were typed and have no place in the log yet, with words to recognise them by.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    messages: VecDeque<(MessageId, String)>,
}

impl Waiting {
    /// A message went into the outbox.
    pub(crate) fn add(&mut self, id: MessageId, excerpt: String) {
        self.messages.push_back((id, excerpt));
    }

    /// A message has its place, or will not get one. Gives its words back if it was waiting.
    pub(crate) fn remove(&mut self, id: MessageId) -> Option<String> {
        let at = self.messages.iter().position(|(waiting, _)| *waiting == id)?;
        self.messages.remove(at).map(|(_, excerpt)| excerpt)
    }

    /// All that wait, in the order they were typed.
    pub(crate) fn ids(&self) -> Vec<MessageId> {
        self.messages.iter().map(|(id, _)| *id).collect()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> u64 {
        self.messages.len() as u64
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether reading should pause: a pipe is faster than the server.
    pub(crate) fn is_full(&self) -> bool {
        self.messages.len() >= WAITING_MAX
    }
}

/// Messages of one chat that may wait before its input is read no further. For whoever types offline it is plenty.
const WAITING_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::input::Content;

    fn typed(bytes: impl Into<Vec<u8>>) -> Typed {
        Typed::of(Line { number: 1, content: Content::Bytes(bytes.into()) })
    }

    #[test]
    fn words_are_kept_as_they_are() {
        for text in ["hello", "  hello ", "a /quit", "tab\tand\r", "\u{feff}x"] {
            assert_eq!(typed(text), Typed::Message(text.into()));
        }
        assert_eq!(typed(" \t "), Typed::Nothing);
    }

    #[test]
    fn commands_are_never_sent_by_accident() {
        assert_eq!(typed("/quit"), Typed::Quit);
        assert_eq!(typed("/help "), Typed::Help);
        assert_eq!(typed("/who"), Typed::Who);
        assert_eq!(typed("/away"), Typed::Away(String::new()));
        assert_eq!(typed("/away at lunch "), Typed::Away("at lunch".into()));
        assert!(matches!(typed("/awayward"), Typed::Wrong(_)));
        assert_eq!((typed("/back"), typed("/typing")), (Typed::Back, Typed::Typing));
        assert!(matches!(typed("/msg maria secret"), Typed::Wrong(_)));
        assert!(matches!(typed("/"), Typed::Wrong(_)));
        assert_eq!(typed("//quit"), Typed::Message("/quit".into()));
        assert_eq!(typed("//etc/passwd "), Typed::Message("/etc/passwd ".into()));
    }

    #[test]
    fn what_is_no_text_is_refused_and_nothing_else_is_lost() {
        assert!(matches!(typed([0xff]), Typed::Wrong(why) if why.contains("byte 1 is 0xff")));
        let long = Typed::of(Line { number: 1, content: Content::TooLong(20_000) });
        assert!(matches!(long, Typed::Wrong(why) if why.contains("20000 bytes are more than the 16384")));
    }

    #[test]
    fn every_message_leaves_once() {
        let id = |number| MessageId::from_bytes([number; 16]);
        let mut waiting = Waiting::default();
        waiting.add(id(1), "one".into());
        waiting.add(id(2), "two".into());
        assert_eq!(waiting.remove(id(1)), Some("one".into()));
        assert_eq!(waiting.remove(id(1)), None);
        assert_eq!((waiting.len(), waiting.ids()), (1, vec![id(2)]));
        assert!(!waiting.is_empty() && !waiting.is_full());
    }
}
