//! A link as packets see it: when it is free, and so how long its queue is.
//!
//! Packets leave a link in the order they came to it, so one number says all of a queue: a packet
//! that comes at t to a link that is busy until f waits f - t, behind (f - t) x rate bytes.

use chokepoint_units::{Bytes, Seconds};

use super::PacketError;
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

/// A directed link. Times are in picoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire {
    /// When the last packet that has come to it will have left.
    pub free: u64,
    /// Time of a byte, in parts of a picosecond; rounded up, so that no packet is too fast.
    byte: u64,
    pub latency: u64,
    /// Longest queue, in time, that a packet may complete.
    room: u64,
    /// Queue, in time, beyond which packets are marked.
    mark: u64,
    /// Bytes carried, headers included.
    pub bytes: u64,
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

impl Wire {
    /// A link with a buffer and a threshold for marks, both in bytes and unlimited where absent.
    pub(super) fn new(
        number: u32,
        link: &Link,
        buffer: Option<Bytes>,
        mark: Option<Bytes>,
    ) -> Result<Self, PacketError> {
        let rate = link.rate.get();
        let latency = picoseconds(link.latency);
        let (true, Some(latency)) = (rate >= SLOWEST && rate.is_finite(), latency) else {
            return Err(PacketError::Link(number));
        };
        let in_time = |bytes: Option<Bytes>| {
            bytes.map_or(u64::MAX, |it| (it / link.rate * 1e12).get().round() as u64)
        };
        Ok(Self {
            free: 0,
            byte: (1e12 / rate * f64::from(1_u32 << FRACTION)).ceil() as u64,
            latency,
            room: in_time(buffer),
            mark: in_time(mark),
            bytes: 0,
            longest: 0,
        })
    }

    /// Time that bytes take to leave, rounded up.
    pub(super) const fn time(&self, bytes: u32) -> u64 {
        (bytes as u64 * self.byte).div_ceil(1 << FRACTION)
    }

    /// Takes a packet that comes now. One that comes from the sender itself has always room: the
    /// sender holds it back until the one before has left.
    pub(super) fn take(&mut self, now: u64, bytes: u32, own: bool) -> Fate {
        let wait = self.free.saturating_sub(now);
        let queue = wait + self.time(bytes);
        if queue > self.room && !own {
            return Fate::Trimmed;
        }
        self.free = now + queue;
        self.bytes += u64::from(bytes);
        self.longest = self.longest.max(queue);
        Fate::Sent {
            arrival: self.free + self.latency,
            marked: wait > self.mark,
        }
    }

    /// Time that it has carried packets for.
    pub(super) fn busy(&self) -> Seconds {
        let parts = self.bytes as f64 * self.byte as f64;
        Seconds::new(parts / f64::from(1_u32 << FRACTION) / 1e12)
    }

    /// Bytes of the longest queue so far, the packet that is leaving included.
    pub(super) fn longest_queue(&self) -> Bytes {
        let parts = self.longest as f64 * f64::from(1_u32 << FRACTION);
        Bytes::new((parts / self.byte as f64).round())
    }
}

#[cfg(test)]
mod tests {
    use chokepoint_units::{Bandwidth, Bytes, Seconds};

    use super::{Fate, Wire};
    use crate::network::Link;

    /// 50 GB/s: 20 ps a byte, 83.2 ns a packet of 4,160 bytes.
    fn wire(buffer: Option<Bytes>, mark: Option<Bytes>) -> Wire {
        let link = Link {
            rate: Bandwidth::new(50e9),
            latency: Seconds::new(800e-9),
        };
        Wire::new(0, &link, buffer, mark).unwrap()
    }

    #[test]
    fn a_packet_waits_for_those_before_it() {
        let mut wire = wire(None, Some(Bytes::new(4160.0)));
        let sent = |arrival, marked| Fate::Sent { arrival, marked };
        assert_eq!(wire.take(0, 4160, true), sent(883_200, false));
        assert_eq!(wire.take(0, 4160, false), sent(966_400, false));
        // Two packets are before it, more than the one that is allowed without a mark.
        assert_eq!(wire.take(0, 64, false), sent(967_680, true));
        assert_eq!(wire.take(1_000_000, 64, false), sent(1_801_280, false));
        assert_eq!(wire.longest_queue(), Bytes::new(8384.0));
        assert_eq!(wire.bytes, 8448);
    }

    #[test]
    fn a_full_buffer_trims() {
        let mut wire = wire(Some(Bytes::new(8320.0)), None);
        assert_ne!(wire.take(0, 4160, false), Fate::Trimmed);
        assert_ne!(wire.take(0, 4160, false), Fate::Trimmed);
        assert_eq!(wire.take(0, 64, false), Fate::Trimmed);
        assert_ne!(wire.take(0, 64, true), Fate::Trimmed);
    }

    #[test]
    fn links_without_a_rate_are_refused() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let link = Link {
                rate: Bandwidth::new(rate),
                latency: Seconds::new(0.0),
            };
            assert!(Wire::new(3, &link, None, None).is_err());
        }
    }
}
