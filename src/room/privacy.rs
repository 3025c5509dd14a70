//! Settings of an account, and when it was last there.
//!
//! "Last seen" is kept only of those who allow it, rounded down, and written only when the rounded time is another
//! one: so it is neither exact nor often. Invariant: what is switched off is gone from the store.

use quipu_protocol::request::{ChangeSettings, Settings, SettingsAnswer};
use quipu_protocol::{Refusal, UserId};
use tracing::debug;

use super::chat::Rooms;
use crate::auth::Authenticated;
use crate::limits::LAST_SEEN_GRAIN_MS;
use crate::store::{AccountSettings, StoreError, WriteError};

impl Rooms {
    /// All settings of an account.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn settings(&self, user: UserId) -> Result<SettingsAnswer, StoreError> {
        self.storage().read(move |store| Ok(answer(&store.account_settings(user)?))).await
    }

    /// Changes the settings that are named.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn change_settings(
        &self,
        who: &Authenticated,
        ask: ChangeSettings,
    ) -> Result<SettingsAnswer, Refusal> {
        let (user, now_ms) = (who.user(), self.now_ms());
        let job = self.storage().write(move |store| {
            let before = store.account_settings(user)?;
            let after = changed(before, &ask.settings, now_ms);
            let untold =
                if after == before { Vec::new() } else { store.put_account_settings(user, &after)? };
            Ok((after, after != before, untold))
        });
        let (after, is_news, untold) = job.await.map_err(WriteError::refusal)?;
        untold.into_iter().for_each(|room| self.live().receipts_changed(user, room));
        if is_news {
            self.live().settings_changed(user);
        }
        Ok(answer(&after))
    }

    /// An account is there, or just was. Held back under load, like everything that only says so.
    pub async fn seen(&self, user: UserId) {
        if self.load().is_high() {
            return self.load().hold_back();
        }
        if let Err(error) = self.note_seen(user).await {
            debug!(%error, "when somebody was last seen is not kept");
        }
    }

    async fn note_seen(&self, user: UserId) -> Result<(), WriteError> {
        let seen_ms = Some(coarse(self.now_ms()));
        let is_due = move |row: &AccountSettings| row.last_seen && row.seen_ms != seen_ms;
        if !self.storage().read(move |store| Ok(is_due(&store.account_settings(user)?))).await? {
            return Ok(());
        }
        let job = self.storage().write(move |store| {
            // It may have been switched off meanwhile.
            let row = store.account_settings(user)?;
            if is_due(&row) {
                store.put_account_settings(user, &AccountSettings { seen_ms, ..row })?;
            }
            Ok(())
        });
        job.await
    }
}

fn changed(before: AccountSettings, wanted: &Settings, now_ms: u64) -> AccountSettings {
    let receipts = wanted.receipts.unwrap_or(before.receipts);
    let last_seen = wanted.last_seen.unwrap_or(before.last_seen);
    let seen_ms = before.seen_ms.or(Some(coarse(now_ms))).filter(|_| last_seen);
    AccountSettings { receipts, last_seen, seen_ms }
}

fn coarse(now_ms: u64) -> u64 {
    now_ms - now_ms % LAST_SEEN_GRAIN_MS
}

fn answer(row: &AccountSettings) -> SettingsAnswer {
    SettingsAnswer { settings: Settings { receipts: Some(row.receipts), last_seen: Some(row.last_seen) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_changes_and_what_is_off_forgets() {
        let now_ms = 7 * LAST_SEEN_GRAIN_MS + 1;
        let set = |receipts, last_seen| Settings { receipts, last_seen };
        let first = changed(AccountSettings::default(), &set(Some(true), None), now_ms);
        assert_eq!(first, AccountSettings { receipts: true, ..AccountSettings::default() });
        let second = changed(first, &set(None, Some(true)), now_ms);
        let seen_ms = Some(7 * LAST_SEEN_GRAIN_MS);
        assert_eq!(second, AccountSettings { receipts: true, last_seen: true, seen_ms });
        assert_eq!(changed(second, &set(None, Some(false)), now_ms), first);
        assert_eq!(changed(second, &set(None, None), now_ms + LAST_SEEN_GRAIN_MS), second);
    }
}
