//! What every store does alike: how an entry is made, and how a member stands to a log.

use quipu_protocol::request::{MembershipState, Notify};
use quipu_protocol::{Entry, Ext, FrameDecoder, Nickname, Seq, UserId, cbor};
use ring::digest::{Context, SHA256};

use super::{MemberRow, MemberState, NewEntry, StoreError};

/// The entry at this place. Conditions have done their work and are left out.
pub(super) fn entry(new: &NewEntry, seq: Seq, at_ms: u64) -> Entry {
    Entry {
        seq,
        at_ms,
        user: new.author.map(|(user, _)| user),
        device: new.author.map(|(_, device)| device),
        message: new.message,
        kind: new.kind,
        body: new.body.clone(),
        ext: lasting(&new.ext),
    }
}

/// An entry from its stored frame.
pub(crate) fn decoded(frame: &[u8]) -> Result<Entry, StoreError> {
    let mut decoder = FrameDecoder::default();
    decoder.feed(frame);
    let entry = decoder.next_frame().ok().flatten().and_then(|frame| frame.decode().ok());
    entry.ok_or_else(|| StoreError::Damaged(format!("{} bytes of a log are no entry", frame.len())))
}

/// What a deleted account is called: nobody else can be called so.
pub fn deleted_nickname(user: UserId) -> Nickname {
    let id = user.to_string();
    format!("{DELETED_PREFIX}{}", &id[..16]).parse().expect("letters, digits and a hyphen, 24 of them")
}

/// How nicknames of deleted accounts begin, and no others.
pub const DELETED_PREFIX: &str = "deleted-";

/// SHA-256 of what a message says: a retry has the same, another message under the same id has not.
pub(super) fn content_hash(new: &NewEntry) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(&new.kind.0.to_be_bytes());
    context.update(&(new.body.len() as u64).to_be_bytes());
    context.update(&new.body);
    context.update(&cbor::encode(&lasting(&new.ext)));
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

fn lasting(ext: &Ext) -> Ext {
    Ext { if_head: None, if_epoch: None, ..ext.clone() }
}

/// A membership with what makes its unread count exact. A log counts its countable entries as it grows; a member
/// remembers that count at the marker, and how many of the entries after it are their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) row: MemberRow,
    /// Countable entries up to the marker.
    pub(super) marker_nth: u64,
    /// Countable entries after the marker that the member wrote.
    pub(super) own_after: u64,
}

impl Standing {
    pub(super) fn is_joined(&self) -> bool {
        self.row.state.membership == MembershipState::JOINED
    }

    /// The standing after a change to `state`, in a log with this head and this many countable entries. Who comes
    /// in has read everything; who stays keeps their marker.
    pub(super) fn changed(before: Option<&Self>, state: MemberState, head: Seq, countable: u64) -> Self {
        if state.membership != MembershipState::JOINED {
            return Self::at(state, Seq::ZERO, 0);
        }
        match before {
            Some(before) if before.is_joined() => Self { row: MemberRow { state, ..before.row }, ..*before },
            _ => Self::at(state, head, countable),
        }
    }

    fn at(state: MemberState, marker: Seq, marker_nth: u64) -> Self {
        let row = MemberRow { state, marker, reached: marker, notify: Notify::ALL };
        Self { row, marker_nth, own_after: 0 }
    }

    /// Countable entries after the marker that others wrote, those among them that were erased included.
    pub(super) fn unread(&self, countable: u64) -> u64 {
        countable.saturating_sub(self.marker_nth).saturating_sub(self.own_after)
    }
}
