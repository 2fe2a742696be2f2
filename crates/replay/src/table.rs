//! A hash table from block ids to places: open addressing with linear probing, so that a lookup
//! is a few neighbouring words. It is never walked, so its order reaches no result.

use crate::random::mix;

const EMPTY: u32 = u32::MAX;

/// From a 64-bit id to a 32-bit place other than `u32::MAX`.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    slots: Vec<(u64, u32)>,
    used: usize,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self {
            slots: vec![(0, EMPTY); 16],
            used: 0,
        }
    }

    fn home(&self, id: u64) -> usize {
        mix(id) as usize & (self.slots.len() - 1)
    }

    fn next(&self, place: usize) -> usize {
        (place + 1) & (self.slots.len() - 1)
    }

    /// The slot of an id, or the empty one where it would go.
    fn slot(&self, id: u64) -> usize {
        let mut place = self.home(id);
        while self.slots[place].1 != EMPTY && self.slots[place].0 != id {
            place = self.next(place);
        }
        place
    }

    pub(crate) fn get(&self, id: u64) -> Option<u32> {
        let value = self.slots[self.slot(id)].1;
        (value != EMPTY).then_some(value)
    }

    /// Adds an id that is not there.
    pub(crate) fn insert(&mut self, id: u64, value: u32) {
        if self.used * 2 >= self.slots.len() {
            let larger = vec![(0, EMPTY); self.slots.len() * 2];
            let old = std::mem::replace(&mut self.slots, larger);
            for (id, value) in old.into_iter().filter(|slot| slot.1 != EMPTY) {
                let place = self.slot(id);
                self.slots[place] = (id, value);
            }
        }
        let place = self.slot(id);
        self.slots[place] = (id, value);
        self.used += 1;
    }

    /// Removes an id, closing the gap that it leaves in its row of neighbours.
    pub(crate) fn remove(&mut self, id: u64) {
        let mut gap = self.slot(id);
        if self.slots[gap].1 == EMPTY {
            return;
        }
        self.used -= 1;
        let mask = self.slots.len() - 1;
        let mut place = self.next(gap);
        while self.slots[place].1 != EMPTY {
            let home = self.home(self.slots[place].0);
            if (place.wrapping_sub(home) & mask) >= (place.wrapping_sub(gap) & mask) {
                self.slots[gap] = self.slots[place];
                gap = place;
            }
            place = self.next(place);
        }
        self.slots[gap].1 = EMPTY;
    }

    pub(crate) fn clear(&mut self) {
        self.slots.fill((0, EMPTY));
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::collections::btree_map::Entry;

    use proptest::prelude::*;

    use super::Table;

    proptest! {
        #[test]
        fn behaves_as_a_map(steps in proptest::collection::vec((0_u64..40, 0_u32..3), 0..400)) {
            let mut table = Table::new();
            let mut map = BTreeMap::new();
            for (id, action) in steps {
                if action == 0 {
                    table.remove(id);
                    map.remove(&id);
                } else if let Entry::Vacant(vacant) = map.entry(id) {
                    table.insert(id, action);
                    vacant.insert(action);
                }
                for id in 0..40 {
                    prop_assert_eq!(table.get(id), map.get(&id).copied());
                }
            }
        }
    }
}
