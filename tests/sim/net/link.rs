//! What a link does to a packet: the model one chooses, and the fate it decides.
//!
//! Pure: time and random draws come in, a fate goes out. Knows no addresses and no bytes, only a length.

use std::{fmt, ops::Range, time::Duration};

use crate::rng::{Rng, within};

/// How a link behaves, in one direction. Chances are per packet, from 0 to 1.
#[derive(Debug, Clone)]
pub(crate) struct LinkModel {
    /// Chance that a packet is lost, each on its own.
    pub(crate) loss: f64,
    /// Losses that come in bursts, in addition to `loss`.
    pub(crate) bursts: Option<Bursts>,
    /// Chance that a packet arrives twice, the copy with a delay of its own.
    pub(crate) duplicate: f64,
    /// Chance that one bit of a packet is flipped.
    pub(crate) flip: f64,
    /// One-way delay; a range is jitter, and jitter above the sending interval reorders.
    pub(crate) delay: Range<Duration>,
    /// Bandwidth, or as fast as one likes.
    pub(crate) rate: Option<Rate>,
    /// Largest UDP payload that passes, in bytes; larger ones vanish without a word.
    pub(crate) mtu_bytes: usize,
}

/// Losses that come together: in a burst everything is lost. It ends by the clock. Were it to end after so many packets,
/// as in the Gilbert-Elliott model, a sender that backs off would stay in one burst for minutes.
#[derive(Debug, Clone)]
pub(crate) struct Bursts {
    /// Chance per packet that a burst starts with it.
    pub(crate) start: f64,
    /// How long it lasts.
    pub(crate) length: Range<Duration>,
}

/// A link of limited speed with a queue before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// Speed in bits per second, above zero.
    pub(crate) bits_per_second: u64,
    /// Longest time a packet may wait for those before it; what would wait longer is dropped.
    pub(crate) queue: Duration,
}

impl LinkModel {
    /// Twenty milliseconds each way and nothing else.
    pub(crate) fn clean() -> Self {
        Self {
            loss: 0.0,
            bursts: None,
            duplicate: 0.0,
            flip: 0.0,
            delay: Duration::from_millis(20)..Duration::from_millis(20),
            rate: None,
            mtu_bytes: 1472, // Ethernet's 1500 less the IPv4 and UDP headers.
        }
    }

    /// The hard ordinary case: 20 % loss, 2 % duplicates, 1 % flipped bits, 50 to 100 ms with reordering.
    pub(crate) fn rough() -> Self {
        Self {
            loss: 0.20,
            duplicate: 0.02,
            flip: 0.01,
            delay: Duration::from_millis(50)..Duration::from_millis(100),
            ..Self::clean()
        }
    }

    /// Decides what happens to a packet of `len` bytes handed over at `now`.
    pub(super) fn carry(&self, state: &mut LinkState, draws: &Draws, now: Duration, len: usize) -> Fate {
        if self.bursts.as_ref().is_some_and(|bursts| state.in_burst(bursts, draws, now)) {
            return Fate::Dropped(Why::Burst);
        }
        if draws.loss < self.loss {
            return Fate::Dropped(Why::Loss);
        }
        if len > self.mtu_bytes {
            return Fate::Dropped(Why::TooLarge);
        }
        let Some(leaves) = self.rate.map_or(Some(now), |rate| state.enqueue(rate, now, len)) else {
            return Fate::Dropped(Why::QueueFull);
        };
        Fate::Arrives {
            at: leaves + within(&self.delay, draws.delay),
            again: (draws.duplicate < self.duplicate)
                .then(|| leaves + within(&self.delay, draws.delay_again)),
            flipped_bit: (draws.flip < self.flip).then(|| (draws.flip_place * (len * 8) as f64) as usize),
        }
    }
}

/// What a link remembers between packets.
#[derive(Debug, Default)]
pub(super) struct LinkState {
    burst_until: Duration,
    busy_until: Duration,
}

