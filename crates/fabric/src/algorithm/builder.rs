//! Transfers of units of a message between ranks, and what they wait for.

use std::collections::BTreeMap;

use chokepoint_units::{Bytes, Seconds};

use super::Ranks;
use crate::schedule::{Schedule, Transfer};

/// Some units of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub first: u32,
    pub count: u32,
}

impl Part {
    /// One of a number of equal pieces.
    pub fn piece(self, at: u32, of: u32) -> Self {
        let count = self.count / of;
        Self {
            first: self.first + at * count,
            count,
        }
    }

    /// Some of a number of equal pieces.
    pub fn pieces(self, from: u32, count: u32, of: u32) -> Self {
        let each = self.count / of;
        Self {
            first: self.first + from * each,
            count: each * count,
        }
    }
}

/// What a receiver does with what arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Sum,
    Copy,
}

/// A schedule in the making.
pub(super) struct Builder<'a> {
    pub ranks: &'a Ranks,
    pub slices: u32,
    unit: Bytes,
    whole: Part,
    schedule: Schedule,
    /// What the transfers that follow are part of: those of one part between two vertices go one
    /// behind the other.
    stage: u32,
    /// The last two transfers of a stage from one vertex to another.
    queues: BTreeMap<(u32, u32, u32), (Option<u32>, u32)>,
    #[cfg(test)]
    pub moved: Vec<(Part, Then)>,
}

impl<'a> Builder<'a> {
    /// Units enough that every slice cuts into two halves, a part for each rail, a part for each
    /// rank and for each of the largest power of two of ranks; absent where they are too many to
    /// number.
    pub fn new(ranks: &'a Ranks, size: Bytes, slices: u32, start: Seconds) -> Option<Self> {
        let each = ranks.number().checked_mul(ranks.inside())?;
        let core = 1 << ranks.number().ilog2();
        let cuts = if core < ranks.number() { 2 * core } else { 2 };
        let count = each.checked_mul(slices)?.checked_mul(cuts)?;
        Some(Self {
            ranks,
            slices,
            unit: size / f64::from(count),
            whole: Part { first: 0, count },
            schedule: Schedule::new(start),
            stage: 0,
            queues: BTreeMap::new(),
            #[cfg(test)]
            moved: Vec::new(),
        })
    }

    pub fn into_schedule(self) -> Schedule {
        self.schedule
    }

    /// The whole message.
    pub const fn whole(&self) -> Part {
        self.whole
    }

    /// Size of a part.
    pub fn bytes(&self, part: Part) -> Bytes {
        self.unit * f64::from(part.count)
    }

    /// One slice of the message.
    pub fn slice(&self, at: u32) -> Part {
        self.whole.piece(at, self.slices)
    }

    /// The stage at hand.
    pub const fn stage(&self) -> u32 {
        self.stage
    }

    /// Begins the transfers of a stage, which queue apart from those of others.
    pub const fn begin(&mut self, stage: u32) {
        self.stage = stage;
    }

    /// From a vertex to another; the transfer's number. Two transfers of a stage are under way from
    /// one vertex to another at once, so that the second hides the latency of the first; further
    /// ones wait.
    pub fn send(&mut self, (from, to): (u32, u32), part: Part, then: Then, after: &[u32]) -> u32 {
        #[cfg(test)]
        self.moved.push((part, then));
        #[cfg(not(test))]
        let _ = then;
        let transfer = Transfer {
            from,
            to,
            size: self.bytes(part),
        };
        let queue = self.queues.get(&(self.stage, from, to)).copied();
        let number = match queue {
            Some((Some(earlier), _)) if !after.contains(&earlier) => {
                self.schedule.add(transfer, &[after, &[earlier]].concat())
            }
            _ => self.schedule.add(transfer, after),
        };
        let last = queue.map(|(_, last)| last);
        self.queues.insert((self.stage, from, to), (last, number));
        number
    }

    /// Bytes that are no part of one message, as in an exchange of parts of different sizes.
    pub fn send_bytes(&mut self, (from, to): (u32, u32), size: Bytes, after: &[u32]) -> u32 {
        self.schedule.add(Transfer { from, to, size }, after)
    }

    /// From a rank to another.
    pub fn pass(&mut self, (from, to): (u32, u32), part: Part, then: Then, after: &[u32]) -> u32 {
        let chips = (self.ranks.chip(from), self.ranks.chip(to));
        self.send(chips, part, then, after)
    }

    #[cfg(test)]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }
}
