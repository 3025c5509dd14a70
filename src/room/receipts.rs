//! Receipts: how far others have read, of those who tell it, to those who tell it too.
//!
//! A receipt is beside the marker: it is written when a marker moves, and never goes back. It is kept only of those who
//! have switched receipts on, and told in rooms of few members.

use quipu_protocol::inbox::Receipts;
use quipu_protocol::request::{ListReceipts, Receipt, ReceiptList};
use quipu_protocol::{Code, List, Refusal, RoomId, Seq};

use super::chat::Rooms;
use super::footing::readable;
use crate::auth::Authenticated;
use crate::limits::RECEIPTS_MEMBERS_MAX;
use crate::store::{Reads, RoomRow, StoreError, Writes};

impl Rooms {
    /// How far others have read in a room.
    ///
    /// # Errors
    /// As for reading the room; [`Code::FORBIDDEN`] to whoever does not tell it themselves, [`Code::CONFLICT`] in a
    /// room that is too large.
    pub async fn receipts(&self, who: &Authenticated, ask: ListReceipts) -> Result<ReceiptList, Refusal> {
        let who = who.clone();
        let question = self.storage().read(move |store| rows(store, &who, ask.room));
        let rows = question.await.map_err(|error| error.refusal())??;
        Ok(ReceiptList { rows: List::first(rows) })
    }

    /// The same for INBOX: nothing for those who may not know.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn told_receipts(
        &self,
        who: &Authenticated,
        room: RoomId,
    ) -> Result<Option<Receipts>, StoreError> {
        let who = who.clone();
        let rows = self.storage().read(move |store| rows(store, &who, room)).await?;
        Ok(rows.ok().map(|rows| Receipts { room, rows: List::first(rows) }))
    }
}

fn rows(
    store: &dyn Reads,
    who: &Authenticated,
    room: RoomId,
) -> Result<Result<Vec<Receipt>, Refusal>, StoreError> {
    let row = match readable(store, who, room)? {
        Ok((row, _)) => row,
        Err(no) => return Ok(Err(no)),
    };
    if row.members > RECEIPTS_MEMBERS_MAX {
        let why = format!("rooms of more than {RECEIPTS_MEMBERS_MAX} members have no receipts");
        return Ok(Err(Refusal::because(Code::CONFLICT, why)));
    }
    if !store.account_settings(who.user())?.receipts {
        let why = "only who tells how far they have read is told it of others";
        return Ok(Err(Refusal::because(Code::FORBIDDEN, why)));
    }
    let others = store.receipts(room, RECEIPTS_MEMBERS_MAX as usize)?.into_iter();
    let others = others.filter(|(user, _)| *user != who.user());
    Ok(Ok(others.map(|(user, seq)| Receipt { user, seq }).collect()))
}

/// A member has marked everything up to `seq` as read. Whether others may be told.
pub(super) fn reached(
    store: &mut dyn Writes,
    room: &RoomRow,
    who: &Authenticated,
    seq: Seq,
) -> Result<bool, StoreError> {
    let is_told = room.members <= RECEIPTS_MEMBERS_MAX && store.account_settings(who.user())?.receipts;
    Ok(is_told && store.put_receipt(room.room, who.user(), seq)?)
}