impl LinkState {
    /// Starts a burst when it is time for one, and says whether this packet falls into one.
    fn in_burst(&mut self, bursts: &Bursts, draws: &Draws, now: Duration) -> bool {
        if now >= self.burst_until && draws.burst < bursts.start {
            self.burst_until = now + within(&bursts.length, draws.burst_length);
        }
        now < self.burst_until
    }

    /// When a packet will have left the queue, or `None` when the queue is full.
    fn enqueue(&mut self, rate: Rate, now: Duration, len: usize) -> Option<Duration> {
        let starts = self.busy_until.max(now);
        if starts - now > rate.queue {
            return None;
        }
        self.busy_until =
            starts + Duration::from_nanos(len as u64 * 8 * 1_000_000_000 / rate.bits_per_second);
        Some(self.busy_until)
    }
}

/// All random numbers one packet may need, drawn before anything is decided, so that a packet's fate never shifts
/// the draws of later ones. Each is in `[0, 1)`.
pub(super) struct Draws {
    burst: f64,
    burst_length: f64,
    loss: f64,
    duplicate: f64,
    flip: f64,
    flip_place: f64,
    delay: f64,
    delay_again: f64,
}

impl Draws {
    pub(super) fn new(rng: &mut Rng) -> Self {
        // Fields are evaluated in the order written.
        Self {
            burst: rng.unit(),
            burst_length: rng.unit(),
            loss: rng.unit(),
            duplicate: rng.unit(),
            flip: rng.unit(),
            flip_place: rng.unit(),
            delay: rng.unit(),
            delay_again: rng.unit(),
        }
    }
}

/// What becomes of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It reaches its mailbox, perhaps twice, perhaps with one bit flipped. Times are virtual.
    Arrives { at: Duration, again: Option<Duration>, flipped_bit: Option<usize> },
    /// It does not.
    Dropped(Why),
}

/// Why a packet was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Loss,
    Burst,
    TooLarge,
    QueueFull,
    MailboxFull,
    Cut,
    NoRoute,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrives { at, again, flipped_bit } => {
                write!(f, "arrives {:.6}", at.as_secs_f64())?;
                if let Some(again) = again {
                    write!(f, " and {:.6}", again.as_secs_f64())?;
                }
                flipped_bit.map_or(Ok(()), |bit| write!(f, " bit {bit} flipped"))
            }
            Self::Dropped(why) => write!(f, "dropped {why:?}"),
        }
    }
}

#[test]
fn a_slow_link_delays_and_then_drops() {
    let model = LinkModel {
        delay: Duration::ZERO..Duration::ZERO,
        rate: Some(Rate { bits_per_second: 8_000, queue: Duration::from_millis(1500) }),
        ..LinkModel::clean()
    };
    let (mut state, mut rng) = (LinkState::default(), Rng::new(1));
    let fates: Vec<Fate> =
        (0..3).map(|_| model.carry(&mut state, &Draws::new(&mut rng), Duration::ZERO, 1000)).collect();
    let arrives = |at| Fate::Arrives { at: Duration::from_secs(at), again: None, flipped_bit: None };
    // A thousand bytes take a second; the third would have waited two.
    assert_eq!(fates, [arrives(1), arrives(2), Fate::Dropped(Why::QueueFull)]);
}

#[test]
fn a_burst_takes_everything_while_it_lasts() {
    let millis = Duration::from_millis;
    let bursts = Some(Bursts { start: 0.01, length: millis(100)..millis(100) });
    let model = LinkModel { bursts, ..LinkModel::clean() };
    let (mut state, mut rng) = (LinkState::default(), Rng::new(1));
    let lost: Vec<bool> = (0..20_000)
        .map(|n| model.carry(&mut state, &Draws::new(&mut rng), millis(n), 100) == Fate::Dropped(Why::Burst))
        .collect();
    let runs: Vec<usize> = lost.split(|lost| !lost).map(<[bool]>::len).filter(|len| *len > 0).collect();
    // One packet each millisecond. Two bursts may touch, and the end may fall into one.
    let whole = &runs[..runs.len() - 1];
    assert!(whole.iter().all(|len| len % 100 == 0), "{runs:?}");
    assert!((70..130).contains(&runs.len()), "{} bursts, about 100 expected", runs.len());
}
