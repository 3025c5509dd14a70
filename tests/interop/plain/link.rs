//! The invite link: section 5.

use ring::digest::{SHA256, digest};

/// What a link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) pin: [u8; 32],
    pub(crate) secret: [u8; 16],
    pub(crate) expires_s: u32,
}

impl Link {
    /// Reads a link; `None` when it is not one, or was damaged.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (place, secret) = text.strip_prefix("quipu://")?.split_once("/#")?;
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
            _ => (place, 4433),
        };
        let host = host.to_ascii_lowercase();
        let bytes = base64url(secret)?;
        let (body, check) = bytes.split_at_checked(53)?;
        let signed = [format!("{host}:{port}#").as_bytes(), body].concat();
        if body[0] != 1 || check != &digest(&SHA256, &signed).as_ref()[..2] {
            return None;
        }
        Some(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            pin: body[1..33].try_into().ok()?,
            secret: body[33..49].try_into().ok()?,
            expires_s: u32::from_be_bytes(body[49..53].try_into().ok()?),
        })
    }
}

/// Base64url without padding (RFC 4648 section 5); bits that are left over must be zero.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let six = ALPHABET.iter().position(|known| *known == letter)?;
        held = (held << 6) | u32::try_from(six).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    (held == 0 && bits < 6).then_some(bytes)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
