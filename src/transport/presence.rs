//! Presence, receipts and settings: what connections say and ask of them.

use std::sync::PoisonError;

use quipu_protocol::request::{
    ChangeSettings, ListReceipts, PresenceSet, SetPresence, SettingsAnswer, ShowSettings,
};
use quipu_protocol::{Code, Frame, FrameType, Message, Refusal};
use tokio::time::Instant;

use super::frames::{FrameWriter, StreamError};
use super::request::say;
use super::session::Session;
use crate::room::Standing;

/// When to try again whoever says too often how they are there, in milliseconds.
const AGAIN_MS: u64 = 5_000;

/// What is answered here.
pub(super) const QUESTIONS: [FrameType; 4] =
    [SetPresence::TYPE, ListReceipts::TYPE, ShowSettings::TYPE, ChangeSettings::TYPE];

/// Answers one of these questions.
pub(super) async fn answer(
    session: &Session,
    frame: &Frame,
    writer: &mut FrameWriter,
) -> Result<(), StreamError> {
    let (who, rooms) = (&session.who, &session.shared.rooms);
    match frame.ty {
        SetPresence::TYPE => say(writer, stands(session, frame.decode()?)).await,
        ListReceipts::TYPE => say(writer, rooms.receipts(who, frame.decode()?).await).await,
        ShowSettings::TYPE => {
            let _: ShowSettings = frame.decode()?;
            let settings = rooms.settings(who.user()).await;
            say::<SettingsAnswer>(writer, settings.map_err(|error| error.refusal())).await
        }
        ChangeSettings::TYPE => say(writer, rooms.change_settings(who, frame.decode()?).await).await,
        _ => Err(frame.unexpected().into()),
    }
}

/// It is told to many, so it may not be said often.
fn stands(session: &Session, ask: SetPresence) -> Result<PresenceSet, Refusal> {
    let everywhere = ask.everywhere.unwrap_or(false);
    let standing = Standing::asked(ask)?;
    let mut rate = session.presence_rate.lock().unwrap_or_else(PoisonError::into_inner);
    if !rate.try_take(Instant::now()) {
        return Err(Refusal::new(Code::RATE).retry_after(AGAIN_MS));
    }
    drop(rate);
    let connections = session.shared.rooms.live().stands(&session.inbox, &standing, everywhere);
    Ok(PresenceSet { connections: connections as u64 })
}
