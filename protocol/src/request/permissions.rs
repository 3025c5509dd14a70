//! Permissions: what somebody may do in a room, bit by bit, and what a room's settings forbid everybody.

use serde::{Deserialize, Serialize};

use crate::wire::{wire_array, wire_map};

macro_rules! permissions {
    ($($(#[$meta:meta])* $name:ident = $bit:literal, $word:literal;)+) => {
        impl Permissions {
            $($(#[$meta])* pub const $name: Self = Self(1 << $bit);)+
            /// All there are in this version.
            pub const ALL: Self = Self($(1 << $bit)|+);
            /// Each of them with its name.
            pub const NAMES: &[(Self, &str)] = &[$((Self::$name, $word),)+];
        }
    };
}

/// A set of things one may do in a room. Bits without a name are kept, and mean nothing to this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permissions(pub u64);

permissions! {
    /// Read the log.
    READ = 0, "read";
    /// Say something: what makes the room unread for others.
    SEND = 1, "send";
    /// React to what others say.
    REACT = 2, "react";
    /// Attach files.
    UPLOAD = 3, "upload";
    /// Pin messages.
    PIN = 4, "pin";
    /// Let others in.
    INVITE = 5, "invite";
    /// Send others out: kick, ban, mute.
    KICK = 6, "kick";
    /// Redact what others said.
    REDACT_ANY = 7, "redact-any";
    /// Call everybody in the room.
    MENTION_ROOM = 8, "mention-room";
    /// Change name, topic, settings and retention.
    MANAGE_ROOM = 9, "manage-room";
    /// Change what others may do, never beyond what one may oneself.
    MANAGE_ROLES = 10, "manage-roles";
}

impl Permissions {
    /// Whatever there is or will be: who is held back from nothing.
    pub const ANYTHING: Self = Self(u64::MAX);
    /// Nothing at all.
    pub const NONE: Self = Self(0);

    /// Whether all of `others` are in it.
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// What is in either.
    #[must_use]
    pub const fn or(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// What is in this and not in `others`.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// The names of those this version knows.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().filter(move |(one, _)| self.has(*one)).map(|(_, name)| *name)
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(one, _)| *one)
    }
}

wire_map! {
    /// Settings of a room. In a question or an entry those that change; what is left out stays.
    #[derive(Default)]
    pub struct RoomSettings {
        required {}
        optional {
            /// Only moderators speak, and members with explicit permissions.
            1 => read_only: bool,
            /// Nobody enters who was not invited, also where everybody sees the room.
            2 => invite_only: bool,
            /// Least time between two messages of one member, milliseconds; 0 for none.
            3 => slow_ms: u64,
        }
    }
}

wire_array! {
    /// That somebody may not be heard.
    #[derive(Copy)]
    pub struct Muted {
        /// Until when, unix milliseconds; none: until it is lifted.
        until_ms: Option<u64>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_given_back() {
        for (one, name) in Permissions::NAMES {
            assert_eq!(Permissions::named(name), Some(*one));
            assert!(Permissions::ALL.has(*one) && one.names().eq([*name]));
        }
        assert_eq!(Permissions::named("fly"), None);
        assert_eq!(Permissions(1 << 63).names().count(), 0);
    }

    #[test]
    fn sets_are_taken_apart_and_put_together() {
        let (read, send) = (Permissions::READ, Permissions::SEND);
        let both = read.or(send);
        assert!(both.has(read) && both.has(send) && both.has(both) && !read.has(both));
        assert_eq!((both.without(send), both.and(send), read.and(send)), (read, send, Permissions::NONE));
        assert!(both.has(Permissions::NONE));
    }
}
