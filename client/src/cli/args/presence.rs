//! The words of being there: `away` and `settings`.

use clap::Args;

use super::Switch;

#[derive(Debug, Args)]
pub(crate) struct Away {
    /// What you say about it
    #[arg(value_name = "TEXT")]
    pub(crate) text: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Tell others how far you have read, and be told it by those who tell it too
    #[arg(long, value_enum, value_name = "on|off")]
    pub(crate) receipts: Option<Switch>,
    /// Tell people in your small rooms when you were last there
    #[arg(long, value_enum, value_name = "on|off")]
    pub(crate) last_seen: Option<Switch>,
}
