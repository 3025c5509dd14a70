//! `role`, `permissions`, `kick`, `ban`, `mute`, `room set`, `transfer`, `report` … : keeping order in rooms.

use quipu_client::protocol::note::{RoleChange, SanctionChange};
use quipu_client::protocol::request::{
    MembershipState, Permissions, Reason, ReportInfo, RoomSettings, Sanction, SanctionInfo,
};
use quipu_client::protocol::{RoomId, Seq, UserId};

use super::args::{
    Against, AuditOf, OneRoom, PermissionsOf, ReportEntry, ReportsOf, ResolveReport, Role, RoomCommand,
    RoomSet, Sanctioned,
};
use super::clock::distance;
use super::context::{Context, Session, now_ms};
use super::exit::Failure;
use super::out::{Out, note};
use super::parse::RoomRef;
use super::room::{Names, Room, describe, find, person};
use super::rooms::done;
use super::{record, render};

/// A room and somebody, both found.
async fn both(context: &Context, args: &Against) -> Result<(Session, Room, UserId), Failure> {
    let session = context.start().await?;
    let room = Room::of(&describe(&session.client, &args.room).await?);
    let user = person(&session.client, &args.person).await?;
    Ok((session, room, user))
}

/// Gives a member another role.
pub(crate) async fn role(context: &Context, out: &mut Out, args: Role) -> Result<(), Failure> {
    let Role { room, person, role, why } = args;
    let whom = Against { room, person, why };
    let (session, room, user) = both(context, &whom).await?;
    session.client.set_role(room.id, user, role, whom.why.reason).await?;
    let text = || format!("{} is {} of {} now", whom.person, role.word(), room.label);
    done(out, "role-set", user.to_string(), text)
}

/// Gives a member explicit permissions, takes them away, or shows what they have.
pub(crate) async fn permissions(
    context: &Context,
    out: &mut Out,
    args: PermissionsOf,
) -> Result<(), Failure> {
    let PermissionsOf { room, person, set, of_role, why } = args;
    let whom = Against { room, person, why };
    let (session, room, user) = both(context, &whom).await?;
    if set.is_empty() && !of_role {
        let members = session.client.members(room.id).await?;
        let member = members.into_iter().find(|member| member.user == user);
        let missing = || Failure::NotFound(format!("{} is not in {}", whom.person, room.label));
        let member =
            member.filter(|member| member.membership == MembershipState::JOINED).ok_or_else(missing)?;
        return out.put(&record::member(&room, &member), || match member.permissions {
            Some(set) => words(set),
            None => format!("those of a {}", member.role.word()),
        });
    }
    let wanted = (!of_role).then(|| set.into_iter().fold(Permissions::READ, Permissions::or));
    session.client.set_permissions(room.id, user, wanted, whom.why.reason).await?;
    let now = wanted.map_or_else(|| "what the role allows".to_owned(), words);
    done(out, "permissions-set", user.to_string(), || {
        format!("{} may do in {}: {now}", whom.person, room.label)
    })
}

fn words(set: Permissions) -> String {
    set.names().collect::<Vec<_>>().join(" ")
}

/// Sends somebody out.
pub(crate) async fn kick(context: &Context, out: &mut Out, args: Against) -> Result<(), Failure> {
    let (session, room, user) = both(context, &args).await?;
    session.client.kick(room.id, user, args.why.reason).await?;
    done(out, "kicked", user.to_string(), || format!("{} is out of {}", args.person, room.label))
}

/// Bans or mutes somebody.
pub(crate) async fn impose(
    context: &Context,
    out: &mut Out,
    args: Sanctioned,
    sanction: Sanction,
) -> Result<(), Failure> {
    let Sanctioned { whom, life } = args;
    let (session, room, user) = both(context, &whom).await?;
    session.client.impose(room.id, user, sanction, life, whom.why.reason).await?;
    let (what, verb) = match sanction {
        Sanction::BAN => ("banned", "is banned from"),
        _ => ("muted", "is muted in"),
    };
    done(out, what, user.to_string(), || format!("{} {verb} {}", whom.person, room.label))
}

/// Lifts a ban or a mute.
pub(crate) async fn lift(
    context: &Context,
    out: &mut Out,
    args: Against,
    sanction: Sanction,
) -> Result<(), Failure> {
    let (session, room, user) = both(context, &args).await?;
    session.client.lift(room.id, user, sanction, args.why.reason).await?;
    let (what, verb) = match sanction {
        Sanction::BAN => ("unbanned", "may enter"),
        _ => ("unmuted", "may speak in"),
    };
    done(out, what, user.to_string(), || format!("{} {verb} {} again", args.person, room.label))
}

/// Lists bans and mutes.
pub(crate) async fn bans(context: &Context, out: &mut Out, args: OneRoom) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = find(&session.client, &args.room).await?;
    let mut rows = session.client.sanctions(room.id).await?;
    rows.sort_by_key(|row| row.nickname.folded());
    let mut names = session.names();
    names.fetch(&session.client, rows.iter().map(|row| row.by)).await;
    let records: Vec<_> = rows.iter().map(|row| record::sanction(&room, row)).collect();
    out.rows(&records, |at| sanction_row(&rows[at], &names))?;
    if rows.is_empty() && !out.is_json() {
        note("nobody is banned or muted");
    }
    Ok(())
}

fn sanction_row(row: &SanctionInfo, names: &Names) -> Vec<String> {
    let until =
        row.until_ms.map_or_else(|| "for good".to_owned(), |ms| format!("ends {}", distance(ms, now_ms())));
    let by = format!("by {}", names.label(row.by));
    vec![row.nickname.to_string(), row.sanction.word().into(), until, by, reason(row.reason.as_ref())]
}

