//! Room for keys and values on one instance, in blocks.
//!
//! Every block is free, in the prefix cache, or private to one request; the three add up to the
//! capacity. A hash block of the prefix cache takes `unit` blocks, and evicting it frees all.

use crate::prefix::{Hit, Prefix};

/// The block pool of an instance.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    capacity: u64,
    free: u64,
    /// Blocks for one hash block.
    unit: u64,
    pub(crate) prefix: Prefix,
    /// Fewest free blocks seen, those that could be evicted counted as free.
    least_available: u64,
    pub(crate) evicted: u64,
}

impl Pool {
    pub(crate) fn new(capacity: u64, unit: u64) -> Self {
        Self {
            capacity,
            free: capacity,
            unit,
            prefix: Prefix::new(),
            least_available: capacity,
            evicted: 0,
        }
    }

    /// Blocks that can be had now.
    pub(crate) fn available(&self) -> u64 {
        self.free + self.prefix.idle() * self.unit
    }

    /// Blocks in use by requests.
    pub(crate) fn used(&self) -> u64 {
        self.capacity - self.available()
    }

    /// Most blocks that requests used at once.
    pub(crate) fn most_used(&self) -> u64 {
        self.capacity - self.least_available
    }

    /// Blocks that a request would still find if it took these hits.
    pub(crate) fn available_beside(&self, hit: Hit) -> u64 {
        self.available().saturating_sub(hit.idle * self.unit)
    }

    /// Takes blocks, evicting cached ones as needed; the caller has seen that they are available.
    pub(crate) fn take(&mut self, blocks: u64) {
        while self.free < blocks && self.prefix.evict() {
            self.free += self.unit;
            self.evicted += 1;
        }
        self.free -= blocks;
        self.least_available = self.least_available.min(self.available());
    }

    /// Takes references to cached blocks.
    pub(crate) fn hold(&mut self, ids: &[u64], held: &mut Vec<u32>) {
        self.prefix.hold(ids, held);
        self.least_available = self.least_available.min(self.available());
    }

    /// Gives back `blocks` of a request, those held in the cache included.
    pub(crate) fn give(&mut self, blocks: u64, held: &mut Vec<u32>) {
        self.free += blocks - held.len() as u64 * self.unit;
        self.prefix.release(held);
    }

    /// Blocks for one hash block.
    pub(crate) fn unit(&self) -> u64 {
        self.unit
    }

    /// Whether free and cached blocks add up to all of them: so it must be without requests.
    #[cfg(test)]
    pub(crate) fn all_counted(&self) -> bool {
        self.free + self.prefix.blocks() * self.unit == self.capacity
    }

    /// Loses everything.
    pub(crate) fn clear(&mut self) {
        self.free = self.capacity;
        self.prefix.clear();
    }
}
