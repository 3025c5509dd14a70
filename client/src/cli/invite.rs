//! `invite`: links that bring people in, or a person's next device.

use std::time::Duration;

use quipu_client::NewInvite;
use quipu_client::protocol::InviteId;

use super::args::{Invite, InviteNew};
use super::clock::distance;
use super::context::{Context, now_ms};
use super::exit::Failure;
use super::out::{Out, note};
use super::room::{Names, find};
use super::{qr, record, render, rooms};

/// Makes, lists or takes back invites.
pub(crate) async fn run(context: &Context, out: &mut Out, command: Invite) -> Result<(), Failure> {
    match command {
        Invite::New(args) => new(context, out, args).await,
        Invite::List => list(context, out).await,
        Invite::Revoke { invite } => revoke(context, out, invite).await,
    }
}

async fn new(context: &Context, out: &mut Out, args: InviteNew) -> Result<(), Failure> {
    let session = context.start().await?;
    let room = match &args.room {
        Some(room) => Some(find(&session.client, room).await?.id),
        None => None,
    };
    let life = args.expires.unwrap_or(if args.device { DEVICE_LIFE } else { GUEST_LIFE });
    let wish = NewInvite { uses: args.uses, life, room, role: args.role, own_device: args.device };
    let (invite, link) = session.client.create_invite(wish).await?;
    let expires_ms = u64::from(link.expires_s) * 1_000;
    let text = link.to_string();
    out.put(&record::invite_link(invite, &text, expires_ms), || text.clone())?;
    if out.is_json() {
        return Ok(());
    }
    let whom = if args.device { "another device of yours" } else { "newcomers" };
    let uses = render::count(args.uses, "use");
    out.remark(format!("for {whom}: {uses}, expires {}", distance(expires_ms, now_ms())))?;
    note(format!("take it back with: quipu invite revoke {invite}"));
    if args.qr {
        note(qr::draw_for_stderr(&text)?);
    }
    Ok(())
}

async fn list(context: &Context, out: &mut Out) -> Result<(), Failure> {
    let session = context.start().await?;
    let mut invites = session.client.invites().await?;
    invites.sort_by_key(|invite| invite.expires_ms);
    let mut names = Names::default();
    if !out.is_json() {
        names
            .fetch(&session.client, invites.iter().flat_map(|invite| invite.redeemed_by.iter().copied()))
            .await;
    }
    let records: Vec<_> = invites.iter().map(record::invite).collect();
    let now_ms = now_ms();
    out.rows(&records, |at| {
        let invite = &invites[at];
        let end = distance(invite.expires_ms, now_ms);
        let state = match (invite.revoked, invite.uses_left, invite.expires_ms > now_ms) {
            (true, ..) => "revoked".into(),
            (_, 0, _) => "used up".into(),
            (.., false) => format!("expired {end}"),
            (.., true) => format!("expires {end}"),
        };
        let users: Vec<_> = invite.redeemed_by.iter().map(|user| names.label(*user)).collect();
        let users = if users.is_empty() { String::new() } else { format!("used by {}", users.join(", ")) };
        vec![invite.invite.to_string(), format!("{} left", invite.uses_left), state, users]
    })
}

async fn revoke(context: &Context, out: &mut Out, invite: InviteId) -> Result<(), Failure> {
    let session = context.start().await?;
    session.client.revoke_invite(invite).await?;
    rooms::done(out, "invite-revoked", invite.to_string(), || format!("invite {invite} is taken back"))
}

/// How long an invite for a newcomer may be redeemed.
const GUEST_LIFE: Duration = Duration::from_secs(48 * 3_600);
/// How long one for a device of one's own may be: it lies beside the old one.
const DEVICE_LIFE: Duration = Duration::from_secs(10 * 60);
