//! Webhooks as a way to be somebody: whoever knows a secret speaks as a bot, into one room.
//!
//! Here the secret is the whole proof, so all it opens is saying something, in one room, as an account that may do
//! no more. Of a secret only its hash is kept.

use quipu_protocol::token::sha256;
use quipu_protocol::{DeviceId, HookId};

use super::{Auth, Authenticated};
use crate::store::{HookRow, StoreError};

impl Auth {
    /// The webhook of this secret, and the bot it speaks as; none when it is nobody's. The entries it makes name the
    /// webhook as their device.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn hook(&self, secret: [u8; 16]) -> Result<Option<(HookRow, Authenticated)>, StoreError> {
        let hash = sha256(&secret);
        let question = self.storage.read(move |store| {
            let Some(hook) = store.hook_by_hash(&hash)? else { return Ok(None) };
            let (user, bot) = (store.user(hook.bot)?, store.bot(hook.bot)?);
            let device = DeviceId::from_bytes(*hook.hook.as_bytes());
            Ok(user.map(|user| (hook, Authenticated::of(user, device, bot))))
        });
        question.await
    }

    /// A webhook's id and its secret, which nobody has seen before.
    pub fn new_hook(&self) -> (HookId, [u8; 16]) {
        (HookId::from_bytes(self.random()), self.random())
    }
}
