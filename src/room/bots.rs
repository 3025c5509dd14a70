//! What bots and webhooks have to do with rooms: who brings a bot in, and who lets a webhook speak.

use quipu_protocol::entry::{Change, MemberChange};
use quipu_protocol::limits::ROWS_MAX;
use quipu_protocol::request::{
    CreateHook, HookInfo, Hooks, ListHooks, Permissions, RevokeHook, RoomRole, ServerRole,
};
use quipu_protocol::token::sha256;
use quipu_protocol::{Code, HookId, List, Refusal, RoomId};

use super::chat::Rooms;
use super::footing::Footing;
use super::membership::{may_be_in_another, note_member};
use super::rules;
use crate::auth::{Authenticated, acting};
use crate::limits::HOOKS_PER_ROOM_MAX;
use crate::store::{HookRow, Reads, UserRow, WriteError, Writes};

impl Rooms {
    /// What takes a new bot into rooms, for the job that makes its account. Its maker must be able to let somebody into
    /// each of them.
    pub fn bring(
        &self,
        who: &Authenticated,
    ) -> impl FnOnce(&mut dyn Writes, &UserRow, &[RoomId]) -> Result<(), WriteError> + Send + use<> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        move |store, bot, rooms| {
            for room in rooms {
                let at = Footing::of(&*store, *room, who.user(), now_ms)?;
                let target = Footing::of(&*store, *room, bot.user, now_ms)?;
                if !rules::invite(&who, &at, &target)? {
                    continue; // It was named twice.
                }
                rules::admit(&target)?;
                may_be_in_another(&*store, bot.user)?;
                let role = RoomRole::MEMBER;
                let nickname = bot.nickname.clone();
                let change = MemberChange { user: bot.user, change: Change::JOINED, nickname, role: role.0 };
                note_member(store, *room, now_ms, Some(&who), change, Some(rules::joined(role)))?;
            }
            Ok(())
        }
    }

    /// Makes a webhook with this id and secret into a room.
    ///
    /// # Errors
    /// [`Code::FORBIDDEN`] without manage-room, or for a bot that is not the asker's; [`Code::CONFLICT`] when the bot may not
    /// write in the room, [`Code::QUOTA`] when the room has too many.
    pub async fn create_hook(
        &self,
        who: &Authenticated,
        ask: CreateHook,
        hook: HookId,
        secret: [u8; 16],
    ) -> Result<(), Refusal> {
        let (who, created_ms) = (who.clone(), self.now_ms());
        let job = self.storage().write(move |store| {
            managed(&*store, &who, ask.room, created_ms)?;
            let missing = || Refusal::because(Code::NOT_FOUND, "there is no such bot");
            let bot = store.bot(ask.bot)?.filter(|bot| bot.revoked_ms.is_none()).ok_or_else(missing)?;
            if bot.owner != who.user() && acting(&*store, &who)?.role < ServerRole::ADMIN {
                return Err(Refusal::because(Code::FORBIDDEN, "the bot is somebody else's").into());
            }
            let at = Footing::of(&*store, ask.room, ask.bot, created_ms)?;
            if !rules::effective(&at).has(Permissions::SEND) {
                return Err(Refusal::because(Code::CONFLICT, "the bot may not write in this room").into());
            }
            if store.hooks(ask.room, None, HOOKS_PER_ROOM_MAX)?.len() >= HOOKS_PER_ROOM_MAX {
                let text = format!("a room has at most {HOOKS_PER_ROOM_MAX} webhooks");
                return Err(Refusal::because(Code::QUOTA, text).into());
            }
            Ok(store.put_hook(&HookRow {
                hook,
                secret_hash: sha256(&secret),
                room: ask.room,
                bot: ask.bot,
                created_by: who.user(),
                created_ms,
            })?)
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Webhooks into a room, a page by id.
    ///
    /// # Errors
    /// [`Code::FORBIDDEN`] without manage-room.
    pub async fn hooks(&self, who: &Authenticated, ask: ListHooks) -> Result<Hooks, Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let question = self.storage().read(move |store| match managed(store, &who, ask.room, now_ms) {
            Ok(_) => Ok(Ok(store.hooks(ask.room, ask.after, ROWS_MAX + 1)?)),
            Err(WriteError::Store(error)) => Err(error),
            Err(error) => Ok(Err(error.refusal())),
        });
        let mut rows = question.await.map_err(|error| error.refusal())??;
        let more = rows.len() > ROWS_MAX;
        rows.truncate(ROWS_MAX);
        let info = |row: HookRow| HookInfo {
            hook: row.hook,
            bot: row.bot,
            created_by: row.created_by,
            created_ms: row.created_ms,
        };
        Ok(Hooks { hooks: List::first(rows.into_iter().map(info).collect()), more })
    }

    /// Ends a webhook: what comes to its address from now on is nobody's.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when there is none, or its room is not the asker's to manage.
    pub async fn revoke_hook(&self, who: &Authenticated, ask: RevokeHook) -> Result<(), Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let job = self.storage().write(move |store| {
            let hook = store.hook(ask.hook)?.ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
            managed(&*store, &who, hook.room, now_ms).map_err(|error| match error {
                WriteError::Refused(_) => Refusal::from(Code::NOT_FOUND).into(),
                error => error,
            })?;
            Ok(store.remove_hook(ask.hook)?)
        });
        job.await.map_err(WriteError::refusal)
    }
}

/// That the asker may say what comes into the room from elsewhere.
fn managed(store: &dyn Reads, who: &Authenticated, room: RoomId, now_ms: u64) -> Result<(), WriteError> {
    let at = Footing::of(store, room, who.user(), now_ms)?;
    Ok(rules::may(who, &at, Permissions::MANAGE_ROOM)?)
}
