//! How the decoding sequences of an instance grow, all together.
//!
//! Lengths are in units (see [`crate::run`]); a block of the cache is `period` units and each
//! iteration adds `step` units to every sequence. What matters of a sequence is the room left in
//! its last block, modulo a common turn: sequences are counted by that, so the blocks that any
//! number of iterations needs come from one pass over at most a period, whatever the number of
//! sequences.

/// Counts of decoding sequences by the room in their last block.
#[derive(Debug, Clone)]
pub(crate) struct Growth {
    counts: Vec<u32>,
    /// Units that a block holds.
    period: u64,
    /// Units that an iteration adds to each sequence.
    step: u64,
    /// Units added since the start, modulo the period.
    turn: u64,
    /// Iterations since the start.
    pub(crate) round: u64,
    /// Sequences.
    pub(crate) members: u64,
    /// Sum of the lengths.
    pub(crate) extent: u64,
}

impl Growth {
    pub(crate) fn new(period: u64, step: u64) -> Self {
        Self {
            counts: vec![0; period as usize],
            period,
            step,
            turn: 0,
            round: 0,
            members: 0,
            extent: 0,
        }
    }

    /// Units that all sequences together grow by at an iteration.
    pub(crate) fn each_iteration(&self) -> u64 {
        self.members * self.step
    }

    /// Sum of the contexts that the next iteration attends to.
    pub(crate) fn context(&self) -> u64 {
        self.extent + self.each_iteration()
    }

    fn place(&self, extent: u64) -> usize {
        let room = (self.period - extent % self.period) % self.period;
        ((room + self.turn) % self.period) as usize
    }

    /// A sequence of this length starts decoding.
    pub(crate) fn insert(&mut self, extent: u64) {
        let place = self.place(extent);
        self.counts[place] += 1;
        self.members += 1;
        self.extent += extent;
    }

    /// A sequence, now of this length, stops decoding.
    pub(crate) fn remove(&mut self, extent: u64) {
        let place = self.place(extent);
        self.counts[place] -= 1;
        self.members -= 1;
        self.extent -= extent;
    }

    /// Iterations done.
    pub(crate) fn advance(&mut self, iterations: u64) {
        self.round += iterations;
        self.extent += self.each_iteration() * iterations;
        self.turn = (self.turn + iterations * self.step) % self.period;
    }

    /// Blocks that the next iterations need.
    pub(crate) fn blocks(&self, iterations: u64) -> u64 {
        let units = iterations * self.step;
        let rest = (units % self.period) as usize;
        let turn = self.turn as usize;
        let end = turn + rest;
        let size = self.counts.len();
        let sum = |counts: &[u32]| counts.iter().map(|&count| u64::from(count)).sum::<u64>();
        let crossing = if end <= size {
            sum(&self.counts[turn..end])
        } else {
            sum(&self.counts[turn..]) + sum(&self.counts[..end - size])
        };
        units / self.period * self.members + crossing
    }

    /// Most iterations, up to a limit, whose blocks are at most `available`.
    pub(crate) fn most(&self, available: u64, limit: u64) -> u64 {
        if self.blocks(limit) <= available {
            return limit;
        }
        let (mut fits, mut too_many) = (0, limit);
        while too_many - fits > 1 {
            let middle = fits + (too_many - fits) / 2;
            if self.blocks(middle) <= available {
                fits = middle;
            } else {
                too_many = middle;
            }
        }
        fits
    }

    /// Forgets all sequences.
    pub(crate) fn clear(&mut self) {
        self.counts.fill(0);
        self.members = 0;
        self.extent = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Growth;

    proptest! {
        #[test]
        fn blocks_are_those_of_each_sequence(
            period in 1_u64..70, step in 1_u64..40, before in 0_u64..50,
            extents in proptest::collection::vec(0_u64..500, 0..20), iterations in 0_u64..90,
            available in 0_u64..200,
        ) {
            let mut growth = Growth::new(period, step);
            growth.advance(before);
            for &extent in &extents {
                growth.insert(extent);
            }
            let needed = |iterations: u64| extents.iter().map(|extent| {
                (extent + iterations * step).div_ceil(period) - extent.div_ceil(period)
            }).sum::<u64>();
            prop_assert_eq!(growth.blocks(iterations), needed(iterations));
            let most = (0..=iterations).rev().find(|&k| needed(k) <= available).unwrap();
            prop_assert_eq!(growth.most(available, iterations), most);
            growth.advance(iterations);
            for extent in extents {
                growth.remove(extent + iterations * step);
            }
            prop_assert_eq!((growth.members, growth.extent), (0, 0));
            prop_assert!(growth.counts.iter().all(|&count| count == 0));
        }
    }
}
