//! `bots` and `hooks`: accounts of programs, and addresses at which programs speak.

use quipu_client::protocol::request::{BotInfo, Permissions};
use quipu_client::protocol::{HookId, Nickname, RoomId, UserId};
use quipu_client::{Client, NewBot};

use super::args::{BotCommand, Bots, Bounds, HookCommand};
use super::clock::distance;
use super::context::{Context, now_ms};
use super::exit::Failure;
use super::out::{Out, note};
use super::parse::RoomRef;
use super::room::{Names, find, person};
use super::{record, rooms};

/// Lists, makes, changes or ends bots.
pub(crate) async fn run(context: &Context, out: &mut Out, args: Bots) -> Result<(), Failure> {
    let client = &context.start().await?.client;
    match args.command {
        None => list(client, out).await,
        Some(BotCommand::New { nickname, bounds }) => {
            let (scope, rooms) = within(client, &bounds).await?;
            let bot = client.create_bot(nickname.clone(), scope, rooms).await?;
            link(out, &bot, &nickname)
        }
        Some(BotCommand::Invite { nickname }) => {
            let bot = client.invite_bot(person(client, &nickname).await?).await?;
            link(out, &bot, &nickname)
        }
        Some(BotCommand::Hold { nickname, bounds }) => {
            let bot = person(client, &nickname).await?;
            let (scope, rooms) = within(client, &bounds).await?;
            client.change_bot(bot, scope, rooms).await?;
            rooms::done(out, "bot-held", bot.to_string(), || format!("{nickname} may {}", words(scope)))
        }
        Some(BotCommand::Revoke { nickname }) => {
            let bot = person(client, &nickname).await?;
            client.revoke_bot(bot).await?;
            rooms::done(out, "bot-revoked", bot.to_string(), || format!("{nickname} is shut out"))
        }
    }
}

/// What the arguments say, with rooms found.
async fn within(client: &Client, bounds: &Bounds) -> Result<(Permissions, Option<Vec<RoomId>>), Failure> {
    let mut rooms = Vec::with_capacity(bounds.rooms.len());
    for room in &bounds.rooms {
        rooms.push(find(client, room).await?.id);
    }
    Ok((bounds.may, Some(rooms).filter(|rooms| !rooms.is_empty())))
}

fn link(out: &mut Out, bot: &NewBot, nickname: &Nickname) -> Result<(), Failure> {
    let (text, expires_ms) = (bot.link.to_string(), u64::from(bot.link.expires_s) * 1_000);
    out.put(&record::bot_link(bot.user, nickname, &text, expires_ms), || text.clone())?;
    if out.is_json() {
        return Ok(());
    }
    out.remark(format!("for the device of {nickname}: 1 use, expires {}", distance(expires_ms, now_ms())))?;
    note(format!("there: quipu --profile {nickname} join LINK --nick {nickname} --yes"));
    Ok(())
}

async fn list(client: &Client, out: &mut Out) -> Result<(), Failure> {
    let mut bots = client.bots().await?;
    bots.sort_by_key(|bot| (bot.revoked_ms.is_some(), bot.nickname.folded()));
    let mut names = Names::default();
    if !out.is_json() {
        names.fetch(client, bots.iter().map(|bot| bot.owner)).await;
    }
    let records: Vec<_> = bots.iter().map(record::bot).collect();
    let now_ms = now_ms();
    out.rows(&records, |at| row(&bots[at], &names, now_ms))
}

fn row(bot: &BotInfo, names: &Names, now_ms: u64) -> Vec<String> {
    let state = match (bot.revoked_ms, bot.devices) {
        (Some(at_ms), _) => format!("revoked {}", distance(at_ms, now_ms)),
        (None, 0) => "not joined yet".into(),
        (None, devices) => super::render::count(devices, "device"),
    };
    let rooms = bot.rooms.as_ref().map(|rooms| super::render::count(rooms.len() as u64, "room"));
    let owner = format!("of {}", names.label(bot.owner));
    vec![bot.nickname.to_string(), owner, state, words(bot.scope), rooms.unwrap_or_default()]
}

/// What a scope allows, in words.
pub(crate) fn words(scope: Permissions) -> String {
    match scope {
        Permissions::ANYTHING => "all".into(),
        scope => scope.names().collect::<Vec<_>>().join(","),
    }
}

/// Makes, lists or ends webhooks.
pub(crate) async fn hooks(context: &Context, out: &mut Out, command: HookCommand) -> Result<(), Failure> {
    let client = &context.start().await?.client;
    match command {
        HookCommand::New { room, bot } => new_hook(client, out, &room, &bot).await,
        HookCommand::List { room } => list_hooks(client, out, &room).await,
        HookCommand::Revoke { hook } => {
            client.revoke_hook(hook).await?;
            rooms::done(out, "hook-revoked", hook.to_string(), || format!("webhook {hook} is ended"))
        }
    }
}

async fn new_hook(client: &Client, out: &mut Out, room: &RoomRef, bot: &Nickname) -> Result<(), Failure> {
    let (room, bot) = (find(client, room).await?, person(client, bot).await?);
    let answer = client.create_hook(room.id, bot).await?;
    let listens_at = super::render::line(answer.listens_at.as_str());
    let url = format!("{listens_at}/hook/{}", super::entry::hex(&answer.secret));
    out.put(&record::hook_url(&room, answer.hook, bot, &url), || url.clone())?;
    if !out.is_json() {
        out.remark("whoever knows this address speaks there; it is shown once")?;
        note(format!("end it with: quipu hooks revoke {}", answer.hook));
    }
    Ok(())
}

async fn list_hooks(client: &Client, out: &mut Out, room: &RoomRef) -> Result<(), Failure> {
    let room = find(client, room).await?;
    let hooks = client.hooks(room.id).await?;
    let mut names = Names::default();
    if !out.is_json() {
        names.fetch(client, hooks.iter().flat_map(|hook| [hook.bot, hook.created_by])).await;
    }
    let records: Vec<_> = hooks.iter().map(|hook| record::hook(&room, hook)).collect();
    let now_ms = now_ms();
    let label = |hook: HookId, bot: UserId, by: UserId, at_ms: u64| {
        let made = format!("made {} by {}", distance(at_ms, now_ms), names.label(by));
        vec![hook.to_string(), format!("as {}", names.label(bot)), made]
    };
    out.rows(&records, |at| {
        let hook = &hooks[at];
        label(hook.hook, hook.bot, hook.created_by, hook.created_ms)
    })
}
