//! Changes of a CBOR value that leave it CBOR: they reach code which a flipped byte never does.
//!
//! A changed value still has heads that fit, so the profile lets it pass and the decoders of messages have to judge it.

use ciborium::Value;

use super::choices::Choices;

/// Deeper than any message may be.
const DEPTH_MAX: usize = 12;
/// A value that weighs more is changed no further: it would grow with every change. Above the size of any frame.
const WEIGHT_MAX: usize = 80_000;
/// More items than any list may have, of what is light.
const TIMES_MAX: usize = 300;
const LIGHT_MAX: usize = 64;

/// Changes `root` at one place, in one way.
pub(crate) fn change(root: &mut Value, choices: &mut Choices, donor: &Value) {
    if weight(root) > WEIGHT_MAX {
        return;
    }
    let mut at = choices.below(count(root));
    if let Some(place) = place(root, &mut at) {
        match place {
            Value::Array(items) if choices.below(3) > 0 => {
                change_list(items, choices, donor, (as_item, weight))
            }
            Value::Map(pairs) if choices.below(3) > 0 => {
                change_list(pairs, choices, donor, (as_pair, |(_, value)| weight(value)))
            }
            place => *place = other(place, choices, donor),
        }
    }
}

/// The value's bytes: one item, definite lengths, shortest heads, whatever is in it.
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("a Vec takes every byte");
    bytes
}

/// What may stand instead of a value: mostly something of its own type.
fn other(value: &Value, choices: &mut Choices, donor: &Value) -> Value {
    let integer = |number: i128| Value::Integer(number.try_into().unwrap_or(0.into()));
    match (choices.below(8), value) {
        (0, _) => part_of(donor, choices),
        (1, _) => fresh(choices),
        (2, value) => nested(value.clone(), choices.below(DEPTH_MAX)),
        (3, Value::Integer(number)) => integer(i128::from(*number) + 1 - i128::from(choices.byte() % 3)),
        (_, Value::Integer(_)) => integer(choices.integer()),
        (3, Value::Bytes(bytes)) => Value::Bytes(resized(bytes, choices)),
        (4, Value::Bytes(bytes)) => Value::Bytes(flipped(bytes, choices)),
        (_, Value::Bytes(_)) => Value::Bytes(choices.bytes()),
        (3, Value::Text(text)) => Value::Text(text.clone() + &choices.text()),
        (_, Value::Text(_)) => Value::Text(choices.text()),
        (_, Value::Bool(is)) => Value::Bool(!is),
        _ => fresh(choices),
    }
}

/// A value that has nothing to do with what was there.
fn fresh(choices: &mut Choices) -> Value {
    match choices.below(9) {
        0 => Value::Null,
        1 => Value::Bool(choices.byte() % 2 == 1),
        2 => Value::Integer(choices.integer().try_into().unwrap_or(0.into())),
        3 => Value::Bytes(choices.bytes()),
        4 => Value::Text(choices.text()),
        5 => Value::Array(vec![Value::Null; choices.below(TIMES_MAX)]),
        6 => {
            Value::Map((0..choices.below(80)).map(|key| (Value::Integer(key.into()), Value::Null)).collect())
        }
        7 => Value::Tag(choices.below(64) as u64, Box::new(Value::Null)),
        _ => Value::Float(choices.byte().into()),
    }
}

/// How a new item is made, and how much one weighs.
type Items<T> = (fn(&mut Choices, &Value) -> T, fn(&T) -> usize);

/// Drops, doubles, swaps, repeats or inserts.
fn change_list<T: Clone>(list: &mut Vec<T>, choices: &mut Choices, donor: &Value, (new, weight): Items<T>) {
    let kind = choices.below(6);
    let (one, other) = (choices.below(list.len().max(1)), choices.below(list.len().max(1)));
    match kind {
        0 if !list.is_empty() => drop(list.remove(one)),
        1 if !list.is_empty() => list.insert(other, list[one].clone()),
        2 if !list.is_empty() => list.swap(one, other),
        3 if !list.is_empty() => {
            let times = if weight(&list[one]) < LIGHT_MAX { choices.below(TIMES_MAX) } else { 3 };
            let again = vec![list[one].clone(); times];
            list.splice(other..other, again);
        }
        4 => list.truncate(one),
        _ => list.insert(one, new(choices, donor)),
    }
}

fn as_item(choices: &mut Choices, donor: &Value) -> Value {
    if choices.below(2) == 0 { part_of(donor, choices) } else { fresh(choices) }
}

fn as_pair(choices: &mut Choices, donor: &Value) -> (Value, Value) {
    let key = match choices.below(4) {
        0 => fresh(choices),
        1 => Value::Integer(choices.integer().try_into().unwrap_or(0.into())),
        _ => Value::Integer(choices.below(24).into()),
    };
    (key, as_item(choices, donor))
}

fn resized(bytes: &[u8], choices: &mut Choices) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(choices.below(bytes.len() + 3), 0);
    bytes
}

fn flipped(bytes: &[u8], choices: &mut Choices) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = choices.below(bytes.len().max(1));
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << choices.below(8);
    }
    bytes
}

fn nested(value: Value, depth: usize) -> Value {
    (0..depth).fold(value, |value, _| Value::Array(vec![value]))
}

fn part_of(donor: &Value, choices: &mut Choices) -> Value {
    let mut donor = donor.clone();
    let mut at = choices.below(count(&donor));
    place(&mut donor, &mut at).map_or(Value::Null, |part| part.clone())
}

/// About as many bytes as it has.
fn weight(value: &Value) -> usize {
    1 + match value {
        Value::Bytes(bytes) => bytes.len(),
        Value::Text(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Map(pairs) => pairs.iter().map(|(key, value)| weight(key) + weight(value)).sum(),
        _ => 0,
    }
}

/// Places of a value: itself, and those of all that is in it, keys too.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Map(pairs) => pairs.iter().map(|(key, value)| count(key) + count(value)).sum(),
        _ => 0,
    }
}

/// The place with this number, counted in the order of the bytes.
fn place<'a>(value: &'a mut Value, at: &mut usize) -> Option<&'a mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| place(item, at)),
        Value::Map(pairs) => {
            pairs.iter_mut().find_map(|(key, value)| place(key, at).or_else(|| place(value, at)))
        }
        _ => None,
    }
}
