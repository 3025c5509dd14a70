//! What the program of `tail --exec --reply` answers: said once, and followed until the server has it.

use std::time::Duration;

use quipu_client::protocol::{Cursor, Entry, MessageId, Refusal, RoomId};
use quipu_client::{Client, Draft, Error, ErrorCode};
use tokio::time::Instant;

use super::exit::Failure;
use super::out::note;
use super::parse::Key;
use super::render;
use super::send::{is_undecided, undecided};
use super::typed::Waiting;

/// Answers that have no place in the log yet.
#[derive(Debug)]
pub(crate) struct Answers {
    client: Client,
    /// Whether to go on behind an answer that is refused.
    skip_failed: bool,
    waiting: Waiting,
}

impl Answers {
    /// None yet.
    pub(crate) fn new(client: Client, skip_failed: bool) -> Self {
        Self { client, skip_failed, waiting: Waiting::default() }
    }

    /// Puts an answer to the entry at this place into the outbox, unless it was answered before.
    pub(crate) async fn give(
        &mut self,
        room: RoomId,
        at: Cursor,
        entry: &Entry,
        text: String,
    ) -> Result<(), Failure> {
        let draft = Draft::text(text).replying_to(at.seq).with_id(id(room, at, entry));
        match self.client.send(room, draft).await {
            Ok(id) => self.waiting.add(id),
            // It said something else before this process was killed.
            Err(error) if error.code == ErrorCode::Usage => {
                note(format!("{at} was answered before; {}", render::line(&error.message)));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// A message has its place.
    pub(crate) fn sent(&mut self, id: MessageId) {
        self.waiting.remove(id);
    }

    /// A message was refused: a failure, when it is an answer.
    pub(crate) fn refused(&mut self, id: MessageId, refusal: Refusal) -> Result<(), Failure> {
        if self.waiting.remove(id) { self.failed(refusal.into()) } else { Ok(()) }
    }

    /// Finds out what became of all of them, in the order they were given, for so long.
    pub(crate) async fn look(&mut self, patience: Duration) -> Result<(), Failure> {
        let give_up = Instant::now() + patience;
        for id in self.waiting.ids() {
            match self.client.wait_sent(id, give_up.saturating_duration_since(Instant::now())).await {
                Err(error) if is_undecided(&self.client, &error) => {}
                outcome => {
                    self.waiting.remove(id);
                    outcome.map(drop).or_else(|error| self.failed(error))?;
                }
            }
        }
        Ok(())
    }

    /// Nothing follows any more: waits for so long until every answer has its place.
    pub(crate) async fn end(&mut self, patience: Duration) -> Result<(), Failure> {
        self.look(patience).await?;
        match self.waiting.len() {
            0 => Ok(()),
            waiting => Err(undecided(&self.client, waiting)),
        }
    }

    /// What it said is told when the command ends.
    fn failed(&self, error: Error) -> Result<(), Failure> {
        let before = "an answer was refused".to_owned();
        if self.skip_failed {
            note(format!("{before} ({}); left behind", render::line(&error.message)));
            return Ok(());
        }
        Err(Failure::After { before, error })
    }
}

/// The id of an answer is that of the message it answers, so that a program which is run again has answered once: after a
/// crash, and also when a restored server tells everything anew, in another life of its log.
fn id(room: RoomId, at: Cursor, entry: &Entry) -> MessageId {
    let about = match (entry.user, entry.message) {
        (Some(user), Some(message)) => format!("{user} {message}"),
        _ => at.to_string(),
    };
    Key::of(&format!("quipu-exec {room} {about}")).id()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_client::protocol::{Blob, Ext, Incarnation, Kind, Seq, UserId};

    #[test]
    fn a_message_is_answered_once_in_every_life_of_the_log() {
        let entry = |author, message| Entry {
            seq: Seq(7),
            at_ms: 1,
            user: Some(UserId::from_bytes([author; 16])),
            device: None,
            message: Some(MessageId::from_bytes([message; 16])),
            kind: Kind::TEXT,
            body: Blob::default(),
            ext: Ext::default(),
        };
        let id = |life, entry: &Entry| {
            super::id(
                RoomId::from_bytes([1; 16]),
                Cursor { incarnation: Incarnation(life), seq: Seq(7) },
                entry,
            )
        };
        assert_eq!(id(1, &entry(2, 3)), id(2, &entry(2, 3)));
        assert_ne!(id(1, &entry(2, 3)), id(1, &entry(2, 4)));
        assert_ne!(id(1, &entry(2, 3)), id(1, &entry(4, 3)), "an id is its author's alone");
        let nobodys = Entry { message: None, ..entry(2, 3) };
        assert_ne!(id(1, &nobodys), id(2, &nobodys));
    }
}
