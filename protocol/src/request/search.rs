//! Search: messages by what they say, newest first, in rooms the asker may read now.

use crate::id::{Cursor, RoomId, Seq, UserId};
use crate::limits::{
    HITS_MAX, IGNORED_MAX, ROWS_MAX, SEARCH_BYTES_MAX, SEARCH_ROOMS_MAX, SNIPPET_BYTES_MAX,
    SNIPPET_MATCHES_MAX,
};
use crate::wire::{List, Text, wire_array, wire_map};

wire_map! {
    /// Which messages say this? All conditions hold together.
    pub struct Search {
        required {
            /// Words, "phrases", -words that must not be there, beginnings*. May be empty when there is an author or
            /// a file is asked for.
            1 => words: Text<SEARCH_BYTES_MAX>,
            /// How many at most; the server may give fewer.
            2 => limit: u64,
        }
        optional {
            /// In these rooms; left out: in all the asker has joined.
            3 => rooms: List<RoomId, SEARCH_ROOMS_MAX>,
            /// By this author.
            4 => author: UserId,
            /// Not before this time, unix milliseconds.
            5 => since_ms: u64,
            /// Before this time, unix milliseconds.
            6 => until_ms: u64,
            /// True: with a file.
            7 => has_file: bool,
            /// Go on behind this place: [`Found::next`] of the answer before.
            8 => after: SearchPlace,
        }
    }
}

impl Search {
    /// A question for these words alone, everywhere and at any time.
    pub fn for_words(words: Text<SEARCH_BYTES_MAX>) -> Self {
        Self {
            words,
            limit: HITS_MAX as u64,
            rooms: None,
            author: None,
            since_ms: None,
            until_ms: None,
            has_file: None,
            after: None,
        }
    }
}

wire_array! {
    /// A place in all that a search goes through: newest first; at equal times by room and position, largest first.
    pub struct SearchPlace {
        /// Time of the entry there, unix milliseconds.
        at_ms: u64,
        /// Its room.
        room: RoomId,
        /// Its position.
        seq: Seq,
    }
}

wire_map! {
    /// Answers a [`Search`].
    pub struct Found {
        required {
            /// Messages, newest first.
            1 => hits: List<Hit, HITS_MAX>,
            /// What of the words could not be looked up: no letter or digit in it, too short for a beginning, or too
            /// many.
            2 => ignored: List<Text<SEARCH_BYTES_MAX>, IGNORED_MAX>,
            /// Rooms that were searched in part, because the server has not gone through all of them yet.
            3 => partial: List<PartialRoom, ROWS_MAX>,
        }
        optional {
            /// There may be more behind this place: the page is full, or one search goes no further. Left out:
            /// everything was searched.
            4 => next: SearchPlace,
        }
    }
}

wire_map! {
    /// A message that was found, and the part of it that shows why.
    pub struct Hit {
        required {
            /// Its room.
            1 => room: RoomId,
            /// Its place there.
            2 => at: Cursor,
            /// When the server took it, unix milliseconds.
            3 => at_ms: u64,
            /// A part of its text, or of a file's name.
            4 => text: Text<SNIPPET_BYTES_MAX>,
            /// Which bytes of that part match, in order.
            5 => matches: List<Match, SNIPPET_MATCHES_MAX>,
            /// There is text before the part.
            6 => more_before: bool,
            /// There is text after it.
            7 => more_after: bool,
        }
        optional {
            /// Who wrote it.
            8 => user: UserId,
        }
    }
}

wire_array! {
    /// Bytes of a text.
    pub struct Match {
        /// The first.
        start: u64,
        /// One behind the last.
        end: u64,
    }
}

wire_array! {
    /// A room whose older entries are not searched yet.
    pub struct PartialRoom {
        /// The room.
        room: RoomId,
        /// Entries before this one were not searched.
        since: Seq,
    }
}
