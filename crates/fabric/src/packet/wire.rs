//! A link as packets see it: when it is free, and so how long its queue is.
//!
//! Packets leave a link in the order they came to it, so one number says all of a queue: a packet
//! that comes at t to a link that is busy until f waits f - t, behind (f - t) x rate bytes.

use std::collections::BTreeMap;

use chokepoint_units::{Bytes, Seconds};

use super::{Carried, Options, PacketError};
use crate::network::Link;

/// Parts of a picosecond that the time of a byte is kept in, as a power of two.
const FRACTION: u32 = 20;
/// Slowest link, in bytes of a second: the time of the largest packet fits 64 bits.
const SLOWEST: f64 = 2e6;
/// Longest latency or start that is taken, in picoseconds: sums of them fit 64 bits.
const LONGEST: f64 = 1e15;

/// Whole picoseconds of a time; absent where it is negative, too long or no number.
pub(super) fn picoseconds(time: Seconds) -> Option<u64> {
    let picoseconds = (time.get() * 1e12).round();
    (0.0..=LONGEST)
        .contains(&picoseconds)
        .then_some(picoseconds as u64)
}

/// Seconds of picoseconds.
pub(super) fn seconds(picoseconds: u64) -> Seconds {
    Seconds::new(picoseconds as f64 / 1e12)
}

/// What links of one rate and latency have in common. Times are in picoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Time of a byte, in parts of a picosecond; rounded up, so that no packet is too fast.
    byte: u64,
    pub latency: u64,
    /// Longest queue, in time, that a packet may complete.
    room: u64,
    /// Queue, in time, beyond which packets are marked.
    mark: u64,
}

impl Kind {
    /// Links like one; absent where its rate or latency is none.
    fn new(link: &Link, options: &Options) -> Option<Self> {
        let rate = link.rate.get();
        let latency = picoseconds(link.latency)?;
        if !(rate.is_finite() && rate >= SLOWEST) {
            return None;
        }
        let one = f64::from(1_u32 << FRACTION);
        let byte = (1e12 / rate * one).ceil();
        // As many full packets as the bytes hold, each rounded up to a picosecond, are no more.
        let in_time = |bytes: Option<Bytes>| {
            let (bytes, full) = (bytes?.get(), f64::from(options.packet()));
            Some((bytes * byte / one + bytes / full).ceil() as u64)
        };
        Some(Self {
            byte: byte as u64,
            latency,
            room: in_time(options.buffer).unwrap_or(u64::MAX),
            mark: in_time(options.mark).unwrap_or(u64::MAX),
        })
    }

    /// Time that bytes take to leave, rounded up.
    pub(super) const fn time(&self, bytes: u32) -> u64 {
        (bytes as u64 * self.byte).div_ceil(1 << FRACTION)
    }
}

/// What a link carried.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    /// Bytes, headers included.
    bytes: u64,
    /// Longest queue so far, in time.
    longest: u64,
}

/// What became of a packet that came to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It arrives at the other end at a time; whether it found a long queue.
    Sent { arrival: u64, marked: bool },
    /// The queue had no room for it.
    Trimmed,
}

/// All links of a network. What the next packet's time hangs on is apart from the rest, so that it
/// stays in a near cache.
#[derive(Debug)]
pub(super) struct Wires {
    /// When the last packet that has come to each link will have left, in picoseconds.
    free: Vec<u64>,
    kind: Vec<u32>,
    used: Vec<Used>,
    kinds: Vec<Kind>,
}

impl Wires {
    pub(super) fn new(links: &[Link], options: &Options) -> Result<Self, PacketError> {
        let mut known = BTreeMap::new();
        let mut wires = Self {
            free: vec![0; links.len()],
            kind: Vec::with_capacity(links.len()),
            used: vec![Used::default(); links.len()],
            kinds: Vec::new(),
        };
        for (link, number) in links.iter().zip(0..) {
            let key = (link.rate.get().to_bits(), link.latency.get().to_bits());
            let next = wires.kinds.len() as u32;
            let kind = *known.entry(key).or_insert(next);
            if kind == next {
                let kind = Kind::new(link, options).ok_or(PacketError::Link(number))?;
                wires.kinds.push(kind);
            }
            wires.kind.push(kind);
        }
        Ok(wires)
    }

    /// What a link has in common with others.
    pub(super) fn kind(&self, link: u32) -> &Kind {
        &self.kinds[self.kind[link as usize] as usize]
    }

