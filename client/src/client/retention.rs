//! How long things stay, and their end: what a room keeps, rooms and accounts that go, and what is kept of an account.

use quipu_protocol::limits::ROOM_NAME_BYTES_MAX;
use quipu_protocol::request::{
    DeleteAccount, DeleteRoom, ExportAccount, ExportRecord, Reason, Retention, RoomInfo, SetRetention,
};
use quipu_protocol::{Code, Nickname, RoomId, Text, UserId};

use super::Client;
use crate::error::{Error, ErrorCode};
use crate::session::request::Link;
use crate::store::vanishing;

impl Client {
    /// What time it is for the server, unix milliseconds, as far as this machine can tell: times at which messages vanish
    /// are the server's.
    ///
    /// # Errors
    /// [`ErrorCode::Storage`].
    pub async fn server_time_ms(&self) -> Result<u64, Error> {
        let local_ms = self.core().now_ms();
        self.core().store.run(move |db| vanishing::clock_ms(db, local_ms)).await
    }

    /// Changes what a room keeps. What is left out stays as it is; 0 takes the room's own word back.
    ///
    /// # Errors
    /// A refusal, or why there is no connection; the same for all below.
    pub async fn set_retention(
        &self,
        room: RoomId,
        retention: Retention,
        reason: Option<Reason>,
    ) -> Result<RoomInfo, Error> {
        self.room(&SetRetention { room, retention, reason }).await
    }

    /// Deletes a room for good, here as well. `confirm` is its name, or its id if it has none. One that is deleted
    /// already is no error.
    pub async fn delete_room(
        &self,
        room: RoomId,
        confirm: Text<ROOM_NAME_BYTES_MAX>,
        reason: Option<Reason>,
    ) -> Result<(), Error> {
        match self.done(&DeleteRoom { room, confirm, reason }).await {
            Err(error) if error.code != ErrorCode::Refused(Code::GONE) => Err(error),
            _ => self.core().store.run(move |db| vanishing::forget_room(db, room)).await,
        }
    }

    /// Deletes an account for good, one's own or as an admin another's; with `erase`, also everything it wrote. `confirm` is
    /// its nickname. After one's own this client is shut out.
    pub async fn delete_account(
        &self,
        user: UserId,
        confirm: Nickname,
        erase: bool,
        reason: Option<Reason>,
    ) -> Result<(), Error> {
        self.done(&DeleteAccount { user, confirm, erase: erase.then_some(true), reason }).await
    }

    /// Everything the server keeps of this account, one record after the other; gives how many. It ends with the first
    /// error of `take`.
    pub async fn export(
        &self,
        mut take: impl FnMut(ExportRecord) -> Result<(), Error> + Send,
    ) -> Result<u64, Error> {
        let patience = self.core().config.patience;
        let (mut count, mut question) = (0, ExportAccount { after: None });
        loop {
            let asked = &question;
            let ask = |link: Link| async move { link.exported(asked, patience).await };
            let (page, records) = self.core().ask(patience, ask).await?;
            count += records.len() as u64;
            records.into_iter().try_for_each(&mut take)?;
            match page.next {
                None => return Ok(count),
                // A place that does not move would be asked for for ever.
                next if next == question.after => {
                    return Err(Error::never(ErrorCode::Protocol, "the server's export does not go on"));
                }
                next => question = ExportAccount { after: next },
            }
        }
    }
}
