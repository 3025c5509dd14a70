//! REQUEST about bots and webhooks: the answers, and the end of connections that believe in what was before.

use quipu_protocol::request::{
    ChangeBot, CreateBot, CreateHook, Done, HookAnswer, InviteBot, ListBots, ListHooks, RevokeBot, RevokeHook,
};
use quipu_protocol::{Blob, Code, Frame, FrameType, Message, Refusal, Text};

use super::frames::{FrameWriter, StreamError};
use super::pace;
use super::request::{done, say};
use super::session::Session;

/// Questions that are answered here.
pub(super) const QUESTIONS: &[FrameType] = &[
    CreateBot::TYPE,
    InviteBot::TYPE,
    ListBots::TYPE,
    ChangeBot::TYPE,
    RevokeBot::TYPE,
    CreateHook::TYPE,
    ListHooks::TYPE,
    RevokeHook::TYPE,
];

pub(super) async fn answer(
    session: &Session,
    frame: &Frame,
    writer: &mut FrameWriter,
) -> Result<(), StreamError> {
    let (who, rooms, auth) = (&session.who, &session.shared.rooms, &session.shared.auth);
    match frame.ty {
        CreateBot::TYPE => {
            // It makes entries, and so waits as drafts do.
            pace::own_turn(session).await;
            if session.is_over() {
                return Ok(());
            }
            say(writer, auth.create_bot(who, frame.decode()?, rooms.bring(who)).await).await
        }
        InviteBot::TYPE => say(writer, auth.invite_bot(who, frame.decode()?).await).await,
        ListBots::TYPE => say(writer, auth.bots(who, frame.decode()?).await).await,
        ChangeBot::TYPE => say(writer, change(session, frame.decode()?).await).await,
        RevokeBot::TYPE => say(writer, revoke(session, frame.decode()?).await).await,
        CreateHook::TYPE => say(writer, create_hook(session, frame.decode()?).await).await,
        ListHooks::TYPE => say(writer, rooms.hooks(who, frame.decode()?).await).await,
        RevokeHook::TYPE => say(writer, done(rooms.revoke_hook(who, frame.decode()?).await)).await,
        _ => Err(frame.unexpected().into()),
    }
}

async fn change(session: &Session, ask: ChangeBot) -> Result<Done, Refusal> {
    // Durable first: whoever reconnects between the two is held to what is new.
    for device in session.shared.auth.change_bot(&session.who, ask).await? {
        session.shared.sessions.begin_anew(device);
    }
    Ok(Done {})
}

async fn revoke(session: &Session, ask: RevokeBot) -> Result<Done, Refusal> {
    for device in session.shared.auth.revoke_bot(&session.who, ask).await? {
        session.shared.sessions.revoke(device);
    }
    Ok(Done {})
}

async fn create_hook(session: &Session, ask: CreateHook) -> Result<HookAnswer, Refusal> {
    let Some(listens_at) = session.shared.hooks_at.get() else {
        return Err(Refusal::because(Code::UNSUPPORTED, "this server does not listen for webhooks"));
    };
    let (hook, secret) = session.shared.auth.new_hook();
    session.shared.rooms.create_hook(&session.who, ask, hook, secret).await?;
    Ok(HookAnswer {
        hook,
        secret: Blob::new(secret.to_vec()).expect("16 bytes are 16 bytes"),
        listens_at: Text::cut(listens_at.clone()),
    })
}
