//! The prefix cache of one instance: blocks of prompts that requests share.
//!
//! A hash block is a fixed number of tokens of a prompt, with an id that stands for it and all
//! before it (as the ids of the Mooncake traces do). Requests that use a block hold a reference;
//! a block without references stays until its room is needed, the least recently used first.
//! A request lets go of its blocks from the last to the first, so the tail of a prompt goes
//! before its head (as in vLLM).

use crate::table::Table;

const NONE: u32 = u32::MAX;

/// A cached block.
#[derive(Debug, Clone, Copy)]
struct Entry {
    id: u64,
    references: u32,
    /// Neighbours among the blocks without references, from the least to the most recently used.
    older: u32,
    newer: u32,
}

/// All cached blocks.
#[derive(Debug, Clone)]
pub(crate) struct Prefix {
    places: Table,
    entries: Vec<Entry>,
    unused: Vec<u32>,
    oldest: u32,
    newest: u32,
    /// Blocks without references.
    idle: u64,
}

/// What the cache holds of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Hit {
    /// Leading blocks that are there.
    pub(crate) blocks: usize,
    /// Those of them that no request holds.
    pub(crate) idle: u64,
}

impl Prefix {
    pub(crate) fn new() -> Self {
        Self {
            places: Table::new(),
            entries: Vec::new(),
            unused: Vec::new(),
            oldest: NONE,
            newest: NONE,
            idle: 0,
        }
    }

    /// Blocks that can be evicted.
    pub(crate) fn idle(&self) -> u64 {
        self.idle
    }

    /// What is there of a prompt.
    pub(crate) fn find(&self, ids: &[u64]) -> Hit {
        let mut hit = Hit::default();
        for &id in ids {
            let Some(place) = self.places.get(id) else {
                break;
            };
            hit.blocks += 1;
            hit.idle += u64::from(self.entries[place as usize].references == 0);
        }
        hit
    }

    /// Takes references to blocks that are there.
    pub(crate) fn hold(&mut self, ids: &[u64], held: &mut Vec<u32>) {
        for &id in ids {
            let Some(place) = self.places.get(id) else {
                break;
            };
            if self.entries[place as usize].references == 0 {
                self.unlink(place);
            }
            self.entries[place as usize].references += 1;
            held.push(place);
        }
    }

    /// Gives references back, the last first.
    pub(crate) fn release(&mut self, held: &mut Vec<u32>) {
        while let Some(place) = held.pop() {
            let entry = &mut self.entries[place as usize];
            entry.references -= 1;
            if entry.references == 0 {
                self.link(place);
            }
        }
    }

    /// Enters a block that a request has just computed and holds, unless its id is there.
    pub(crate) fn enter(&mut self, id: u64, held: &mut Vec<u32>) -> bool {
        if self.places.get(id).is_some() {
            return false;
        }
        let entry = Entry {
            id,
            references: 1,
            older: NONE,
            newer: NONE,
        };
        let place = if let Some(place) = self.unused.pop() {
            self.entries[place as usize] = entry;
            place
        } else {
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        };
        self.places.insert(id, place);
        held.push(place);
        true
    }

    /// Drops the least recently used block without references.
    pub(crate) fn evict(&mut self) -> bool {
        let place = self.oldest;
        if place == NONE {
            return false;
        }
        self.unlink(place);
        self.places.remove(self.entries[place as usize].id);
        self.unused.push(place);
        true
    }

    /// Cached blocks, held or not.
    #[cfg(test)]
    pub(crate) fn blocks(&self) -> u64 {
        (self.entries.len() - self.unused.len()) as u64
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.places.clear();
        self.entries.clear();
        self.unused.clear();
        self.oldest = NONE;
        self.newest = NONE;
        self.idle = 0;
    }

    /// Adds a block as the most recently used without references.
    fn link(&mut self, place: u32) {
        let newest = self.newest;
        let entry = &mut self.entries[place as usize];
        entry.older = newest;
        entry.newer = NONE;
        if newest == NONE {
            self.oldest = place;
        } else {
            self.entries[newest as usize].newer = place;
        }
        self.newest = place;
        self.idle += 1;
    }

    /// Takes a block out of those without references.
    fn unlink(&mut self, place: u32) {
        let Entry { older, newer, .. } = self.entries[place as usize];
        if older == NONE {
            self.oldest = newer;
        } else {
            self.entries[older as usize].newer = newer;
        }
        if newer == NONE {
            self.newest = older;
        } else {
            self.entries[newer as usize].older = older;
        }
        self.idle -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Hit, Prefix};

    #[test]
    fn tails_go_before_heads_and_held_blocks_stay() {
        let mut cache = Prefix::new();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for id in [1, 2, 3] {
            assert!(cache.enter(id, &mut first));
        }
        assert!(
            !cache.enter(2, &mut second),
            "the copy stays with its request"
        );
        cache.hold(&[1, 9], &mut second);
        assert_eq!(second.len(), 1);
        cache.release(&mut first);
        assert_eq!(cache.idle(), 2);
        assert_eq!(cache.find(&[1, 2, 3]), Hit { blocks: 3, idle: 2 });
        assert!(cache.evict());
        assert_eq!(cache.find(&[1, 2, 3]), Hit { blocks: 2, idle: 1 });
        assert!(cache.evict());
        assert!(!cache.evict(), "block 1 is held");
        assert_eq!(cache.find(&[1, 2, 3]), Hit { blocks: 1, idle: 0 });
    }
}