    /// When the last packet that has come to a link will have left.
    pub(super) fn free(&self, link: u32) -> u64 {
        self.free[link as usize]
    }

    /// A packet comes to a link now. One that comes from the sender itself has always room: the
    /// sender holds it back until the one before has left.
    pub(super) fn take(&mut self, link: u32, now: u64, bytes: u32, own: bool) -> Fate {
        let kind = *self.kind(link);
        let free = &mut self.free[link as usize];
        let wait = free.saturating_sub(now);
        let queue = wait + kind.time(bytes);
        if queue > kind.room && !own {
            return Fate::Trimmed;
        }
        *free = now + queue;
        let used = &mut self.used[link as usize];
        used.bytes += u64::from(bytes);
        used.longest = used.longest.max(queue);
        Fate::Sent {
            arrival: now + queue + kind.latency,
            marked: wait > kind.mark,
        }
    }

    /// What each link carried.
    pub(super) fn carried(&self) -> Vec<Carried> {
        let one = f64::from(1_u32 << FRACTION);
        let of = |(used, kind): (&Used, &u32)| {
            let byte = self.kinds[*kind as usize].byte as f64 / one;
            Carried {
                bytes: Bytes::new(used.bytes as f64),
                busy: Seconds::new(used.bytes as f64 * byte / 1e12),
                longest_queue: Bytes::new((used.longest as f64 / byte).round()),
            }
        };
        self.used.iter().zip(&self.kind).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use chokepoint_units::{Bandwidth, Bytes, Seconds};

    use super::{Fate, Wires};
    use crate::network::Link;
    use crate::packet::{Options, PacketError};

    /// Two links of 800 ns. 50 GB/s: 20 ps a byte, 83.2 ns a packet of 4,160 bytes.
    fn wires(rate: f64, buffer: Option<f64>, mark: Option<f64>) -> Wires {
        let link = Link {
            rate: Bandwidth::new(rate),
            latency: Seconds::new(800e-9),
        };
        let options = Options {
            buffer: buffer.map(Bytes::new),
            mark: mark.map(Bytes::new),
            ..Options::default()
        };
        Wires::new(&[link, link], &options).unwrap()
    }

    #[test]
    fn a_packet_waits_for_those_before_it() {
        let mut wires = wires(50e9, None, Some(4160.0));
        let sent = |arrival, marked| Fate::Sent { arrival, marked };
        assert_eq!(wires.take(1, 0, 4160, true), sent(883_200, false));
        assert_eq!(wires.take(1, 0, 4160, false), sent(966_400, false));
        // Two packets are before it, more than the one that is allowed without a mark.
        assert_eq!(wires.take(1, 0, 64, false), sent(967_680, true));
        assert_eq!(wires.take(1, 1_000_000, 64, false), sent(1_801_280, false));
        let carried = wires.carried();
        assert_eq!(carried[0].bytes, Bytes::new(0.0));
        assert_eq!(carried[1].bytes, Bytes::new(8448.0));
        assert_eq!(carried[1].longest_queue, Bytes::new(8384.0));
        assert_eq!(carried[1].busy, Seconds::new(168.96e-9));
    }

    /// At any rate a buffer holds the packets it is made for, and marks come after them.
    #[test]
    fn a_full_buffer_trims() {
        for rate in [50e9, 450e9, 46.1e9, 7.0e12 / 3.0] {
            for packets in [1, 8, 1000] {
                let bytes = f64::from(packets) * 4160.0;
                let mut wires = wires(rate, Some(bytes), Some(bytes - 4160.0));
                for _ in 0..packets {
                    let fate = wires.take(0, 0, 4160, false);
                    assert!(matches!(fate, Fate::Sent { marked: false, .. }), "{rate}");
                }
                assert_eq!(wires.take(0, 0, 4160, false), Fate::Trimmed);
                let own = wires.take(0, 0, 64, true);
                assert!(matches!(own, Fate::Sent { marked: true, .. }), "{rate}");
            }
        }
    }

    #[test]
    fn links_without_a_rate_are_refused() {
        let good = Link {
            rate: Bandwidth::new(50e9),
            latency: Seconds::new(0.0),
        };
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let bad = Link {
                rate: Bandwidth::new(rate),
                ..good
            };
            let refused = Wires::new(&[good, bad], &Options::default()).map(|_| ());
            assert_eq!(refused, Err(PacketError::Link(1)));
        }
    }
}
