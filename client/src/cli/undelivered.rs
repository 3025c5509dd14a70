//! Messages the server refused: whoever wrote them sees every word, once, before they are let go.
//!
//! A command may end before an answer comes, so what is refused is told by whichever command is there when it is.

use quipu_client::protocol::RoomId;
use quipu_client::protocol::entry::Kind;
use quipu_client::{Client, Error, Undelivered};

use super::out::note;
use super::render;
use super::room::Room;

/// Tells of those in one room, or of all.
pub(crate) async fn tell(client: &Client, room: Option<RoomId>) -> Result<(), Error> {
    loop {
        let untold = client.undelivered(room).await?;
        if untold.is_empty() {
            return Ok(());
        }
        for message in &untold {
            note(text(message));
        }
        let ids: Vec<_> = untold.iter().map(|message| message.id).collect();
        client.dismiss(&ids).await?;
    }
}

fn text(message: &Undelivered) -> String {
    let room = match &message.room_name {
        Some(name) => format!("#{}", render::line(name)),
        None => Room::unnamed(message.room).label,
    };
    let why = message.refusal.to_string();
    let said = match (what(message.kind), message.target) {
        (Some(what), Some(target)) => format!("{what} {target} {}", render::block(&message.text)),
        _ => render::block(&message.text),
    };
    format!("-- not delivered to {room} ({}): {}", render::line(&why), said.trim_end())
}

/// What was to be said about another entry.
fn what(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::EDIT => "edit of",
        Kind::REDACTION => "redaction of",
        Kind::REACTION => "reaction to",
        Kind::UNREACTION => "no more reaction to",
        Kind::PIN => "pin on",
        Kind::UNPIN => "no more pin on",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_client::protocol::{Code, MessageId, Refusal, Seq};

    #[test]
    fn every_word_is_shown_and_none_acts_on_the_terminal() {
        let mut message = Undelivered {
            id: MessageId::from_bytes([1; 16]),
            room: RoomId::from_bytes([0xab; 16]),
            room_name: Some("ops".into()),
            kind: Kind::TEXT,
            target: None,
            text: format!("{}\nend\u{1b}", "long ".repeat(20)),
            refusal: Refusal::because(Code::FORBIDDEN, "you are muted here"),
        };
        let shown = text(&message);
        assert!(shown.starts_with("-- not delivered to #ops (not allowed: you are muted here): long long"));
        assert!(shown.ends_with("long \n    end\\u{1b}"), "{shown}");
        (message.kind, message.target, message.text) = (Kind::PIN, Some(Seq(7)), String::new());
        message.room_name = None;
        assert!(text(&message).starts_with("-- not delivered to abababab… ("));
        assert!(text(&message).ends_with("): pin on 7"));
    }
}
