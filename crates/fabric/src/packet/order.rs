//! Which transfers wait for which, turned around: what an arrival lets start.

use crate::schedule::Schedule;

/// Transfers by those that they wait for.
#[derive(Debug)]
pub(super) struct Order {
    /// Where the list of what waits for a transfer begins; one more at the end.
    first: Vec<u32>,
    behind: Vec<u32>,
    /// How many a transfer still waits for, and when the latest of the others arrived.
    awaits: Vec<u32>,
    since: Vec<u64>,
}

impl Order {
    pub(super) fn new(schedule: &Schedule) -> Self {
        let number = schedule.transfers().len();
        let mut first = vec![0_u32; number + 1];
        let mut awaits = vec![0_u32; number];
        for (awaited, transfer) in awaits.iter_mut().zip(0..) {
            let after = schedule.after(transfer);
            *awaited = after.len() as u32;
            for before in after {
                first[*before as usize + 1] += 1;
            }
        }
        for at in 0..number {
            first[at + 1] += first[at];
        }
        let mut next = first.clone();
        let mut behind = vec![0; first[number] as usize];
        for transfer in 0..number as u32 {
            for before in schedule.after(transfer) {
                let place = &mut next[*before as usize];
                behind[*place as usize] = transfer;
                *place += 1;
            }
        }
        Self {
            first,
            behind,
            awaits,
            since: vec![0; number],
        }
    }

    /// Transfers that wait for none, by number.
    pub(super) fn roots(&self) -> Vec<u32> {
        let all = 0..self.awaits.len() as u32;
        all.filter(|it| self.awaits[*it as usize] == 0).collect()
    }

    /// A transfer has arrived at a time: gives those that now wait for none, with the time that
    /// the last they waited for arrived at.
    pub(super) fn arrive(&mut self, transfer: u32, time: u64, mut free: impl FnMut(u32, u64)) {
        let at = transfer as usize;
        for place in self.first[at]..self.first[at + 1] {
            let next = self.behind[place as usize] as usize;
            self.since[next] = self.since[next].max(time);
            self.awaits[next] -= 1;
            if self.awaits[next] == 0 {
                free(next as u32, self.since[next]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chokepoint_units::{Bytes, Seconds};

    use super::Order;
    use crate::schedule::{Schedule, Transfer};

    #[test]
    fn the_latest_arrival_lets_the_next_start() {
        let mut schedule = Schedule::new(Seconds::new(0.0));
        let transfer = Transfer {
            from: 0,
            to: 1,
            size: Bytes::new(1.0),
        };
        let one = schedule.add(transfer, &[]);
        let two = schedule.add(transfer, &[]);
        let both = schedule.add(transfer, &[one, two]);
        let late = schedule.add(transfer, &[two]);
        let mut order = Order::new(&schedule);
        assert_eq!(order.roots(), [one, two]);
        let mut freed = Vec::new();
        order.arrive(two, 9, |it, since| freed.push((it, since)));
        assert_eq!(freed, [(late, 9)]);
        order.arrive(one, 5, |it, since| freed.push((it, since)));
        assert_eq!(freed, [(late, 9), (both, 9)]);
    }
}
