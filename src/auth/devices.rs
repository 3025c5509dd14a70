//! Devices: listed, and shut out. Closing a revoked device's connections is the transport's part.

use std::cmp::Reverse;

use quipu_protocol::request::{DeviceInfo, Devices};
use quipu_protocol::{Code, DeviceId, List, Refusal};

use super::accounts::in_use;
use super::{Auth, Authenticated};
use crate::store::{DeviceRow, Reads, WriteError};

impl Auth {
    /// The asker's devices, those in use first, then what was revoked last; `online` tells which of them have a
    /// connection.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn devices(
        &self,
        who: &Authenticated,
        online: impl Fn(DeviceId) -> bool,
    ) -> Result<Devices, Refusal> {
        let user = who.user();
        let rows = self.storage.read(move |store| store.devices(user)).await;
        let mut rows = rows.map_err(|error| error.refusal())?;
        // The answer has a bound, what was ever revoked has none.
        rows.sort_by_key(|row| Reverse(row.revoked_ms.unwrap_or(u64::MAX)));
        let info = |row: DeviceRow| DeviceInfo {
            device: row.device,
            name: row.name,
            created_ms: row.created_ms,
            seen_ms: row.seen_ms,
            online: online(row.device),
            revoked_ms: row.revoked_ms,
        };
        Ok(Devices { devices: List::first(rows.into_iter().map(info).collect()) })
    }

    /// Shuts a device of the asker's account out, durably, and ends what it has made to let somebody in: its invites, and
    /// all that are for further devices. Doing it again is harmless.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when the device is not the asker's.
    pub async fn revoke_device(&self, who: &Authenticated, device: DeviceId) -> Result<(), Refusal> {
        let (user, now_ms) = (who.user(), self.now_ms());
        let job = self.storage.write(move |store| {
            let row = store.device(device)?.filter(|row| row.user == user);
            let row = row.ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
            let revoked_ms = row.revoked_ms.or(Some(now_ms));
            store.put_device(&DeviceRow { revoked_ms, ..row })?;
            Ok(store.revoke_invites_of_device(user, device, now_ms)?)
        });
        job.await.map_err(WriteError::refusal)
    }

    /// What somebody is by now. A store that cannot answer neither changes anybody nor shuts them out.
    pub async fn standing(&self, who: &Authenticated) -> Standing {
        let who = who.clone();
        let question = move |store: &dyn Reads| {
            // One that is not there went with its account.
            let device = store.device(who.device())?.filter(|row| row.revoked_ms.is_none());
            let (Some(_), Some(user)) = (device, in_use(store, who.user())?) else {
                return Ok(Standing::Out);
            };
            let now = Authenticated::of(user, who.device(), store.bot(who.user())?);
            Ok(if now == who { Standing::Same } else { Standing::Changed })
        };
        self.storage.read(question).await.unwrap_or(Standing::Same)
    }
}

/// What somebody is who was authenticated a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The same.
    Same,
    /// Somebody with another role, or held to something else.
    Changed,
    /// Nobody to be served: the device was shut out, or its account was.
    Out,
}
