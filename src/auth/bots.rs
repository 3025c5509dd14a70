//! Bots: accounts that somebody makes for a program, and what each of them may do at most.
//!
//! A bot comes in like everybody, by an invite and with a key of its own, so its token is worth nothing elsewhere.
//! Members of the server make some and look after their own; an admin looks after all. Closing the connections of a
//! bot that changed is the transport's part.

use quipu_protocol::limits::ROWS_MAX;
use quipu_protocol::request::{
    BotAnswer, BotInfo, Bots, ChangeBot, CreateBot, InviteBot, ListBots, RevokeBot, ServerRole,
};
use quipu_protocol::{Code, DeviceId, List, Refusal, RoomId, UserId};

use super::accounts::{acting, in_use};
use super::invites::{blob, put_another};
use super::leaving::may_be_called;
use super::{Auth, Authenticated};
use crate::limits::{BOT_INVITE_LIFE, BOTS_MADE_MAX, BOTS_PER_USER_MAX};
use crate::store::{BotRow, DeviceRow, InviteRow, Reads, StoreError, UserRow, WriteError, Writes};

impl Auth {
    /// Makes a bot of the asker's. `bring` runs in the same job and takes it into the rooms it is held to; when it
    /// fails there is no bot.
    ///
    /// # Errors
    /// [`Code::FORBIDDEN`] for guests and bots, [`Code::CONFLICT`] when the nickname is taken, [`Code::QUOTA`] when the
    /// asker has too many.
    pub async fn create_bot(
        &self,
        who: &Authenticated,
        ask: CreateBot,
        bring: impl FnOnce(&mut dyn Writes, &UserRow, &[RoomId]) -> Result<(), WriteError> + Send + 'static,
    ) -> Result<BotAnswer, Refusal> {
        let now_ms = self.now_ms();
        let user = UserRow {
            user: UserId::from_bytes(self.random()),
            nickname: ask.nickname,
            role: ServerRole::BOT,
            epoch: 0,
            created_ms: now_ms,
            deactivated_ms: None,
        };
        let bot = BotRow {
            user: user.user,
            owner: who.user(),
            scope: ask.scope,
            rooms: ask.rooms.map(List::into_vec),
            created_ms: now_ms,
            revoked_ms: None,
        };
        let (invite, secret) = self.bot_invite(who, user.user);
        let answer = BotAnswer {
            user: user.user,
            invite: invite.invite,
            secret: blob(secret),
            expires_ms: invite.expires_ms,
        };
        let who = who.clone();
        let job = self.storage.write(move |store| {
            if acting(&*store, &who)?.role < ServerRole::MEMBER {
                return Err(Refusal::because(Code::FORBIDDEN, "only members of the server make bots").into());
            }
            if store.bots_alive(bot.owner)? >= BOTS_PER_USER_MAX {
                let text = format!("an account has at most {BOTS_PER_USER_MAX} bots");
                return Err(Refusal::because(Code::QUOTA, text).into());
            }
            if store.bots_made(bot.owner)? >= BOTS_MADE_MAX {
                let text = format!("an account makes at most {BOTS_MADE_MAX} bots, and revoked ones count");
                return Err(Refusal::because(Code::QUOTA, text).into());
            }
            may_be_called(&*store, &user.nickname, now_ms)?;
            if store.user_by_nickname(&user.nickname.folded())?.is_some() {
                return Err(Refusal::because(Code::CONFLICT, "the nickname is taken").into());
            }
            store.put_user(&user)?;
            store.put_bot(&bot)?;
            put_another(store, &invite)?;
            bring(store, &user, bot.rooms.as_deref().unwrap_or_default())
        });
        job.await.map_err(WriteError::refusal)?;
        Ok(answer)
    }

    /// An invite for one more device of a bot.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when there is no such bot that is the asker's to look after.
    pub async fn invite_bot(&self, who: &Authenticated, ask: InviteBot) -> Result<BotAnswer, Refusal> {
        let (invite, secret) = self.bot_invite(who, ask.user);
        let answer = BotAnswer {
            user: ask.user,
            invite: invite.invite,
            secret: blob(secret),
            expires_ms: invite.expires_ms,
        };
        let who = who.clone();
        let job = self.storage.write(move |store| {
            own(&*store, &who, ask.user)?;
            put_another(store, &invite)
        });
        job.await.map_err(WriteError::refusal)?;
        Ok(answer)
    }

