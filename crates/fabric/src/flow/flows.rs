//! Flows as lists of the links that they take.

use crate::network::Network;

/// Flows, each with the links of its path and the number of like flows that it stands for.
///
/// A flow that lists a link twice loads it twice. A path without links has no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flows {
    /// Where the path of a flow begins in `links`; one more at the end.
    first: Vec<u32>,
    links: Vec<u32>,
    /// Like flows; empty where each flow stands for itself.
    copies: Vec<u64>,
}

impl Default for Flows {
    fn default() -> Self {
        Self::new()
    }
}

impl Flows {
    /// No flows.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(0, 0)
    }

    /// No flows, with room for a number of them and of links on all their paths.
    #[must_use]
    pub fn with_capacity(flows: usize, hops: usize) -> Self {
        let mut first = Vec::with_capacity(flows + 1);
        first.push(0);
        Self {
            first,
            links: Vec::with_capacity(hops),
            copies: Vec::new(),
        }
    }

    /// Adds a flow over the links of a path; its number, absent where numbers do not fit 32 bits.
    pub fn push(&mut self, path: &[u32]) -> Option<u32> {
        self.links.extend_from_slice(path);
        self.close()
    }

    /// Adds a number of like flows as one.
    pub fn push_copies(&mut self, path: &[u32], copies: u64) -> Option<u32> {
        self.copies.resize(self.len(), 1);
        self.copies.push(copies);
        self.links.extend_from_slice(path);
        self.close()
    }

    /// Adds a flow by the route of a network.
    pub fn push_route(
        &mut self,
        network: &(impl Network + ?Sized),
        from: u32,
        to: u32,
        choice: u64,
    ) -> Option<u32> {
        network.route(from, to, choice, &mut self.links);
        self.close()
    }

    fn close(&mut self) -> Option<u32> {
        let flow = u32::try_from(self.len()).ok()?;
        self.first.push(u32::try_from(self.links.len()).ok()?);
        if !self.copies.is_empty() {
            self.copies.resize(self.len(), 1);
        }
        Some(flow)
    }

    /// Flows, like ones counted once.
    #[must_use]
    pub fn len(&self) -> usize {
        self.first.len() - 1
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Links of a flow, in order.
    #[must_use]
    #[inline]
    pub fn path(&self, flow: u32) -> &[u32] {
        &self.links[self.span(flow)]
    }

    /// Where the path of a flow stands among all.
    #[inline]
    pub(super) fn span(&self, flow: u32) -> std::ops::Range<usize> {
        self.first[flow as usize] as usize..self.first[flow as usize + 1] as usize
    }

    /// Like flows that a flow stands for.
    #[must_use]
    #[inline]
    pub fn copies(&self, flow: u32) -> u64 {
        if self.copies.is_empty() {
            1
        } else {
            self.copies[flow as usize]
        }
    }

    /// The paths of all flows, one after another.
    pub(super) fn all_links(&self) -> &[u32] {
        &self.links
    }
}
