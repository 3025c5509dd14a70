//! What a delivery is answered, in HTTP's numbers and in words.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use quipu_protocol::publish::Ack;
use quipu_protocol::{Code, Refusal};
use serde_json::json;

/// Why there is no entry.
#[derive(Debug)]
pub(super) enum No {
    /// Nobody has this secret, or there is nothing at this path: both look the same.
    Unknown,
    /// Only POST is understood.
    Method,
    /// The head or the body does not say what it should.
    Bad(String),
    /// The body is larger than a message, or than what may hold one.
    TooLarge(String),
    /// Neither text nor JSON.
    MediaType,
    /// The webhook is faster than it may be.
    TooFast,
    /// The body did not come in time.
    Slow,
    /// The room's answer.
    Refused(Refusal),
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl No {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooFast => StatusCode::TOO_MANY_REQUESTS,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Refused(refusal) => of_refusal(refusal.code),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Unknown => "there is no webhook at this address".into(),
            Self::Method => "a webhook takes POST".into(),
            Self::Bad(why) | Self::TooLarge(why) => why.clone(),
            Self::MediaType => "send text/plain, or application/json with a `text`".into(),
            Self::TooFast => "too many messages: wait as long as Retry-After says".into(),
            Self::Slow => "the message did not come in time".into(),
            Self::Refused(refusal) => refusal.to_string(),
        }
    }
}

fn of_refusal(code: Code) -> StatusCode {
    match code {
        Code::MESSAGE_CONFLICT => StatusCode::CONFLICT,
        Code::RATE => StatusCode::TOO_MANY_REQUESTS,
        Code::NOT_FOUND | Code::GONE => StatusCode::NOT_FOUND,
        code => match code.0 / 100 {
            1 => StatusCode::BAD_REQUEST,
            2 => StatusCode::FORBIDDEN,
            3 => StatusCode::CONFLICT,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        },
    }
}

/// The answer in full: JSON for an entry, a line of text for everything else.
pub(super) fn response(outcome: Result<Ack, No>) -> Response<Full<Bytes>> {
    let (status, media_type, body) = match &outcome {
        Ok(ack) => (StatusCode::OK, "application/json", format!("{}\n", position(ack))),
        Err(no) => (no.status(), "text/plain; charset=utf-8", format!("{}\n", no.text())),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let mut put =
        |name: HeaderName, value| response.headers_mut().insert(name, HeaderValue::from_static(value));
    put(CONTENT_TYPE, media_type);
    put(CONNECTION, "close");
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => put(RETRY_AFTER, "1"),
        StatusCode::METHOD_NOT_ALLOWED => put(hyper::header::ALLOW, "POST"),
        _ => None,
    };
    response
}

fn position(ack: &Ack) -> serde_json::Value {
    json!({
        "id": ack.message.to_string(),
        "seq": ack.at.seq.0,
        "cursor": ack.at.to_string(),
        "at_ms": ack.at_ms,
        "duplicate": ack.duplicate,
    })
}
