//! Accounts as those see them who run the server: shut out, let in again, given another role.
//!
//! The asker's own role is looked up in the job: a connection may have outlived what it was granted.
//! Closing the connections is the transport's part.

use quipu_protocol::request::{Act, Deactivate, Reactivate, Reason, ServerRole, SetServerRole};
use quipu_protocol::{Code, DeviceId, Refusal, UserId};

use super::{Auth, Authenticated};
use crate::store::{AuditRow, BotRow, Reads, StoreError, UserRow, WriteError, Writes};

/// Roles there are to be given, by an invite as well.
pub(super) const ROLES: [ServerRole; 5] =
    [ServerRole::GUEST, ServerRole::BOT, ServerRole::MEMBER, ServerRole::ADMIN, ServerRole::OWNER];

impl Auth {
    /// Shuts an account out, durably, and takes its invites back. Gives the devices whose connections must close: those
    /// of its bots are among them.
    ///
    /// # Errors
    /// [`Code::FORBIDDEN`] below an admin, and towards a role that is not below the asker's; [`Code::NOT_FOUND`];
    /// [`Code::BAD_REQUEST`] for oneself.
    pub async fn deactivate(&self, who: &Authenticated, ask: Deactivate) -> Result<Vec<DeviceId>, Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let job = self.storage.write(move |store| {
            let user = below_asker(&*store, &who, ask.user)?;
            if user.deactivated_ms.is_none() {
                store.put_user(&UserRow { deactivated_ms: Some(now_ms), ..user })?;
                store.revoke_invites(ask.user, now_ms)?;
                record(store, &who, (Act::DEACTIVATE, ask.user), now_ms, ask.reason, None)?;
            }
            let mut out = devices(&*store, ask.user)?;
            // Their rows stay as they are, so that they are in again when whoever answers for them is.
            for bot in store.bots(Some(ask.user), None, usize::MAX)? {
                out.extend(devices(&*store, bot.user)?);
            }
            Ok(out)
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Lets an account in again. Its invites stay taken back.
    ///
    /// # Errors
    /// As [`Auth::deactivate`].
    pub async fn reactivate(&self, who: &Authenticated, ask: Reactivate) -> Result<(), Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let job = self.storage.write(move |store| {
            let user = below_asker(&*store, &who, ask.user)?;
            if user.deactivated_ms.is_none() {
                return Ok(());
            }
            if user.is_deleted() {
                return Err(Refusal::because(Code::GONE, "the account was deleted").into());
            }
            store.put_user(&UserRow { deactivated_ms: None, ..user })?;
            record(store, &who, (Act::REACTIVATE, ask.user), now_ms, ask.reason, None)
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Gives an account another role on the server. Gives the devices whose connections must begin anew with it.
    ///
    /// # Errors
    /// As [`Auth::deactivate`]; [`Code::FORBIDDEN`] for a role above the asker's, [`Code::CONFLICT`] for the last owner.
    /// Whoever steps down does so on their own.
    pub async fn set_server_role(
        &self,
        who: &Authenticated,
        ask: SetServerRole,
    ) -> Result<Vec<DeviceId>, Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let job = self.storage.write(move |store| {
            let asker = acting(&*store, &who)?;
            let user =
                if ask.user == who.user() { asker.clone() } else { below_asker(&*store, &who, ask.user)? };
            may_give(&*store, &asker, &user, ask.role)?;
            if user.role == ask.role {
                return Ok(Vec::new());
            }
            let detail = format!("{} to {}", user.role.word(), ask.role.word());
            store.put_user(&UserRow { role: ask.role, ..user })?;
            record(store, &who, (Act::SERVER_ROLE, ask.user), now_ms, ask.reason, Some(detail))?;
            devices(&*store, ask.user)
        });
        job.await.map_err(WriteError::refusal)
    }
}

/// The asker's account as it is now.
pub(crate) fn acting(store: &dyn Reads, who: &Authenticated) -> Result<UserRow, WriteError> {
    Ok(in_use(store, who.user())?.ok_or_else(|| Refusal::from(Code::UNAUTHENTICATED))?)
}

/// An account, if it is in use.
pub(crate) fn in_use(store: &dyn Reads, user: UserId) -> Result<Option<UserRow>, StoreError> {
    let Some(row) = store.user(user)? else { return Ok(None) };
    // Only bots are asked about: a bot's role never changes.
    let bot = if row.role == ServerRole::BOT { store.bot(user)? } else { None };
    Ok(is_in_use(store, &row, bot.as_ref())?.then_some(row))
}

/// Whether an account is in use: it was not deactivated, nor was, of a bot, whoever answers for it.
pub(crate) fn is_in_use(store: &dyn Reads, row: &UserRow, bot: Option<&BotRow>) -> Result<bool, StoreError> {
    let owner = match bot {
        Some(bot) => store.user(bot.owner)?,
        None => None,
    };
    Ok(row.deactivated_ms.is_none() && owner.is_none_or(|owner| owner.deactivated_ms.is_none()))
}

/// An account that the asker may act on: an admin or an owner on those below them.
fn below_asker(store: &dyn Reads, who: &Authenticated, user: UserId) -> Result<UserRow, WriteError> {
    let asker = acting(store, who)?;
    let no = |code, text: &str| WriteError::from(Refusal::because(code, text));
    if asker.role < ServerRole::ADMIN {
        return Err(no(Code::FORBIDDEN, "only an admin acts on accounts"));
    }
    if user == who.user() {
        return Err(no(Code::BAD_REQUEST, "nobody does that to themselves"));
    }
    let row = store.user(user)?.ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
    if row.role >= asker.role {
        return Err(no(Code::FORBIDDEN, "their role is not below yours"));
    }
    Ok(row)
}

fn may_give(store: &dyn Reads, asker: &UserRow, user: &UserRow, role: ServerRole) -> Result<(), WriteError> {
    let no = |code, text: &str| Err(WriteError::from(Refusal::because(code, text)));
    if !ROLES.contains(&role) {
        return no(Code::BAD_REQUEST, "a role is guest, bot, member, admin or owner");
    }
    if role > asker.role {
        return no(Code::FORBIDDEN, "nobody gives a role above their own");
    }
    if role != user.role && store.bot(user.user)?.is_some() {
        return no(Code::CONFLICT, "a bot stays a bot");
    }
    let is_last = user.role >= ServerRole::OWNER && role < ServerRole::OWNER && store.server_owners()? <= 1;
    if is_last {
        return no(Code::CONFLICT, "a server keeps one owner");
    }
    Ok(())
}

pub(super) fn devices(store: &dyn Reads, user: UserId) -> Result<Vec<DeviceId>, WriteError> {
    Ok(store.devices(user)?.into_iter().map(|device| device.device).collect())
}

pub(super) fn record(
    store: &mut dyn Writes,
    who: &Authenticated,
    (act, user): (Act, UserId),
    at_ms: u64,
    reason: Option<Reason>,
    detail: Option<String>,
) -> Result<(), WriteError> {
    let (by, user, detail) = (Some(who.user()), Some(user), detail.map(quipu_protocol::Text::cut));
    Ok(store.put_audit(&AuditRow { at_ms, act, by, room: None, user, reason, detail })?)
}
