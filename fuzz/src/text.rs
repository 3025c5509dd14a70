//! Texts of strangers, wherever they are taken apart or shown.

use std::collections::HashMap;

use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use quipu_protocol::limits::BODY_BYTES_MAX;

use super::choices::Choices;
use super::message::Head;
use super::{answer, markup, names, render, search};

/// Goal: no text makes anybody panic, and a terminal is shown nothing that acts on it.
pub(crate) fn run(data: &[u8]) {
    let (kind, data) = data.split_at(data.len().min(1));
    match kind.first().copied().unwrap_or_default() % 4 {
        0 => names::run(data),
        1 => search::run(data),
        2 => shown(data),
        _ => delivered(data),
    }
}

/// Goal: what is shown has no character that acts, and no line that could pass for ours.
fn shown(data: &[u8]) {
    let text = Choices::new(data).text();
    let names = [("U1".to_owned(), text.clone())].into();
    for text in [markup::plain(&text, &names), markup::plain(&text, &HashMap::new()), text] {
        let (line, excerpt) = (render::line(&text), render::excerpt(&text));
        assert!(!line.contains(acts) && !excerpt.contains(acts), "{line}");
        let is_plain = text.chars().all(|char| matches!(char, ' '..='~'));
        assert!(!is_plain || line == text, "{line}");
        let block = render::block(&text);
        let mut later = block.split('\n').skip(1);
        assert!(later.all(|line| line.starts_with("    ")), "{block}");
        assert!(!block.replace(['\n', '\t'], "").contains(acts), "{block}");
        let rows = [vec![line.to_string(), excerpt.clone()], vec![excerpt, line.to_string()], Vec::new()];
        assert_eq!(render::table(&rows).len(), rows.len());
    }
}

/// What moves a cursor, turns a text around or hides in it: the worst of what is to be seen as an escape.
fn acts(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Goal: any delivery of a webhook is a message in its bounds or a reason, and the reason is answered.
fn delivered(data: &[u8]) {
    let mut choices = Choices::new(data);
    let kind = choices.one_of(&["application/json", "text/plain; charset=utf-8", "image/png"]);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    let key = if choices.below(2) == 0 { HeaderValue::from_bytes(&choices.bytes()).ok() } else { None };
    key.map(|key| headers.insert("idempotency-key", key));
    let body = match choices.below(3) {
        0 => choices.rest().to_vec(),
        1 => serde_json::json!({ "text": choices.text(), "attachments": [{ "fallback": choices.text() }] })
            .to_string()
            .into_bytes(),
        _ => choices.text().into_bytes(),
    };
    match Head::read(&headers).and_then(|head| head.message(&body)) {
        Ok(delivery) => {
            let text = std::str::from_utf8(&delivery.body).expect("a message is text");
            assert!(!text.trim().is_empty() && text.len() <= BODY_BYTES_MAX);
            assert!(delivery.key.is_none_or(|key| !key.is_empty()));
        }
        Err(no) => assert!(!answer::response(Err(no)).status().is_success()),
    }
}
