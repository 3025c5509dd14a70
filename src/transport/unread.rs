//! What is unread, for whom, and who was called: questions about it.

use quipu_protocol::request::{ListMentions, MarkUnread, SetNotify};
use quipu_protocol::{Frame, FrameType, Message};

use super::frames::{FrameWriter, StreamError};
use super::request::{done, say};
use super::session::Session;

/// What is answered here.
pub(super) const QUESTIONS: [FrameType; 3] = [MarkUnread::TYPE, SetNotify::TYPE, ListMentions::TYPE];

/// Answers one of these questions.
pub(super) async fn answer(
    session: &Session,
    frame: &Frame,
    writer: &mut FrameWriter,
) -> Result<(), StreamError> {
    let (who, rooms) = (&session.who, &session.shared.rooms);
    match frame.ty {
        MarkUnread::TYPE => say(writer, done(rooms.mark_unread(who, frame.decode()?).await)).await,
        SetNotify::TYPE => say(writer, done(rooms.set_notify(who, frame.decode()?).await)).await,
        ListMentions::TYPE => mentions(session, frame.decode()?, writer).await,
        _ => Err(frame.unexpected().into()),
    }
}

/// As much as a page of history, and as many at once.
async fn mentions(session: &Session, ask: ListMentions, writer: &mut FrameWriter) -> Result<(), StreamError> {
    let Ok(_permit) = session.histories.acquire().await else {
        return Ok(());
    };
    let (mentions, entries) = match session.shared.rooms.mentions(&session.who, ask).await {
        Ok(found) => found,
        Err(refusal) => return writer.send(&refusal).await,
    };
    let mut frames = vec![mentions.to_frame()];
    frames.extend(entries);
    writer.send_frames(&mut frames).await
}
