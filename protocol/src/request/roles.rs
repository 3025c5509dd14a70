//! Numbers that say who may do what: visibility, membership, roles. By number, so that a new one breaks nobody.

use serde::{Deserialize, Serialize};

numbered! {
    /// Who may see a room.
    Visibility {
        /// Everybody on the server, who may also join.
        PUBLIC = 0, "public";
        /// Members and those invited.
        PRIVATE = 1, "private";
        /// Exactly two people, for ever.
        DIRECT = 2, "direct";
    }
    /// How an account stands to a room.
    MembershipState {
        /// Not at all.
        NONE = 0, "none";
        /// May join.
        INVITED = 1, "invited";
        /// Is a member.
        JOINED = 2, "joined";
    }
    /// What a member may do in a room. Larger includes smaller.
    RoomRole {
        /// Read.
        READER = 0, "reader";
        /// Also write, and invite others.
        MEMBER = 10, "member";
        /// Also remove members.
        MODERATOR = 50, "moderator";
        /// Everything.
        OWNER = 100, "owner";
    }
    /// What somebody is denied in a room.
    Sanction {
        /// To be there: not as a member, not invited, not by a link.
        BAN = 1, "ban";
        /// To be heard: to send, to react, to upload.
        MUTE = 2, "mute";
    }
    /// What an account may do on the server. Larger includes smaller.
    ServerRole {
        /// Join what they are invited to.
        GUEST = 0, "guest";
        /// As a member, marked as a program.
        BOT = 5, "bot";
        /// Also join public rooms, create rooms.
        MEMBER = 10, "member";
        /// Also invite people to the server.
        ADMIN = 50, "admin";
        /// Everything.
        OWNER = 100, "owner";
    }
}
