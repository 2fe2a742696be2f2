//! All-to-all, even and uneven, and the dispatch of tokens to experts.

use chokepoint_units::{Bytes, Seconds};

use super::Ranks;
use super::builder::Builder;
use crate::schedule::Schedule;

impl Builder<'_> {
    /// Every rank to every other.
    pub(super) fn all_to_all(&mut self) -> Option<()> {
        let ranks = self.ranks.number();
        if ranks < 2 {
            return None;
        }
        let size = self.bytes(self.whole()) / f64::from(ranks);
        self.pairs(|_, _| size);
        Some(())
    }

    /// Every rank to every other, in steps between neighbours ever farther.
    fn pairs(&mut self, size: impl Fn(u32, u32) -> Bytes) {
        let ranks = self.ranks.number();
        for step in 1..ranks {
            for from in 0..ranks {
                let to = (from + step) % ranks;
                let size = size(from, to);
                if size > Bytes::ZERO {
                    let chips = (self.ranks.chip(from), self.ranks.chip(to));
                    self.send_bytes(chips, size, &[]);
                }
            }
        }
    }

    /// What goes to another domain is handed to the peer on the receiver's rail first, which sends
    /// what all of its domain have for that receiver (PXN).
    pub(super) fn rail_aligned(&mut self) -> Option<()> {
        let (inside, domains) = (self.ranks.inside(), self.ranks.domains());
        if domains < 2 || inside < 2 {
            return None;
        }
        let size = self.bytes(self.whole()) / f64::from(self.ranks.number());
        for domain in 0..domains {
            let first = domain * inside;
            for rail in 0..inside {
                let peer = first + rail;
                // What stays in the domain goes along with what is to be sent on.
                let mut handed = Vec::with_capacity(inside as usize);
                for from in (first..first + inside).filter(|from| *from != peer) {
                    let chips = (self.ranks.chip(from), self.ranks.chip(peer));
                    handed.push(self.send_bytes(chips, size * f64::from(domains), &[]));
                }
                for step in 1..domains {
                    let to = (domain + step) % domains * inside + rail;
                    let chips = (self.ranks.chip(peer), self.ranks.chip(to));
                    self.send_bytes(chips, size * f64::from(inside), &handed);
                }
            }
        }
        Some(())
    }

    /// Every rank to the next.
    pub(super) fn send_receive(&mut self) -> Option<()> {
        let ranks = self.ranks.number();
        if ranks < 2 {
            return None;
        }
        let size = self.bytes(self.whole());
        for from in 0..ranks {
            let chips = (self.ranks.chip(from), self.ranks.chip((from + 1) % ranks));
            self.send_bytes(chips, size, &[]);
        }
        Some(())
    }
}

/// Every rank to every other, `size` bytes from one to another; nothing is sent where it is zero.
/// Absent where ranks are too many to number.
#[must_use]
pub fn uneven_all_to_all(
    ranks: &Ranks,
    start: Seconds,
    size: impl Fn(u32, u32) -> Bytes,
) -> Option<Schedule> {
    let mut builder = Builder::new(ranks, Bytes::ZERO, 1, start)?;
    builder.pairs(size);
    Some(builder.into_schedule())
}

/// How tokens are dispatched to experts on all ranks.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatching {
    /// Tokens of a rank.
    pub tokens: f64,
    /// Bytes of a token.
    pub token: Bytes,
    /// Chance that a token goes to a rank, by rank: top-k / ranks where experts are equally hot.
    pub hits: Vec<f64>,
    /// Chance that it goes to any rank of a domain, by domain.
    pub domains: Vec<f64>,
    /// Whether each token goes to a domain once, to the peer of the sender there, and is copied
    /// inside it (`DeepEP` normal kernels); else to each rank straight (low-latency kernels).
    pub once_a_domain: bool,
}

/// Dispatch of tokens: one copy for each rank that has one of its experts, or one for each domain
/// and from there to its ranks. Combining takes the same way back. Absent where ranks are too many to
/// number.
#[must_use]
pub fn dispatch(ranks: &Ranks, start: Seconds, how: &Dispatching) -> Option<Schedule> {
    let sent = |chance: f64| how.token * (how.tokens * chance);
    if !how.once_a_domain || ranks.domains() < 2 {
        return uneven_all_to_all(ranks, start, |_, to| sent(how.hits[to as usize]));
    }
    let mut builder = Builder::new(ranks, Bytes::ZERO, 1, start)?;
    let (inside, domains) = (ranks.inside(), ranks.domains());
    for step in 0..domains {
        for from in 0..ranks.number() {
            let domain = (from / inside + step) % domains;
            let peer = domain * inside + from % inside;
            let mut arrived = Vec::new();
            if step > 0 {
                let size = sent(how.domains[domain as usize]);
                let chips = (ranks.chip(from), ranks.chip(peer));
                arrived.push(builder.send_bytes(chips, size, &[]));
            }
            for to in (domain * inside..(domain + 1) * inside).filter(|to| *to != peer) {
                let size = sent(how.hits[to as usize]);
                if size > Bytes::ZERO {
                    let chips = (ranks.chip(peer), ranks.chip(to));
                    builder.send_bytes(chips, size, &arrived);
                }
            }
        }
    }
    Some(builder.into_schedule())
}
