//! What is left of each link while flows are given their rates.
//!
//! A link's rest is a whole number of 2^-62 parts of its capacity, so that sums do not depend on
//! the order of flows, and what was taken can be given back to the last bit.

use chokepoint_units::Bandwidth;

/// Parts of a capacity.
const PARTS: f64 = (1_u64 << 62) as f64;

/// One link.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Parts not taken; rounding may leave it a few below nothing.
    left: i64,
    /// Flows that have no rate yet, like ones counted.
    pub(super) waiting: u64,
    /// Bytes per second of a part.
    unit: f64,
    /// Parts of a byte per second; 0 where the link carries nothing.
    parts: f64,
}

impl Load {
    /// A link with all of its capacity; absent where that is not a number from 0.
    pub(super) fn new(capacity: Bandwidth) -> Option<Self> {
        let rate = capacity.get();
        (rate.is_finite() && rate >= 0.0).then(|| Self {
            left: PARTS as i64,
            waiting: 0,
            unit: rate / PARTS,
            parts: if rate > 0.0 { PARTS / rate } else { 0.0 },
        })
    }

    /// All links of a network.
    pub(super) fn all(capacity: &[Bandwidth]) -> Option<Vec<Self>> {
        capacity.iter().map(|it| Self::new(*it)).collect()
    }

    /// Nobody has taken anything, and a number of flows wait.
    pub(super) fn reset(&mut self, waiting: u64) {
        self.left = PARTS as i64;
        self.waiting = waiting;
    }

    /// All that it can carry, in bytes per second.
    pub(super) fn capacity(&self) -> f64 {
        self.unit * PARTS
    }

    /// Rate of each waiting flow were the rest shared by them.
    #[inline]
    pub(super) fn share(&self) -> f64 {
        self.rest() / self.waiting as f64
    }

    /// Capacity not taken, in bytes per second.
    #[inline]
    pub(super) fn rest(&self) -> f64 {
        self.left.max(0) as f64 * self.unit
    }

    /// Gives waiting flows their rate.
    #[inline]
    pub(super) fn take(&mut self, rate: f64, copies: u64) {
        self.left -= self.whole(rate, copies);
        self.waiting -= copies;
    }

    /// Lets flows that had a rate wait again.
    #[inline]
    pub(super) fn give(&mut self, rate: f64, copies: u64) {
        self.left += self.whole(rate, copies);
        self.waiting += copies;
    }

    /// Flows that had a rate end.
    pub(super) fn release(&mut self, rate: f64, copies: u64) {
        self.left += self.whole(rate, copies);
    }

    #[inline]
    fn whole(&self, rate: f64, copies: u64) -> i64 {
        (rate * copies as f64 * self.parts) as i64
    }
}
