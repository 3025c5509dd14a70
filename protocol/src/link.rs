//! The invite link: everything a newcomer needs, in one line that survives copying and a QR code.
//!
//! ```text
//!   quipu://chat.example.org:4433/#<base64url( version 1 · pin 32 · secret 16 · expiry 4 · check 2 )>
//! ```
//!
//! The secret stands behind `#`, which no web server is ever sent. The check bytes tell a damaged link from a
//! wrong one before anything is dialled.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::PORT;
use crate::token::sha256;

const SCHEME: &str = "quipu://";
const VERSION: u8 = 1;
const BLOB_BYTES: usize = 1 + 32 + 16 + 4 + 2;
/// Longest host in a link, in bytes (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// An invite as it is handed from person to person. Its secret is shown by `to_string` alone.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteLink {
    /// Name or address of the server, without brackets.
    pub host: String,
    /// UDP port.
    pub port: u16,
    /// SHA-256 of the server identity's public key (SubjectPublicKeyInfo).
    pub pin: [u8; 32],
    /// The one-time secret.
    pub secret: [u8; 16],
    /// When it ends, unix seconds.
    pub expires_s: u32,
}

/// A string that is no invite link, and what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Another scheme or none.
    #[error("an invite link begins with quipu://")]
    Scheme,
    /// No host, or an impossible one.
    #[error("the link names no valid host and port")]
    Host,
    /// No `#` and what follows it.
    #[error("the link has lost its part after the #")]
    Fragment,
    /// The part after the `#` is cut short, mistyped or from elsewhere.
    #[error("the link is damaged: its check bytes do not fit; copy it again")]
    Damaged,
    /// A later kind of link.
    #[error("the link is of version {0}, which this program does not know; update it")]
    Version(u8),
}

impl InviteLink {
    /// `host:port`, with brackets around an IPv6 address.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn blob(&self) -> [u8; BLOB_BYTES] {
        let mut blob = [0; BLOB_BYTES];
        blob[0] = VERSION;
        blob[1..33].copy_from_slice(&self.pin);
        blob[33..49].copy_from_slice(&self.secret);
        blob[49..53].copy_from_slice(&self.expires_s.to_be_bytes());
        let check = check(&self.authority(), &blob[..53]);
        blob[53..].copy_from_slice(&check);
        blob
    }
}

/// Two bytes over host, port and contents: a link whose host was mangled is damaged too.
fn check(authority: &str, blob: &[u8]) -> [u8; 2] {
    let hash = sha256(&[authority.as_bytes(), b"#", blob].concat());
    [hash[0], hash[1]]
}

impl fmt::Display for InviteLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/#{}", self.authority(), URL_SAFE_NO_PAD.encode(self.blob()))
    }
}

/// Without the secret.
impl fmt::Debug for InviteLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InviteLink({})", self.authority())
    }
}

impl FromStr for InviteLink {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        let text = text.trim();
        let scheme = text.get(..SCHEME.len()).ok_or(LinkError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(LinkError::Scheme);
        }
        let (authority, fragment) = text[SCHEME.len()..].split_once('#').ok_or(LinkError::Fragment)?;
        let (host, port) = host_and_port(authority.trim_end_matches('/'))?;
        let blob = URL_SAFE_NO_PAD.decode(fragment).map_err(|_| LinkError::Damaged)?;
        match blob.first() {
            Some(&VERSION) => {}
            Some(&version) if blob.len() > BLOB_BYTES => return Err(LinkError::Version(version)),
            _ => return Err(LinkError::Damaged),
        }
        let blob: [u8; BLOB_BYTES] = blob.try_into().map_err(|_| LinkError::Damaged)?;
        let [.., c1, c2, c3, c4, _, _] = blob;
        let (mut pin, mut secret) = ([0; 32], [0; 16]);
        pin.copy_from_slice(&blob[1..33]);
        secret.copy_from_slice(&blob[33..49]);
        let link = Self { host, port, pin, secret, expires_s: u32::from_be_bytes([c1, c2, c3, c4]) };
        if link.blob() == blob { Ok(link) } else { Err(LinkError::Damaged) }
    }
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`; the port defaults to [`PORT`].
///
/// # Errors
/// [`LinkError::Host`].
pub fn host_and_port(authority: &str) -> Result<(String, u16), LinkError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(LinkError::Host)?;
            host.parse::<core::net::Ipv6Addr>().map_err(|_| LinkError::Host)?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some("")).ok_or(LinkError::Host)?)
        }
        None => authority.rsplit_once(':').unwrap_or((authority, "")),
    };
    let plain = |char: char| char.is_ascii_alphanumeric() || "-._:".contains(char);
    if host.is_empty() || host.len() > HOST_BYTES_MAX || !host.chars().all(plain) {
        return Err(LinkError::Host);
    }
    let port = if port.is_empty() { PORT } else { port.parse().map_err(|_| LinkError::Host)? };
    if port == 0 { Err(LinkError::Host) } else { Ok((host.to_ascii_lowercase(), port)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(host: &str) -> InviteLink {
        InviteLink { host: host.into(), port: 4433, pin: [7; 32], secret: [9; 16], expires_s: 1_800_000_000 }
    }

    #[test]
    fn a_link_reads_what_it_prints() {
        for host in ["chat.example.org", "127.0.0.1", "::1", "localhost"] {
            let text = link(host).to_string();
            assert_eq!(text.parse(), Ok(link(host)), "{text}");
        }
        assert!(link("chat.example.org").to_string().len() <= 106, "a QR code of version 5 holds 106 bytes");
    }

    #[test]
    fn every_single_change_is_noticed() {
        let text = link("chat.example.org").to_string();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(changed).unwrap();
            // Two check bytes: one change in 65,536 may pass, none of these does.
            assert!(changed.parse::<InviteLink>().is_err(), "{changed}");
            assert!(text[..at].parse::<InviteLink>().is_err());
        }
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        let text = link("chat.example.org").to_string();
        let error = |text: &str| text.parse::<InviteLink>().unwrap_err();
        assert_eq!(error("https://example.org"), LinkError::Scheme);
        assert_eq!(error("quipu://chat.example.org:4433/"), LinkError::Fragment);
        assert_eq!(error("quipu:///#AQ"), LinkError::Host);
        assert_eq!(error(&text[..text.len() - 1]), LinkError::Damaged);
        assert_eq!(error(&format!("quipu://a#{}", URL_SAFE_NO_PAD.encode([2; 80]))), LinkError::Version(2));
    }

    #[test]
    fn its_secret_is_not_in_its_debug_form() {
        assert_eq!(format!("{:?}", link("a.b")), "InviteLink(a.b:4433)");
    }
}
