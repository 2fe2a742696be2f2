//! Progressive filling, link by link (Bertsekas and Gallager 1992, section 6.5.2).
//!
//! All waiting flows rise together. The link with the smallest share is full first, at that level;
//! its waiting flows keep that rate and leave its other links. A flow may have a cap of its own
//! besides. Shares only rise while flows leave at lower rates, so a key in the heap is never too
//! high and is looked at again only when it comes to the top.
//!
//! A flow's rate is the lowest level among its links, so rates are read off afterwards, flow by
//! flow; only a bit of each flow is touched out of order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::bits::Bits;
use super::flows::Flows;
use super::load::Load;

/// Which flows take a link.
pub(super) trait Members {
    /// Takes waiting flows over a link, in any order, and calls back with each and its path, until
    /// told that there are no more.
    fn stop(&self, link: u32, waiting: &mut Bits, stop: impl FnMut(u32, &[u32]) -> bool);
}

/// A cap on the rate of a flow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cap {
    pub(super) rate: f64,
    pub(super) flow: u32,
    /// When the flow ends, were it not for the cap.
    pub(super) end: f64,
}

/// Links by their share, smallest first, lower number first; keys are bits of shares from 0.
pub(super) type Shares = BinaryHeap<Reverse<(u64, u32)>>;

/// Flows that rise to their rates.
pub(super) struct Filling<'a> {
    pub(super) flows: &'a Flows,
    pub(super) loads: &'a mut [Load],
    /// Flows without a rate.
    pub(super) waiting: &'a mut Bits,
    /// Rate at which each link was full; infinite before.
    pub(super) level: &'a mut [f64],
}

impl Filling<'_> {
    /// Fills the links in the heap until no flow over them waits. Caps are in rising order; those
    /// that stopped their flow are appended to `capped`.
    pub(super) fn fill(
        &mut self,
        shares: &mut Shares,
        members: &impl Members,
        caps: &[Cap],
        capped: &mut Vec<Cap>,
    ) {
        let mut level = 0.0;
        let mut caps = caps.iter().peekable();
        while let Some(mut top) = shares.peek_mut() {
            let Reverse((key, link)) = *top;
            let load = &self.loads[link as usize];
            if load.waiting == 0 {
                PeekMut::pop(top);
                continue;
            }
            if let Some(cap) = caps.next_if(|cap| cap.rate < f64::from_bits(key)) {
                drop(top);
                if self.waiting.contains(cap.flow) {
                    self.waiting.remove(cap.flow);
                    level = cap.rate.max(level);
                    let path = self.flows.path(cap.flow);
                    take(self.loads, path, level, self.flows.copies(cap.flow));
                    capped.push(Cap {
                        rate: level,
                        ..*cap
                    });
                }
                continue;
            }
            let share = load.share().max(level);
            if share.to_bits() > key {
                *top = Reverse((share.to_bits(), link));
                continue;
            }
            PeekMut::pop(top);
            level = share;
            self.level[link as usize] = share;
            let (loads, flows) = (&mut *self.loads, self.flows);
            members.stop(link, self.waiting, |flow, path| {
                take(loads, path, share, flows.copies(flow));
                loads[link as usize].waiting > 0
            });
        }
    }
}

/// Copies of a flow keep a rate on each link of their path.
#[inline]
pub(super) fn take(loads: &mut [Load], path: &[u32], rate: f64, copies: u64) {
    for link in path {
        loads[*link as usize].take(rate, copies);
    }
}

/// The lowest level on a path.
#[inline]
pub(super) fn lowest(level: &[f64], path: &[u32]) -> f64 {
    path.iter().fold(f64::INFINITY, |lowest, link| {
        let here = level[*link as usize];
        if here < lowest { here } else { lowest }
    })
}
