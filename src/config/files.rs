//! What an operator grants to files: how much, how large, of which types.

use std::str::FromStr;

use thiserror::Error;

/// Bounds of files. Where the largest file is 0 bytes, none are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLimits {
    /// Bytes of all files together, each content once. Default 10 GiB. What is not taken any more stays readable.
    pub server_bytes_max: u64,
    /// Bytes of what one account has brought or refers to. Default 1 GiB, not above `server_bytes_max`.
    pub account_bytes_max: u64,
    /// Bytes of one file. Default 100 MiB, not above `account_bytes_max`.
    pub file_bytes_max: u64,
    /// Media types that are taken. Default none named, which is all.
    pub types_allowed: Vec<MediaRange>,
    /// Media types that are not, whatever else says that they are. Default none.
    pub types_forbidden: Vec<MediaRange>,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self {
            server_bytes_max: 10 * 1024 * 1024 * 1024,
            account_bytes_max: 1024 * 1024 * 1024,
            file_bytes_max: 100 * 1024 * 1024,
            types_allowed: Vec::new(),
            types_forbidden: Vec::new(),
        }
    }
}

impl FileLimits {
    /// Whether files are said to be of this type and are taken. It is what their author says: nobody looks inside.
    pub fn takes(&self, media_type: &str) -> bool {
        let named = |ranges: &[MediaRange]| ranges.iter().any(|range| range.has(media_type));
        (self.types_allowed.is_empty() || named(&self.types_allowed)) && !named(&self.types_forbidden)
    }
}

/// One media type, `image/png`, or all of a kind, `image/*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRange {
    kind: String,
    /// None for all of the kind.
    subtype: Option<String>,
}

/// A text that is no [`MediaRange`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a media type: write `image/png`, or `image/*` for all images")]
pub struct MediaError(String);

impl MediaRange {
    /// Whether this type is within. Case and parameters do not matter.
    pub fn has(&self, media_type: &str) -> bool {
        let bare = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let Some((kind, subtype)) = bare.split_once('/') else { return false };
        kind == self.kind && self.subtype.as_ref().is_none_or(|wanted| wanted == subtype)
    }
}

impl FromStr for MediaRange {
    type Err = MediaError;

    fn from_str(text: &str) -> Result<Self, MediaError> {
        let error = || MediaError(text.to_owned());
        let is_token = |part: &str| {
            !part.is_empty()
                && part.chars().all(|char| char.is_ascii_alphanumeric() || "!#$&-^_.+".contains(char))
        };
        let (kind, subtype) = text.split_once('/').ok_or_else(error)?;
        if !is_token(kind) || (subtype != "*" && !is_token(subtype)) {
            return Err(error());
        }
        let subtype = (subtype != "*").then(|| subtype.to_ascii_lowercase());
        Ok(Self { kind: kind.to_ascii_lowercase(), subtype })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(texts: &[&str]) -> Vec<MediaRange> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_forbidden_wins_over_what_is_allowed() {
        let all = FileLimits::default();
        assert!(all.takes("image/png") && all.takes("") && all.takes("nonsense"));
        let images = FileLimits {
            types_allowed: ranges(&["image/*", "text/plain"]),
            types_forbidden: ranges(&["image/svg+xml"]),
            ..FileLimits::default()
        };
        for taken in ["image/png", "IMAGE/PNG", "text/plain; charset=utf-8", " text/plain"] {
            assert!(images.takes(taken), "{taken}");
        }
        for not in ["image/svg+xml", "text/html", "imagex/png", "image", "", "text/plainx", "video/mp4"] {
            assert!(!images.takes(not), "{not}");
        }
    }

    #[test]
    fn a_range_is_a_type_or_a_kind() {
        for bad in ["", "image", "image/", "/png", "*/*", "*", "image/p ng", "a/b/c", "image/*x"] {
            assert!(bad.parse::<MediaRange>().is_err(), "{bad}");
        }
    }
}
