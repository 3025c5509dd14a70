//! Values with one thing wrong, everywhere in turn.

use ciborium::Value;

use super::Sample;

/// One way to spoil a value: what stands in its place, if it can be spoilt this way.
pub type Spoil = fn(&Value) -> Option<Value>;

/// Another type of value.
pub fn wrong_type(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Integer(_) | Value::Bytes(_) => Value::Text("x".to_owned()),
        Value::Text(_) => Value::Bytes(vec![0x78]),
        Value::Bool(_) => Value::Integer(0.into()),
        Value::Null => Value::Bool(true),
        Value::Array(_) => Value::Map(vec![]),
        _ => Value::Array(vec![]),
    })
}

/// A list of small numbers written as a byte string: ciborium alone takes one for the other.
pub fn bytes_for_list(value: &Value) -> Option<Value> {
    let Value::Array(items) = value else {
        return None;
    };
    let byte = |item: &Value| u8::try_from(i128::from(item.as_integer()?)).ok();
    items.iter().map(byte).collect::<Option<_>>().map(Value::Bytes)
}

/// More than any bound of a text, a byte string or a list.
pub fn too_long(value: &Value) -> Option<Value> {
    match value {
        Value::Bytes(_) => Some(Value::Bytes(vec![0; 20_000])),
        Value::Text(_) => Some(Value::Text("a".repeat(20_000))),
        Value::Array(items) => Some(Value::Array(vec![items.first()?.clone(); 400])),
        _ => None,
    }
}

/// The last field, key or row gone.
pub fn too_short(value: &Value) -> Option<Value> {
    let mut value = value.clone();
    match &mut value {
        Value::Array(items) => drop(items.pop()?),
        Value::Map(pairs) => drop(pairs.pop()?),
        _ => return None,
    }
    Some(value)
}

/// A key nobody knows yet.
pub fn extra_key(value: &Value) -> Option<Value> {
    let Value::Map(mut pairs) = value.clone() else {
        return None;
    };
    pairs.push((Value::Integer(900.into()), Value::Array(vec![Value::Null])));
    Some(Value::Map(pairs))
}

/// The sample's payload, spoilt at one place after the other.
pub fn mutants(sample: &Sample, spoil: Spoil) -> Vec<Vec<u8>> {
    let root: Value = ciborium::from_reader(&sample.payload[..]).unwrap();
    let mut mutants = Vec::new();
    for at in 0.. {
        let mut mutant = root.clone();
        let mut left = at;
        match spoil_at(&mut mutant, &mut left, spoil) {
            Place::Beyond => return mutants,
            Place::Passed => {}
            Place::Spoilt => {
                let mut bytes = Vec::new();
                ciborium::into_writer(&mutant, &mut bytes).unwrap();
                mutants.push(bytes);
            }
        }
    }
    mutants
}

enum Place {
    /// There are fewer places than that.
    Beyond,
    /// This place cannot be spoilt this way.
    Passed,
    Spoilt,
}

/// Spoils the place with this number, counted in the order of the bytes; keys are left as they are.
fn spoil_at(value: &mut Value, left: &mut usize, spoil: Spoil) -> Place {
    if *left == 0 {
        return match spoil(value) {
            Some(spoilt) => {
                *value = spoilt;
                Place::Spoilt
            }
            None => Place::Passed,
        };
    }
    *left -= 1;
    let children: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Map(pairs) => pairs.iter_mut().map(|(_, value)| value).collect(),
        _ => return Place::Beyond,
    };
    for child in children {
        match spoil_at(child, left, spoil) {
            Place::Beyond => {}
            other => return other,
        }
    }
    Place::Beyond
}
