//! Settings of an account, shared by its devices.

use crate::wire::wire_map;

wire_map! {
    /// Settings: all of them in an answer, those to change in a question. New ones get new keys.
    #[derive(Default)]
    pub struct Settings {
        required {}
        optional {
            /// Tell others how far this account has read, and be told the same of those who tell it too. Off at first.
            1 => receipts: bool,
            /// Tell those of small common rooms when the account was last there. Off at first.
            2 => last_seen: bool,
        }
    }
}

wire_map! {
    /// Which settings has the account?
    pub struct ShowSettings {
        required {}
        optional {}
    }
}

wire_map! {
    /// Change those settings that are named.
    pub struct ChangeSettings {
        required {
            /// Their new values.
            1 => settings: Settings,
        }
        optional {}
    }
}

wire_map! {
    /// Answers [`ShowSettings`] and [`ChangeSettings`].
    pub struct SettingsAnswer {
        required {
            /// All settings as they are now.
            1 => settings: Settings,
        }
        optional {}
    }
}
