//! The names and addresses a server is reached under.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::ServerName;
use thiserror::Error;

/// A DNS name or an IP address, without a port: `chat.example.org`, `192.0.2.7`, `2001:db8::7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

impl Host {
    /// The name as it stands in a certificate and in an invite.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, as TLS asks for it.
    pub(crate) fn server_name(&self) -> ServerName<'static> {
        ServerName::try_from(self.0.clone()).expect("a host is parsed by this very conversion")
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        // A wildcard would put a certificate for names nobody listed into the world.
        match ServerName::try_from(text) {
            Ok(_) if !text.contains('*') => Ok(Self(text.to_ascii_lowercase())),
            _ => Err(HostError { text: text.chars().take(HOST_SHOWN_CHARS_MAX).collect() }),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is neither a DNS name nor an IP address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is not a host name or IP address (no port, no scheme, no wildcard)")]
pub struct HostError {
    text: String,
}

const HOST_SHOWN_CHARS_MAX: usize = 64; // Enough to recognise a mistake in a message.

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_hosts() {
        for text in ["localhost", "chat.example.org", "192.0.2.7", "2001:db8::7"] {
            assert_eq!(text.parse::<Host>().unwrap().as_str(), text);
        }
        assert_eq!("Chat.Example.ORG".parse::<Host>().unwrap().as_str(), "chat.example.org");
    }

    #[test]
    fn ports_schemes_wildcards_and_blanks_are_not() {
        for text in ["", "chat:4433", "quipu://chat", "*.example.org", "a b", "[::1]", "-x-.", "a..b"] {
            assert!(text.parse::<Host>().is_err(), "{text}");
        }
    }
}
