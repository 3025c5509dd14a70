//! The checker: what authors said and were promised, against what a log holds. Pure, and shown each fault once.

use std::collections::HashMap;

use quipu_client::protocol::entry::Kind;
use quipu_client::protocol::{Entry, MessageId, Seq, cbor};

/// What one author did.
#[derive(Debug, Default)]
pub(crate) struct Spoken {
    /// Everything that was ever handed in, in order: the first is number 0.
    pub(crate) said: Vec<(MessageId, Vec<u8>)>,
    /// What was acknowledged, and where.
    pub(crate) acked: HashMap<MessageId, Seq>,
    /// Acknowledgements that say an earlier attempt had done it.
    pub(crate) duplicates: u64,
}

/// Every way in which `log` breaks the promise, in words.
pub(crate) fn judge(log: &[Entry], authors: &[Spoken]) -> Vec<String> {
    let mut faults = Vec::new();
    for (place, entry) in (1..).zip(log) {
        if entry.seq != Seq(place) {
            faults.push(format!("hole: entry {} stands at place {place}", entry.seq));
        }
    }
    let mut places: HashMap<MessageId, Seq> = HashMap::new();
    let mut newest: HashMap<usize, usize> = HashMap::new();
    let said = index(authors);
    for entry in log.iter().filter(|entry| entry.kind == Kind::TEXT) {
        let known = entry.message.and_then(|id| Some((id, *said.get(&id)?)));
        let Some((id, (author, number))) = known else {
            faults.push(format!("phantom: entry {} was said by nobody", entry.seq));
            continue;
        };
        if authors[author].said[number].1 != entry.body[..] {
            faults.push(format!("phantom: entry {} has another body than was said", entry.seq));
        }
        if let Some(first) = places.insert(id, entry.seq) {
            faults.push(format!("doubled: message {number} of author {author} is {first} and {}", entry.seq));
        }
        let before = newest.insert(author, number);
        if before.is_some_and(|before| before >= number) {
            faults.push(format!("reordered: author {author} said {number} before {before:?}"));
        }
    }
    for (author, spoken) in authors.iter().enumerate() {
        for (number, (id, _)) in spoken.said.iter().enumerate() {
            let (promised, found) = (spoken.acked.get(id), places.get(id));
            if promised.is_none() {
                faults.push(format!("unanswered: message {number} of author {author}"));
            } else if promised != found {
                faults.push(format!(
                    "lost: message {number} of author {author} was acknowledged at {promised:?} and is at {found:?}"
                ));
            }
        }
    }
    faults
}

/// Where two logs differ first, bytes and all.
pub(crate) fn difference(one: &[Entry], other: &[Entry]) -> Option<String> {
    let differing =
        one.iter().zip(other).find(|(one, other)| one != other || cbor::encode(*one) != cbor::encode(*other));
    match differing {
        Some((one, other)) => Some(format!("entry {} differs from entry {}", one.seq, other.seq)),
        None if one.len() != other.len() => Some(format!("{} entries and {}", one.len(), other.len())),
        None => None,
    }
}

fn index(authors: &[Spoken]) -> HashMap<MessageId, (usize, usize)> {
    let mut index = HashMap::new();
    for (author, spoken) in authors.iter().enumerate() {
        for (number, (id, _)) in spoken.said.iter().enumerate() {
            index.insert(*id, (author, number));
        }
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use quipu_client::protocol::{Blob, Ext, UserId};

    fn id(number: u8) -> MessageId {
        MessageId::from_bytes([number; 16])
    }

    fn entry(seq: u64, message: u8, body: &[u8]) -> Entry {
        Entry {
            seq: Seq(seq),
            at_ms: 0,
            user: Some(UserId::from_bytes([1; 16])),
            device: None,
            message: Some(id(message)),
            kind: Kind::TEXT,
            body: Blob::new(body.to_vec()).unwrap(),
            ext: Ext::default(),
        }
    }

    /// One author who said `a` and `b`, both acknowledged.
    fn author() -> Vec<Spoken> {
        vec![Spoken {
            said: vec![(id(1), b"a".to_vec()), (id(2), b"b".to_vec())],
            acked: HashMap::from([(id(1), Seq(1)), (id(2), Seq(2))]),
            duplicates: 0,
        }]
    }

    #[test]
    fn a_good_log_is_good() {
        let log = [entry(1, 1, b"a"), entry(2, 2, b"b")];
        assert_eq!(judge(&log, &author()), Vec::<String>::new());
        assert_eq!(difference(&log, &log), None);
    }

    #[test]
    fn every_fault_is_seen() {
        let (a, b) = (entry(1, 1, b"a"), entry(2, 2, b"b"));
        let cases = [
            ("lost", vec![a.clone()]),
            ("lost", vec![entry(1, 2, b"b"), entry(2, 1, b"a")]),
            ("reordered", vec![entry(1, 2, b"b"), entry(2, 1, b"a")]),
            ("doubled", vec![a.clone(), b.clone(), entry(3, 2, b"b")]),
            ("phantom", vec![a.clone(), b.clone(), entry(3, 9, b"c")]),
            ("phantom", vec![a.clone(), entry(2, 2, b"x")]),
            ("hole", vec![a.clone(), entry(3, 2, b"b")]),
        ];
        for (word, log) in cases {
            let faults = judge(&log, &author());
            assert!(faults.iter().any(|fault| fault.starts_with(word)), "{word}: {faults:?}");
        }
        let mut authors = author();
        authors[0].acked.remove(&id(2));
        let log = [a.clone(), b.clone()];
        assert!(judge(&log, &authors)[0].starts_with("unanswered"));
        assert!(difference(&log[..1], &log).is_some());
        assert!(difference(&[a], &[b]).is_some());
    }
}
