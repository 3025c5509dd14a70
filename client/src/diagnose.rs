//! What a person asks when nothing works: each step of connecting, one by one.

/// What was found out, step by step, in the order of connecting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The steps. Those that could not be tried are missing.
    pub checks: Vec<Check>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its stable word: `resolve`, `udp`, `handshake`, `alpn`, `pin`, `auth`, `clock`, `datagram`, `rebind`.
    pub name: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What was seen, for people.
    pub detail: String,
    /// How long it took, in milliseconds, or another number the step is about.
    pub value: Option<i64>,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should.
    Good,
    /// Works, and yet a person should look.
    Doubtful,
    /// Does not work.
    Bad,
}

impl Report {
    /// Whether every step that is needed works.
    pub fn is_good(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.verdict != Verdict::Bad)
    }
}
