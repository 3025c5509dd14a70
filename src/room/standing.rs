//! How somebody is there: one connection, and all connections of an account together.
//!
//! Pure. Invariant: an account is as present as the most present of its connections, in whatever order they came; of
//! several that are away it is the one that said so last.

use quipu_protocol::inbox::PresenceState;
use quipu_protocol::request::SetPresence;
use quipu_protocol::{AwayText, Code, Refusal};

/// How somebody is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Online, idle, away, or not at all.
    pub state: PresenceState,
    /// What they say about being away.
    pub text: Option<AwayText>,
}

impl Standing {
    /// Nobody is there.
    pub const OFFLINE: Self = Self { state: PresenceState::OFFLINE, text: None };
    /// How every connection begins.
    pub const ONLINE: Self = Self { state: PresenceState::ONLINE, text: None };

    /// What a client says of itself.
    ///
    /// # Errors
    /// [`Code::BAD_REQUEST`] for a state that a connection cannot have, and for a text of somebody who is here.
    pub fn asked(ask: SetPresence) -> Result<Self, Refusal> {
        let standing = Self { state: ask.state, text: ask.text };
        match standing.state {
            PresenceState::AWAY => Ok(standing),
            PresenceState::ONLINE | PresenceState::IDLE if standing.text.is_none() => Ok(standing),
            PresenceState::ONLINE | PresenceState::IDLE => {
                Err(Refusal::because(Code::BAD_REQUEST, "only who is away has a text"))
            }
            _ => Err(Refusal::because(Code::BAD_REQUEST, "a connection is online, idle or away")),
        }
    }

    /// Larger is more present.
    fn rank(&self) -> u8 {
        match self.state {
            PresenceState::OFFLINE => 0,
            PresenceState::AWAY => 1,
            PresenceState::IDLE => 2,
            _ => 3,
        }
    }
}

/// How an account is there, from how each of its connections is and when that was said.
pub(super) fn most_present(connections: impl IntoIterator<Item = (Standing, u64)>) -> Standing {
    let most = connections.into_iter().max_by_key(|(standing, turn)| (standing.rank(), *turn));
    most.map_or(Standing::OFFLINE, |(standing, _)| standing)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn away(text: &str) -> Standing {
        Standing { state: PresenceState::AWAY, text: Some(text.parse().unwrap()) }
    }

    fn standing() -> impl Strategy<Value = Standing> {
        prop_oneof![
            Just(Standing::ONLINE),
            Just(Standing { state: PresenceState::IDLE, text: None }),
            "[a-z]{1,9}".prop_map(|text| away(&text)),
        ]
    }

    proptest! {
        #[test]
        fn an_account_is_as_present_as_its_most_present_connection(
            standings in prop::collection::vec(standing(), 0..6),
            seed in any::<u64>(),
        ) {
            let told: Vec<(Standing, u64)> = standings.into_iter().zip(1..).collect();
            let account = most_present(told.clone());
            prop_assert_eq!(account == Standing::OFFLINE, told.is_empty());
            prop_assert!(told.iter().all(|(standing, _)| standing.rank() <= account.rank()));
            let last = told.iter().rev().find(|(standing, _)| standing.rank() == account.rank());
            prop_assert_eq!(last.map_or(Standing::OFFLINE, |(standing, _)| standing.clone()), account.clone());
            // Their order does not matter, only when each was said.
            let mut turned = told.clone();
            turned.rotate_left(seed as usize % told.len().max(1));
            prop_assert_eq!(most_present(turned), account.clone());
            // One more connection never makes an account less present, one less never more.
            let mut more = told.clone();
            more.push((Standing::ONLINE, 99));
            prop_assert!(most_present(more).rank() >= account.rank());
            prop_assert!(most_present(told.into_iter().skip(1)).rank() <= account.rank());
        }
    }

    #[test]
    fn a_connection_says_nothing_that_cannot_be() {
        let ask = |state, text: Option<&str>| SetPresence {
            state: PresenceState(state),
            text: text.map(|text| text.parse().unwrap()),
            everywhere: None,
        };
        assert_eq!(Standing::asked(ask(3, Some("at lunch"))), Ok(away("at lunch")));
        assert_eq!(Standing::asked(ask(1, None)), Ok(Standing::ONLINE));
        for bad in [ask(0, None), ask(4, None), ask(1, Some("x")), ask(2, Some("x"))] {
            assert_eq!(Standing::asked(bad).unwrap_err().code, Code::BAD_REQUEST);
        }
    }
}
