//! The earliest of the instances' next events: a winner tree, so that a change costs the
//! logarithm of the number of instances.

use crate::time::Femtos;

/// Times in the leaves, the earliest below in every other node.
#[derive(Debug)]
pub(crate) struct Tree {
    times: Vec<Femtos>,
    leaves: usize,
}

impl Tree {
    pub(crate) fn new(count: usize) -> Self {
        let leaves = count.next_power_of_two();
        Self {
            times: vec![Femtos::NEVER; 2 * leaves],
            leaves,
        }
    }

    /// The earliest time.
    pub(crate) fn earliest(&self) -> Femtos {
        self.times[1]
    }

    /// The first with the earliest time.
    pub(crate) fn first(&self) -> usize {
        let mut node = 1;
        while node < self.leaves {
            node *= 2;
            if self.times[node] > self.times[node + 1] {
                node += 1;
            }
        }
        node - self.leaves
    }

    /// Changes the time of one.
    pub(crate) fn set(&mut self, index: usize, time: Femtos) {
        let mut node = index + self.leaves;
        self.times[node] = time;
        while node > 1 {
            node /= 2;
            self.times[node] = self.times[2 * node].min(self.times[2 * node + 1]);
        }
    }
}
