//! Every message there is, by number: for tables, tests and tools. Nothing on the wire is dispatched by it.

use crate::frame::FrameType;
use crate::{control, datagram, entry, file, inbox, publish, request, room};

/// Frame type and name of every message, in the order of their modules.
pub fn messages() -> impl Iterator<Item = (FrameType, &'static str)> {
    [
        control::MESSAGES,
        publish::MESSAGES,
        entry::MESSAGES,
        room::MESSAGES,
        inbox::MESSAGES,
        datagram::MESSAGES,
        request::MESSAGES,
        file::MESSAGES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{BidiType, UniType, grease, grease_frame};

    #[test]
    fn no_number_means_two_things() {
        let mut numbers: Vec<u64> = messages().map(|(ty, _)| ty.0).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }

    #[test]
    fn grease_means_nothing() {
        for n in 0..100_000 {
            assert_eq!(BidiType::from_number(grease(n)), None);
            assert_eq!(UniType::from_number(grease(n)), None);
            assert!(!FrameType(grease_frame(n)).is_critical());
            assert!(messages().all(|(ty, _)| ty.0 != grease_frame(n)), "{n}");
        }
    }
}
