//! Being there: presence, typing, receipts, and the settings that say who may know.

use quipu_protocol::datagram::Typing;
use quipu_protocol::frame::Message as _;
use quipu_protocol::inbox::PresenceState;
use quipu_protocol::limits::TYPING_TTL_MS;
use quipu_protocol::request::{
    ChangeSettings, ListReceipts, PresenceSet, Receipt, ReceiptList, SetPresence, Settings, SettingsAnswer,
    ShowSettings,
};
use quipu_protocol::{AwayText, RoomId};

use super::Client;
use crate::error::Error;

/// How somebody is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// At the device.
    Online,
    /// Nobody has touched the device for a while.
    Idle,
    /// Elsewhere, and what they say about it.
    Away(Option<AwayText>),
}

impl Presence {
    fn asked(self, everywhere: bool) -> SetPresence {
        let (state, text) = match self {
            Self::Online => (PresenceState::ONLINE, None),
            Self::Idle => (PresenceState::IDLE, None),
            Self::Away(text) => (PresenceState::AWAY, text),
        };
        SetPresence { state, text, everywhere: everywhere.then_some(true) }
    }
}

impl Client {
    /// Says how this device is there; said again on every new connection, until something else is said. The account is
    /// as present as the most present of its devices. Gives how many connections it has.
    ///
    /// # Errors
    /// A refusal when it is said too often, or why there is no connection.
    pub async fn appear(&self, presence: Presence) -> Result<u64, Error> {
        let question = presence.asked(false);
        let answer: PresenceSet = self.ask(&question).await?;
        self.core().appears(question);
        Ok(answer.connections)
    }

    /// Says it of all devices that are connected now. Gives how many connections the account has, this one included.
    ///
    /// # Errors
    /// As [`Client::appear`].
    pub async fn appear_everywhere(&self, presence: Presence) -> Result<u64, Error> {
        let answer: PresenceSet = self.ask(&presence.clone().asked(true)).await?;
        self.core().appears(presence.asked(false));
        Ok(answer.connections)
    }

    /// Tells an open room that this person is typing: call it at every key, it is sent as often as it needs. Best
    /// effort: nothing is sent when there is no connection.
    pub fn typing(&self, room: RoomId) {
        let Some(link) = self.core().link.borrow().clone() else { return };
        if self.core().types(room) {
            let typing = Typing { room, user: None, ttl_ms: TYPING_TTL_MS };
            // A lost one does no harm.
            let _ = link.connection.send_datagram(typing.to_frame());
        }
    }

    /// Settings of this account.
    ///
    /// # Errors
    /// A refusal, or why there is no connection; the same for those below.
    pub async fn settings(&self) -> Result<Settings, Error> {
        Ok(self.ask::<_, SettingsAnswer>(&ShowSettings {}).await?.settings)
    }

    /// Changes the settings that are named; gives all of them.
    pub async fn change_settings(&self, settings: Settings) -> Result<Settings, Error> {
        Ok(self.ask::<_, SettingsAnswer>(&ChangeSettings { settings }).await?.settings)
    }

    /// How far others have read in a room. While it is open, changes come as [`crate::Event::Receipts`].
    pub async fn receipts(&self, room: RoomId) -> Result<Vec<Receipt>, Error> {
        Ok(self.ask::<_, ReceiptList>(&ListReceipts { room }).await?.rows.into_vec())
    }
}
