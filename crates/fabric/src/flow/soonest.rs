//! The earliest of many times, each of which may change: a tree of minima.

/// Times by number, with the earliest at the root.
#[derive(Debug)]
pub(super) struct Soonest {
    /// A full binary tree, root at 1; the times are its leaves.
    node: Vec<f64>,
    leaves: usize,
}

impl Soonest {
    /// A number of times, all never.
    pub(super) fn new(times: usize) -> Self {
        let leaves = times.next_power_of_two();
        Self {
            node: vec![f64::INFINITY; 2 * leaves],
            leaves,
        }
    }

    /// One time.
    pub(super) fn get(&self, number: u32) -> f64 {
        self.node[self.leaves + number as usize]
    }

    /// The earliest time.
    pub(super) fn first(&self) -> f64 {
        self.node[1]
    }

    /// Changes a time.
    pub(super) fn set(&mut self, number: u32, time: f64) {
        let mut at = self.leaves + number as usize;
        self.node[at] = time;
        while at > 1 {
            at /= 2;
            let least = self.node[2 * at].min(self.node[2 * at + 1]);
            if self.node[at].to_bits() == least.to_bits() {
                break;
            }
            self.node[at] = least;
        }
    }

    /// Changes a time and leaves the minima to `settle`.
    pub(super) fn set_loose(&mut self, number: u32, time: f64) {
        self.node[self.leaves + number as usize] = time;
    }

    /// Takes all minima anew.
    pub(super) fn settle(&mut self) {
        for at in (1..self.leaves).rev() {
            self.node[at] = self.node[2 * at].min(self.node[2 * at + 1]);
        }
    }

    /// Whether so many changes are cheaper one by one than with `settle`.
    pub(super) fn few(&self, changes: usize) -> bool {
        changes * (self.leaves.ilog2() as usize + 1) < self.leaves
    }

    /// Appends the numbers of times up to one, in order of number.
    pub(super) fn until(&self, time: f64, numbers: &mut Vec<u32>) {
        let mut open = vec![1];
        while let Some(at) = open.pop() {
            if self.node[at] > time || self.node[at].is_infinite() {
                continue;
            }
            if at >= self.leaves {
                numbers.push((at - self.leaves) as u32);
            } else {
                open.push(2 * at + 1);
                open.push(2 * at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Soonest;

    #[test]
    fn the_earliest_stands_at_the_root() {
        let mut soonest = Soonest::new(5);
        for (number, time) in [(0, 3.0), (1, 1.0), (4, 2.0)] {
            soonest.set(number, time);
        }
        let mut numbers = Vec::new();
        soonest.until(2.0, &mut numbers);
        assert_eq!((soonest.first(), numbers), (1.0, vec![1, 4]));
        soonest.set(1, f64::INFINITY);
        soonest.set_loose(4, 4.0);
        soonest.settle();
        assert_eq!((soonest.first(), soonest.get(4)), (3.0, 4.0));
    }

    #[test]
    fn a_single_time_is_its_own_root() {
        let mut soonest = Soonest::new(1);
        soonest.set(0, 2.0);
        assert_eq!(soonest.first().to_bits(), 2.0_f64.to_bits());
        soonest.set(0, 3.0);
        soonest.settle();
        assert_eq!(soonest.first().to_bits(), 3.0_f64.to_bits());
    }
}
