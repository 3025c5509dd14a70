//! How the connection stands, and what the platform may tell about it.

use std::net::SocketAddr;

use crate::error::Error;

/// How the connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnState {
    /// Not started, or stopped by the program.
    Idle,
    /// Dialling and authenticating.
    Connecting {
        /// Which attempt since there last was a connection, from 1.
        attempt: u32,
    },
    /// Authenticated.
    Online {
        /// The server's address.
        remote: SocketAddr,
    },
    /// The last attempt failed or the connection broke; there will be another.
    Waiting {
        /// Attempts that failed since there last was a connection.
        attempt: u32,
        /// How long until the next, in milliseconds.
        retry_ms: u64,
        /// What happened.
        why: Error,
    },
    /// Trying again is pointless until a person does something.
    Stopped {
        /// What happened.
        why: Error,
    },
}

impl ConnState {
    /// Whether requests can be made now.
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Online { .. })
    }
}

/// What the platform says about the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Another interface or address: the connection moves along.
    Changed,
    /// There is none.
    Lost,
    /// There is one again.
    Back,
    /// No idea: look for yourself.
    Unknown,
}

/// What the platform says about the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppState {
    /// A person looks at it.
    Foreground,
    /// Nobody looks; it still runs.
    Background,
    /// It is about to be frozen.
    Suspending,
}
