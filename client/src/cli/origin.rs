//! Where a message was said first, when it was brought here from elsewhere: data, which proves nothing.

use quipu_client::protocol::entry::{Entry, Origin};
use serde_json::{Map, Value};

use super::clock::rfc3339;
use super::render;

/// Where a message came from, if it was said elsewhere.
pub(crate) fn of(entry: &Entry) -> Option<&Origin> {
    entry.ext.origin.as_ref().filter(|_| !entry.is_erased())
}

/// ` (wumpus, 2010-08-17 23:58)`: whatever it says, it is the author's word.
pub(crate) fn words(origin: &Origin) -> String {
    let at = rfc3339(origin.at_ms);
    let at = at.get(..16).unwrap_or(&at).replace('T', " ");
    format!(" ({}, {at})", render::line(origin.author.as_str()))
}

/// The same for programs.
pub(crate) fn object(origin: &Origin) -> Map<String, Value> {
    let fields: [(&str, Value); 3] = [
        ("author", origin.author.as_str().into()),
        ("at", rfc3339(origin.at_ms).into()),
        ("at_ms", origin.at_ms.into()),
    ];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
