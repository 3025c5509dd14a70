//! Samples of what is said about bots and webhooks.

use quipu_protocol::request::*;
use quipu_protocol::{Blob, List, Text};

use super::{ADA, AT_MS, BOT, HOOK, INVITE, LOBBY, Sample, TEAM, fits, frame, name, signed};

pub fn samples() -> Vec<Sample> {
    [bots(), hooks()].into_iter().flatten().collect()
}

fn bots() -> Vec<Sample> {
    let rooms = || Some(fits(List::new(vec![LOBBY, TEAM])));
    let info = |rooms, revoked_ms| BotInfo {
        user: BOT,
        nickname: name("weather"),
        owner: ADA,
        scope: Permissions(3),
        created_ms: AT_MS,
        devices: 1,
        rooms,
        revoked_ms,
    };
    let secret = || fits(Blob::new(signed::SECRET.to_vec()));
    vec![
        frame(
            "create-bot",
            CreateBot { nickname: name("weather"), scope: Permissions::ANYTHING, rooms: None },
        ),
        frame(
            "create-bot-rooms",
            CreateBot { nickname: name("weather"), scope: Permissions(3), rooms: rooms() },
        ),
        frame("bot-answer", BotAnswer { user: BOT, invite: INVITE, secret: secret(), expires_ms: AT_MS }),
        frame("invite-bot", InviteBot { user: BOT }),
        frame("list-bots", ListBots { after: None }),
        frame("list-bots-after", ListBots { after: Some(BOT) }),
        frame(
            "bots",
            Bots { bots: fits(List::new(vec![info(rooms(), None), info(None, Some(AT_MS))])), more: false },
        ),
        frame("change-bot", ChangeBot { user: BOT, scope: Permissions(1), rooms: None }),
        frame("change-bot-rooms", ChangeBot { user: BOT, scope: Permissions(1), rooms: rooms() }),
        frame("revoke-bot", RevokeBot { user: BOT }),
    ]
}

fn hooks() -> Vec<Sample> {
    let info = HookInfo { hook: HOOK, bot: BOT, created_by: ADA, created_ms: AT_MS };
    let answer = HookAnswer {
        hook: HOOK,
        secret: fits(Blob::new(signed::SECRET.to_vec())),
        listens_at: fits(Text::new("http://127.0.0.1:8084")),
    };
    vec![
        frame("create-hook", CreateHook { room: LOBBY, bot: BOT }),
        frame("hook-answer", answer),
        frame("list-hooks", ListHooks { room: LOBBY, after: None }),
        frame("list-hooks-after", ListHooks { room: LOBBY, after: Some(HOOK) }),
        frame("hooks", Hooks { hooks: fits(List::new(vec![info])), more: true }),
        frame("revoke-hook", RevokeHook { hook: HOOK }),
    ]
}