fn reason(reason: Option<&Reason>) -> String {
    reason.map(|reason| render::line(reason.as_str()).into_owned()).unwrap_or_default()
}

/// Changes settings of a room.
pub(crate) async fn room(context: &Context, out: &mut Out, command: RoomCommand) -> Result<(), Failure> {
    let RoomCommand::Set(RoomSet { room, read_only, invite_only, slow, why }) = command;
    let session = context.start().await?;
    let id = describe(&session.client, &room).await?.room;
    let settings = RoomSettings {
        read_only: read_only.map(Into::into),
        invite_only: invite_only.map(Into::into),
        slow_ms: slow.map(|slow| u64::try_from(slow.as_millis()).unwrap_or(u64::MAX)),
    };
    let info = session.client.set_room(id, settings, why.reason).await?;
    out.put(&record::room(&info, None, None), || {
        let settings = info.settings.clone().unwrap_or_default();
        format!("{}: {}", Room::of(&info).label, settings_words(&settings))
    })
}

/// Settings as people read them.
pub(crate) fn settings_words(settings: &RoomSettings) -> String {
    let switch =
        |name: &str, on: Option<bool>| on.map(|on| format!("{name} {}", if on { "on" } else { "off" }));
    let slow = settings.slow_ms.map(|ms| match ms {
        0 => "slow mode off".to_owned(),
        ms => format!("slow mode {} s", ms.div_ceil(1_000)),
    });
    let parts = [switch("read-only", settings.read_only), switch("invite-only", settings.invite_only), slow];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `bob is a moderator now`, in the words of the log.
pub(crate) fn became(change: &RoleChange, author: &str) -> String {
    let whom = &change.nickname;
    match change.permissions {
        Some(set) => format!("{author} lets {whom} do this: {}", words(set)),
        None => format!("{author} made {whom} {}", change.role.word()),
    }
}

/// `cyd banned bob for 2 h`, in the words of the log.
pub(crate) fn denied(change: &SanctionChange, author: &str, at_ms: u64) -> String {
    let (verb, no_longer) = match change.sanction {
        Sanction::BAN => ("banned", "lifted the ban of"),
        Sanction::MUTE => ("muted", "lifted the mute of"),
        _ => ("decided something this version cannot show about", "lifted something about"),
    };
    let whom = &change.nickname;
    if !change.imposed {
        return format!("{author} {no_longer} {whom}");
    }
    let life = change.until_ms.map(|until_ms| until_ms.saturating_sub(at_ms).div_ceil(1_000));
    let life = life.map(|seconds| format!(" for {seconds} s")).unwrap_or_default();
    format!("{author} {verb} {whom}{life}")
}

/// Makes another member the owner.
pub(crate) async fn transfer(context: &Context, out: &mut Out, args: Against) -> Result<(), Failure> {
    let (session, room, user) = both(context, &args).await?;
    session.client.transfer(room.id, user, args.why.reason).await?;
    done(out, "transferred", user.to_string(), || format!("{} belongs to {} now", room.label, args.person))
}

/// Tells the moderators of an entry.
pub(crate) async fn report(context: &Context, out: &mut Out, args: ReportEntry) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = find(&session.client, &args.room).await?;
    session.client.report(room.id, Seq(args.seq), args.reason).await?;
    done(out, "reported", args.seq.to_string(), || "the moderators are told".to_owned())
}

async fn found(session: &Session, room: Option<&RoomRef>) -> Result<Option<RoomId>, Failure> {
    match room {
        Some(room) => Ok(Some(find(&session.client, room).await?.id)),
        None => Ok(None),
    }
}

/// Lists reports that wait.
pub(crate) async fn reports(context: &Context, out: &mut Out, args: ReportsOf) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = found(&session, args.room.as_ref()).await?;
    let rows = session.client.reports(room).await?;
    let mut names = session.names();
    names.fetch(&session.client, rows.iter().flat_map(|row| [row.author, row.by])).await;
    let records: Vec<_> = rows.iter().map(record::report).collect();
    out.rows(&records, |at| report_row(&rows[at], &names))?;
    if rows.is_empty() && !out.is_json() {
        note("no report waits");
    }
    Ok(())
}

fn report_row(row: &ReportInfo, names: &Names) -> Vec<String> {
    let place = format!("{} entry {}", Room::unnamed(row.room).label, row.seq);
    let about = format!("{} wrote, {} reports", names.label(row.author), names.label(row.by));
    vec![row.report.to_string(), place, about, reason(Some(&row.reason))]
}

/// Takes a report off the list.
pub(crate) async fn resolve(context: &Context, out: &mut Out, args: ResolveReport) -> Result<(), Failure> {
    let session = context.start().await?;
    session.client.resolve(args.report, args.why.reason).await?;
    done(out, "resolved", args.report.to_string(), || format!("report {} is off the list", args.report))
}

/// Lists what was done.
pub(crate) async fn audit(context: &Context, out: &mut Out, args: AuditOf) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = found(&session, args.room.as_ref()).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let rows = session.client.audit(room, limit).await?;
    let mut names = session.names();
    names.fetch(&session.client, rows.iter().flat_map(|row| [row.by, row.user]).flatten()).await;
    let records: Vec<_> = rows.iter().map(record::audit).collect();
    out.rows(&records, |at| {
        let row = &rows[at];
        let who = row.by.map_or_else(|| "the server".to_owned(), |by| names.label(by));
        let whom = row.user.map(|user| names.label(user)).unwrap_or_default();
        let detail = row.detail.as_ref().map(|text| render::line(text.as_str()).into_owned());
        vec![
            context.time.day_and_minute(row.at_ms),
            who,
            row.act.word().into(),
            whom,
            detail.unwrap_or_default(),
            reason(row.reason.as_ref()),
        ]
    })
}
