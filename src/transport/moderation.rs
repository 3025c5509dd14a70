//! REQUEST: questions by which people are kept in order.
//!
//! Those that write to a room's log wait for their turn as drafts do, and are charged to the room when they are
//! granted. Those that shut an account out close its connections once that is durable.

use quipu_protocol::request::{
    Deactivate, Impose, Lift, ListAudit, ListReports, ListSanctions, Purge, Reactivate, Report, Resolve,
    SetPermissions, SetRole, SetRoom, SetServerRole, Transfer,
};
use quipu_protocol::{Code, Frame, FrameType, Message, Refusal};

use super::frames::{FrameWriter, StreamError};
use super::pace;
use super::request::{done, farewell, made, room, say};
use super::session::Session;

/// Questions that are answered here.
pub(super) const QUESTIONS: &[FrameType] = &[
    SetRole::TYPE,
    SetPermissions::TYPE,
    Impose::TYPE,
    Lift::TYPE,
    ListSanctions::TYPE,
    SetRoom::TYPE,
    Transfer::TYPE,
    Deactivate::TYPE,
    Reactivate::TYPE,
    SetServerRole::TYPE,
    Purge::TYPE,
    Report::TYPE,
    ListReports::TYPE,
    Resolve::TYPE,
    ListAudit::TYPE,
];

pub(super) async fn answer(
    session: &Session,
    frame: &Frame,
    writer: &mut FrameWriter,
) -> Result<(), StreamError> {
    let (who, rooms) = (&session.who, &session.shared.rooms);
    match frame.ty {
        ListSanctions::TYPE => return say(writer, rooms.sanctions(who, frame.decode()?).await).await,
        ListReports::TYPE => return say(writer, rooms.reports(who, frame.decode()?).await).await,
        ListAudit::TYPE => return say(writer, rooms.audit(who, frame.decode()?).await).await,
        _ => {}
    }
    pace::own_turn(session).await;
    if session.is_over() {
        return Ok(());
    }
    match frame.ty {
        SetRole::TYPE => {
            let ask: SetRole = frame.decode()?;
            let (of, set) = (ask.room, rooms.set_role(who, ask).await);
            say(writer, done(made(session, of, set))).await
        }
        SetPermissions::TYPE => {
            let ask: SetPermissions = frame.decode()?;
            let (of, set) = (ask.room, rooms.set_permissions(who, ask).await);
            say(writer, done(made(session, of, set))).await
        }
        Impose::TYPE => {
            let ask: Impose = frame.decode()?;
            let (of, imposed) = (ask.room, rooms.impose(who, ask).await);
            say(writer, done(made(session, of, imposed))).await
        }
        Lift::TYPE => {
            let ask: Lift = frame.decode()?;
            let (of, lifted) = (ask.room, rooms.lift(who, ask).await);
            say(writer, done(made(session, of, lifted))).await
        }
        SetRoom::TYPE => {
            let ask: SetRoom = frame.decode()?;
            let (of, set) = (ask.room, rooms.set_room(who, ask).await);
            say(writer, room(made(session, of, set))).await
        }
        Transfer::TYPE => {
            let ask: Transfer = frame.decode()?;
            let (of, transferred) = (ask.room, rooms.transfer(who, ask).await);
            say(writer, done(made(session, of, transferred))).await
        }
        Purge::TYPE => purge(session, frame.decode()?, writer).await,
        Report::TYPE => say(writer, done(rooms.report(who, frame.decode()?).await)).await,
        Resolve::TYPE => say(writer, done(rooms.resolve(who, frame.decode()?).await)).await,
        _ => account(session, frame, writer).await,
    }
}

/// Waits for the end of a purge, but not beyond that of the connection or the server: it goes on without being asked.
async fn purge(session: &Session, ask: Purge, writer: &mut FrameWriter) -> Result<(), StreamError> {
    let of = ask.room;
    let purged = tokio::select! {
        biased;
        () = session.ended.cancelled() => return Ok(()),
        () = session.shared.stopping.cancelled() => Err(Code::UNAVAILABLE.into()),
        purged = session.shared.rooms.purge(&session.who, ask) => purged,
    };
    if let (Some(room), Ok(())) = (of.filter(|room| session.inbox.follows(*room)), &purged) {
        // Members alone: whoever is not there has a last word to take back, and no more.
        pace::entry_made(&session.shared, room);
    }
    say(writer, done(purged)).await
}

async fn account(session: &Session, frame: &Frame, writer: &mut FrameWriter) -> Result<(), StreamError> {
    let (who, auth, sessions) = (&session.who, &session.shared.auth, &session.shared.sessions);
    let changed: Result<(), Refusal> = match frame.ty {
        Deactivate::TYPE => {
            let devices = auth.deactivate(who, frame.decode()?).await;
            // Durable first: whoever reconnects between the two is refused.
            devices.map(|devices| devices.into_iter().for_each(|device| sessions.revoke(device)))
        }
        Reactivate::TYPE => auth.reactivate(who, frame.decode()?).await,
        SetServerRole::TYPE => match auth.set_server_role(who, frame.decode()?).await {
            Ok(devices) => {
                let (own, others): (Vec<_>, Vec<_>) =
                    devices.into_iter().partition(|device| *device == who.device());
                others.into_iter().for_each(|device| sessions.begin_anew(device));
                if own.is_empty() {
                    Ok(())
                } else {
                    // The asker's own connection carries the answer first.
                    let said = farewell(writer).await;
                    sessions.begin_anew(who.device());
                    return said;
                }
            }
            Err(refusal) => Err(refusal),
        },
        _ => return Err(frame.unexpected().into()),
    };
    say(writer, done(changed)).await
}