    /// The asker's bots; an admin's answer has all.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn bots(&self, who: &Authenticated, ask: ListBots) -> Result<Bots, Refusal> {
        let user = who.user();
        let question = self.storage.read(move |store| {
            let sees_all = in_use(store, user)?.is_some_and(|row| row.role >= ServerRole::ADMIN);
            let owner = (!sees_all).then_some(user);
            let mut rows = store.bots(owner, ask.after, ROWS_MAX + 1)?;
            let more = rows.len() > ROWS_MAX;
            rows.truncate(ROWS_MAX);
            let mut bots = Vec::with_capacity(rows.len());
            for row in rows {
                bots.extend(info(store, row)?);
            }
            Ok(Bots { bots: List::first(bots), more })
        });
        question.await.map_err(|error| error.refusal())
    }

    /// Holds a bot to something else. Gives its devices, whose connections still believe in what was before.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when there is no such bot that is the asker's to look after.
    pub async fn change_bot(&self, who: &Authenticated, ask: ChangeBot) -> Result<Vec<DeviceId>, Refusal> {
        let who = who.clone();
        let job = self.storage.write(move |store| {
            let bot = own(&*store, &who, ask.user)?;
            store.put_bot(&BotRow { scope: ask.scope, rooms: ask.rooms.map(List::into_vec), ..bot })?;
            Ok(ids(&store.devices(ask.user)?))
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Shuts a bot out for ever: its devices, its invites, its webhooks. Gives its devices. Doing it again is harmless.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when there is no such bot that is the asker's to look after.
    pub async fn revoke_bot(&self, who: &Authenticated, ask: RevokeBot) -> Result<Vec<DeviceId>, Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let job = self.storage.write(move |store| {
            let bot = owned(&*store, &who, ask.user)?;
            shut_out(store, bot, now_ms)
        });
        job.await.map_err(WriteError::refusal)
    }

    fn bot_invite(&self, who: &Authenticated, bot: UserId) -> (InviteRow, [u8; 16]) {
        let (row, secret) = self.invite_row(1, BOT_INVITE_LIFE.as_millis() as u64, ServerRole::BOT);
        let (created_by, device) = (Some(who.user()), Some(who.device()));
        (InviteRow { created_by, device, for_user: Some(bot), ..row }, secret)
    }
}

/// Ends a bot, its webhooks and its devices. Gives the devices.
pub(super) fn shut_out(
    store: &mut dyn Writes,
    bot: BotRow,
    now_ms: u64,
) -> Result<Vec<DeviceId>, WriteError> {
    let user = bot.user;
    store.put_bot(&BotRow { revoked_ms: bot.revoked_ms.or(Some(now_ms)), ..bot })?;
    store.remove_hooks_of(user)?;
    let devices = store.devices(user)?;
    for device in devices.iter().filter(|device| device.revoked_ms.is_none()) {
        store.put_device(&DeviceRow { revoked_ms: Some(now_ms), ..device.clone() })?;
    }
    Ok(ids(&devices))
}

/// The bot, if the asker looks after it and it was not revoked.
fn own(store: &dyn Reads, who: &Authenticated, bot: UserId) -> Result<BotRow, WriteError> {
    let row = owned(store, who, bot)?;
    if row.revoked_ms.is_some() {
        return Err(Refusal::because(Code::GONE, "the bot was revoked").into());
    }
    Ok(row)
}

/// The bot, if the asker looks after it.
fn owned(store: &dyn Reads, who: &Authenticated, bot: UserId) -> Result<BotRow, WriteError> {
    let asker = acting(store, who)?;
    let is_theirs = |row: &BotRow| row.owner == asker.user || asker.role >= ServerRole::ADMIN;
    Ok(store.bot(bot)?.filter(is_theirs).ok_or_else(|| Refusal::from(Code::NOT_FOUND))?)
}

fn ids(devices: &[DeviceRow]) -> Vec<DeviceId> {
    devices.iter().map(|device| device.device).collect()
}

fn info(store: &dyn Reads, row: BotRow) -> Result<Option<BotInfo>, StoreError> {
    let Some(user) = store.user(row.user)? else { return Ok(None) };
    let devices = store.devices(row.user)?;
    Ok(Some(BotInfo {
        user: row.user,
        nickname: user.nickname,
        owner: row.owner,
        scope: row.scope,
        created_ms: row.created_ms,
        devices: devices.iter().filter(|device| device.revoked_ms.is_none()).count() as u64,
        rooms: row.rooms.map(List::first),
        revoked_ms: row.revoked_ms,
    }))
}
