//! CBOR as people read it: diagnostic notation (RFC 8949 section 8).

use ciborium::Value;

use super::hex;

/// `bytes` in diagnostic notation. They must be CBOR.
pub fn of(bytes: &[u8]) -> String {
    show(&ciborium::from_reader(bytes).unwrap())
}

fn show(value: &Value) -> String {
    match value {
        Value::Integer(number) => i128::from(*number).to_string(),
        Value::Bytes(bytes) => format!("h'{}'", hex(bytes)),
        Value::Text(text) => serde_json::to_string(text).unwrap(),
        Value::Bool(bool) => bool.to_string(),
        Value::Null => "null".to_owned(),
        Value::Array(items) => format!("[{}]", join(items.iter().map(show))),
        Value::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| format!("{}: {}", show(key), show(value)));
            format!("{{{}}}", join(pairs))
        }
        other => panic!("{other:?} is not in the profile"),
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}
