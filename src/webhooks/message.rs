//! What a delivery says: plain text, or the common JSON with a `text` and attachments that have one of their own.
//!
//! Pure: bytes in, a message or a reason out.

use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;
use quipu_protocol::Blob;
use quipu_protocol::limits::BODY_BYTES_MAX;
use serde::Deserialize;

use super::answer::No;

/// Largest request, in bytes: JSON escapes and decorates a message of [`BODY_BYTES_MAX`].
pub(super) const REQUEST_BYTES_MAX: usize = 4 * BODY_BYTES_MAX;
/// Longest key of a delivery, in bytes.
const KEY_BYTES_MAX: usize = 255;
/// Attachments that are looked at.
const ATTACHMENTS_MAX: usize = 20;

/// A message to deliver.
#[derive(Debug)]
pub(super) struct Delivery {
    /// The sender's name for it: what has the same is the same.
    pub(super) key: Option<Vec<u8>>,
    pub(super) body: Blob<BODY_BYTES_MAX>,
}

/// What the head says of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    key: Option<Vec<u8>>,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

impl Head {
    /// Reads the head, so that a body which would be refused is not read.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, No> {
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let form = match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str()
        {
            "text/plain" => Form::Text,
            "application/json" => Form::Json,
            _ => return Err(No::MediaType),
        };
        let key = headers.get("idempotency-key").map(|value| value.as_bytes().to_vec());
        if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY_BYTES_MAX) {
            return Err(No::Bad(format!("an Idempotency-Key has 1 to {KEY_BYTES_MAX} bytes")));
        }
        Ok(Self { key, form })
    }

    /// The message in a body.
    pub(super) fn message(self, body: &[u8]) -> Result<Delivery, No> {
        let text = match self.form {
            Form::Text => plain(body)?,
            Form::Json => of_json(body)?,
        };
        let text =
            text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
        if text.trim().is_empty() {
            return Err(No::Bad("the message is empty".into()));
        }
        let too_large = |_| No::TooLarge(format!("a message has at most {BODY_BYTES_MAX} bytes"));
        let body = Blob::new(text.as_bytes().to_vec()).map_err(too_large)?;
        Ok(Delivery { key: self.key, body })
    }
}

fn plain(body: &[u8]) -> Result<String, No> {
    String::from_utf8(body.to_vec()).map_err(|_| No::Bad("the message is not UTF-8".into()))
}

/// The shape that Slack made common. What else is in it (blocks, channels, icons) is ignored.
#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    attachments: Vec<Attachment>,
}

#[derive(Deserialize)]
struct Attachment {
    #[serde(default)]
    fallback: Option<String>,
    #[serde(default)]
    text: Option<String>,
}

fn of_json(body: &[u8]) -> Result<String, No> {
    let payload: Payload = serde_json::from_slice(body).map_err(|error| {
        No::Bad(format!("not the JSON of a webhook: {} at line {}", reason(&error), error.line()))
    })?;
    let attached = payload.attachments.into_iter().take(ATTACHMENTS_MAX);
    let lines: Vec<String> = payload
        .text
        .into_iter()
        .chain(attached.filter_map(|attachment| attachment.fallback.or(attachment.text)))
        .filter(|text| !text.trim().is_empty())
        .collect();
    if lines.is_empty() {
        return Err(No::Bad("the JSON has no `text`, and no attachment with one".into()));
    }
    Ok(lines.join("\n"))
}

/// What is wrong, without repeating what was sent.
fn reason(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => "a field is not what it should be",
        _ => "it is no JSON",
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn head(media_type: &'static str) -> Head {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        Head::read(&headers).unwrap()
    }

    fn said(media_type: &'static str, body: &[u8]) -> Result<String, String> {
        match head(media_type).message(body) {
            Ok(delivery) => Ok(String::from_utf8(delivery.body.to_vec()).unwrap()),
            Err(no) => Err(format!("{no:?}")),
        }
    }

    #[test]
    fn text_is_taken_as_it_is() {
        assert_eq!(said("text/plain; charset=utf-8", b"one\ntwo\r\n").unwrap(), "one\ntwo");
        assert_eq!(said("TEXT/PLAIN", "größe 日本".as_bytes()).unwrap(), "größe 日本");
        assert!(said("text/plain", b" \n").unwrap_err().contains("empty"));
        assert!(said("text/plain", b"\xff").unwrap_err().contains("UTF-8"));
        assert!(said("text/plain", &vec![b'a'; BODY_BYTES_MAX]).is_ok());
        assert!(said("text/plain", &vec![b'a'; BODY_BYTES_MAX + 1]).unwrap_err().contains("16384"));
    }

    #[test]
    fn the_common_json_gives_its_texts() {
        let json = |body: &str| said("application/json", body.as_bytes());
        assert_eq!(json(r#"{"text":"a\nb","channel":"x","blocks":[{}]}"#).unwrap(), "a\nb");
        let attached =
            r#"{"text":"build","attachments":[{"fallback":"failed","text":"no"},{"text":"log"},{}]}"#;
        assert_eq!(json(attached).unwrap(), "build\nfailed\nlog");
        assert_eq!(json(r#"{"attachments":[{"fallback":"only"}]}"#).unwrap(), "only");
        for (bad, why) in [
            (r#"{"text":7}"#, "not what it should be"),
            (r#"{"text":"a""#, "ends too early"),
            ("text", "no JSON"),
            ("{}", "no `text`"),
            (r#"{"text":" "}"#, "no `text`"),
            (r#"["x", 7]"#, "not what it should be"),
        ] {
            assert!(json(bad).unwrap_err().contains(why), "{bad}: {:?}", json(bad));
        }
    }

    #[test]
    fn what_is_neither_is_refused_by_its_head() {
        for media_type in ["application/x-www-form-urlencoded", "image/png", ""] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            assert!(matches!(Head::read(&headers), Err(No::MediaType)), "{media_type}");
        }
        assert!(matches!(Head::read(&HeaderMap::new()), Err(No::MediaType)));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.insert("idempotency-key", HeaderValue::from_str(&"k".repeat(256)).unwrap());
        assert!(matches!(Head::read(&headers), Err(No::Bad(_))));
    }
}
