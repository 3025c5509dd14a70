//! Bots and webhooks: made, listed, changed, ended.

use quipu_protocol::limits::BOT_ROOMS_MAX;
use quipu_protocol::request::{
    BotAnswer, BotInfo, Bots, ChangeBot, CreateBot, CreateHook, HookAnswer, HookInfo, Hooks, InviteBot,
    ListBots, ListHooks, Permissions, RevokeBot, RevokeHook,
};
use quipu_protocol::{HookId, InviteLink, List, Nickname, RoomId, UserId};

use super::Client;
use super::requests::goes_on;
use crate::error::{Error, ErrorCode};

/// A bot that may come in by this link, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBot {
    /// Its account.
    pub user: UserId,
    /// The way in for its device. Shown once and kept nowhere.
    pub link: InviteLink,
}

impl Client {
    /// Makes a bot of this account's. With `rooms` it joins those and is held to them.
    ///
    /// # Errors
    /// [`ErrorCode::Usage`] for too many rooms; a refusal, or why there is no connection; the same for all below.
    pub async fn create_bot(
        &self,
        nickname: Nickname,
        scope: Permissions,
        rooms: Option<Vec<RoomId>>,
    ) -> Result<NewBot, Error> {
        let question = CreateBot { nickname, scope, rooms: rooms.map(bounded).transpose()? };
        let answer: BotAnswer = self.ask(&question).await?;
        self.new_bot(answer).await
    }

    /// One more device for a bot.
    pub async fn invite_bot(&self, bot: UserId) -> Result<NewBot, Error> {
        let answer: BotAnswer = self.ask(&InviteBot { user: bot }).await?;
        self.new_bot(answer).await
    }

    /// This account's bots; an admin sees all.
    pub async fn bots(&self) -> Result<Vec<BotInfo>, Error> {
        let mut bots: Vec<BotInfo> = Vec::new();
        loop {
            let after = bots.last().map(|bot| bot.user);
            let page: Bots = self.ask(&ListBots { after }).await?;
            let (before, more) = (bots.len(), page.more);
            bots.extend(page.bots.into_vec());
            if !goes_on("bots", bots.len(), bots.len() - before, more)? {
                return Ok(bots);
            }
        }
    }

    /// Holds a bot to a scope, and to some rooms or none. It acts at once.
    pub async fn change_bot(
        &self,
        bot: UserId,
        scope: Permissions,
        rooms: Option<Vec<RoomId>>,
    ) -> Result<(), Error> {
        self.done(&ChangeBot { user: bot, scope, rooms: rooms.map(bounded).transpose()? }).await
    }

    /// Shuts a bot out for ever. What it wrote stays.
    pub async fn revoke_bot(&self, bot: UserId) -> Result<(), Error> {
        self.done(&RevokeBot { user: bot }).await
    }

    /// Makes a webhook into a room that speaks as a bot.
    pub async fn create_hook(&self, room: RoomId, bot: UserId) -> Result<HookAnswer, Error> {
        self.ask(&CreateHook { room, bot }).await
    }

    /// Webhooks into a room.
    pub async fn hooks(&self, room: RoomId) -> Result<Vec<HookInfo>, Error> {
        let mut hooks: Vec<HookInfo> = Vec::new();
        loop {
            let after = hooks.last().map(|hook| hook.hook);
            let page: Hooks = self.ask(&ListHooks { room, after }).await?;
            let (before, more) = (hooks.len(), page.more);
            hooks.extend(page.hooks.into_vec());
            if !goes_on("webhooks", hooks.len(), hooks.len() - before, more)? {
                return Ok(hooks);
            }
        }
    }

    /// Ends a webhook.
    pub async fn revoke_hook(&self, hook: HookId) -> Result<(), Error> {
        self.done(&RevokeHook { hook }).await
    }

    async fn new_bot(&self, answer: BotAnswer) -> Result<NewBot, Error> {
        let link = self.link(&answer.secret, answer.expires_ms).await?;
        Ok(NewBot { user: answer.user, link })
    }
}

fn bounded(rooms: Vec<RoomId>) -> Result<List<RoomId, BOT_ROOMS_MAX>, Error> {
    let too_many = |rooms: Vec<RoomId>| {
        Error::never(
            ErrorCode::Usage,
            format!("a bot is held to at most {BOT_ROOMS_MAX} rooms, not {}", rooms.len()),
        )
    };
    List::new(rooms).map_err(too_many)
}
