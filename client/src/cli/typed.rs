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
    /// `/edit` and what the own newest message is to say.
    Edit(String),
    /// `/react` and how.
    React(String),
    /// `/reply` and what.
    Reply(String),
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
            escaped if escaped.starts_with('/') => Self::Message(command.to_owned()),
            command => Self::with_words(command),
        }
    }

    fn with_words(command: &str) -> Self {
        let (word, words) = command.split_once(' ').unwrap_or((command, ""));
        let make: fn(String) -> Self = match word {
            "away" => return Self::Away(words.trim().to_owned()),
            "edit" => Self::Edit,
            "react" => Self::React,
            "reply" => Self::Reply,
            _ => {
                let unknown = render::excerpt(command);
                return Self::Wrong(format!("/{unknown} is no command; /help lists them"));
            }
        };
        match words.trim() {
            "" => Self::Wrong(format!("/{word} needs words behind it")),
            words => make(words.to_owned()),
        }
    }
}

/// Messages that were typed and have no place in the log yet.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    messages: VecDeque<MessageId>,
}

impl Waiting {
    /// A message went into the outbox.
    pub(crate) fn add(&mut self, id: MessageId) {
        self.messages.push_back(id);
    }

    /// A message has its place, or will not get one. Whether it was waiting.
    pub(crate) fn remove(&mut self, id: MessageId) -> bool {
        let at = self.messages.iter().position(|waiting| *waiting == id);
        at.is_some_and(|at| self.messages.remove(at).is_some())
    }

    /// All that wait, in the order they were typed.
    pub(crate) fn ids(&self) -> Vec<MessageId> {
        self.messages.iter().copied().collect()
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
        assert_eq!(typed("/edit  not that "), Typed::Edit("not that".into()));
        assert_eq!(
            (typed("/react 👍"), typed("/reply why?")),
            (Typed::React("👍".into()), Typed::Reply("why?".into()))
        );
        for incomplete in ["/edit", "/react ", "/reply  ", "/editor x"] {
            assert!(matches!(typed(incomplete), Typed::Wrong(_)), "{incomplete}");
        }
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
        waiting.add(id(1));
        waiting.add(id(2));
        assert_eq!((waiting.remove(id(1)), waiting.remove(id(1))), (true, false));
        assert_eq!((waiting.len(), waiting.ids()), (1, vec![id(2)]));
        assert!(!waiting.is_empty() && !waiting.is_full());
    }
}
