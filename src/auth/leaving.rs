//! Deleting an account: from this moment on it cannot come in. What it leaves in rooms is the sweeper's.
//!
//! The row stays, so that what the account wrote still has an author, who is called `deleted-…` from now on. Its
//! nickname rests for half a year: nobody shall be taken for somebody who has just gone.

use std::time::Duration;

use quipu_protocol::request::{Act, DeleteAccount, ServerRole};
use quipu_protocol::{Code, DeviceId, Nickname, Refusal};

use super::accounts::{acting, devices, record};
use super::bots::shut_out;
use super::{Auth, Authenticated};
use crate::store::{DELETED_PREFIX, PurgeRow, PurgeStage, Reads, UserRow, WriteError};

/// How long nobody gets the nickname of a deleted account: half a year.
const NICKNAME_REST: Duration = Duration::from_secs(182 * 24 * 60 * 60);

impl Auth {
    /// Deletes an account, durably; gives its devices, whose connections are to be closed. Doing it again is harmless.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`], [`Code::FORBIDDEN`] for somebody else's below an admin or not above them and for a bot's own,
    /// [`Code::BAD_REQUEST`] when the confirmation is another nickname, [`Code::CONFLICT`] for the last owner of the
    /// server.
    pub async fn delete_account(
        &self,
        who: &Authenticated,
        ask: DeleteAccount,
    ) -> Result<Vec<DeviceId>, Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let job = self.storage.write(move |store| {
            let asker = acting(&*store, &who)?;
            let row = store.user(ask.user)?.ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
            may_delete(&asker, &row)?;
            if asker.user == row.user && store.bot(row.user)?.is_some() {
                // It would count no more among those its owner has made.
                return Err(Refusal::because(Code::FORBIDDEN, "a bot ends when its owner revokes it").into());
            }
            if row.is_deleted() {
                return Ok(Vec::new());
            }
            if ask.confirm.folded() != row.nickname.folded() {
                return Err(
                    Refusal::because(Code::BAD_REQUEST, "the account to delete is called otherwise").into()
                );
            }
            if row.role >= ServerRole::OWNER && store.server_owners()? <= 1 {
                let no = "the last owner of the server cannot go: make somebody else an owner first";
                return Err(Refusal::because(Code::CONFLICT, no).into());
            }
            let mut devices = devices(&*store, row.user)?;
            // Nobody answers for their bots any more.
            for bot in store.bots(Some(row.user), None, usize::MAX)? {
                devices.extend(shut_out(store, bot, now_ms)?);
            }
            if ask.erase == Some(true) {
                let (by, stage) = ((who.user(), who.device()), PurgeStage::Everywhere(None));
                store.put_purge(&PurgeRow { purge: 0, user: row.user, stage, by, reason: None })?;
            }
            let rest_ms = now_ms + NICKNAME_REST.as_millis() as u64;
            let detail = Some(row.nickname.to_string());
            record(store, &who, (Act::DELETE_ACCOUNT, row.user), now_ms, ask.reason, detail)?;
            store.delete_user(&UserRow { deactivated_ms: Some(now_ms), ..row }, rest_ms)?;
            Ok(devices)
        });
        job.await.map_err(WriteError::refusal)
    }
}

fn may_delete(asker: &UserRow, row: &UserRow) -> Result<(), Refusal> {
    let is_above = asker.role >= ServerRole::ADMIN && asker.role > row.role;
    if asker.user == row.user || is_above {
        return Ok(());
    }
    Err(Refusal::because(Code::FORBIDDEN, "only its owner, or an admin above it, deletes an account"))
}

/// That somebody new may be called so, as far as those who have gone are concerned.
pub(super) fn may_be_called(store: &dyn Reads, nickname: &Nickname, now_ms: u64) -> Result<(), WriteError> {
    let folded = nickname.folded();
    if folded.starts_with(DELETED_PREFIX) || store.is_resting(&folded, now_ms)? {
        let no = "the nickname is taken; the invite is still good";
        return Err(Refusal::because(Code::CONFLICT, no).into());
    }
    Ok(())
}
