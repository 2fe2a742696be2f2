//! A collective as transfers, which every simulator runs.

use chokepoint_units::{Bytes, Seconds};

/// Bytes from one vertex of a network to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transfer {
    /// Where from: a chip, or a switch that reduces.
    pub from: u32,
    /// Where to.
    pub to: u32,
    /// How much.
    pub size: Bytes,
}

/// Transfers, each of which starts when those that it waits for have arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    transfers: Vec<Transfer>,
    /// Where the list of what a transfer waits for begins in `awaited`; one more at the end.
    first: Vec<u32>,
    awaited: Vec<u32>,
    /// Software time between the arrival of what a transfer waits for and its start.
    pub start: Seconds,
}

impl Schedule {
    /// No transfers; each will take a time to start.
    #[must_use]
    pub fn new(start: Seconds) -> Self {
        Self {
            transfers: Vec::new(),
            first: vec![0],
            awaited: Vec::new(),
            start,
        }
    }

    /// Adds a transfer that waits for earlier ones; its number.
    pub fn add(&mut self, transfer: Transfer, after: &[u32]) -> u32 {
        debug_assert!(
            after.iter().all(|it| (*it as usize) < self.transfers.len()),
            "a transfer waits for earlier ones"
        );
        self.transfers.push(transfer);
        self.awaited.extend_from_slice(after);
        self.first.push(self.awaited.len() as u32);
        self.transfers.len() as u32 - 1
    }

    /// Adds the transfers of another schedule, which wait for each other alone.
    pub fn append(&mut self, other: &Self) {
        let (before, awaited) = (self.transfers.len() as u32, self.awaited.len() as u32);
        self.transfers.extend_from_slice(&other.transfers);
        self.awaited
            .extend(other.awaited.iter().map(|it| it + before));
        self.first
            .extend(other.first[1..].iter().map(|it| it + awaited));
    }

    /// All transfers, by number.
    #[must_use]
    pub fn transfers(&self) -> &[Transfer] {
        &self.transfers
    }

    /// What a transfer waits for.
    #[must_use]
    pub fn after(&self, transfer: u32) -> &[u32] {
        let at = transfer as usize;
        &self.awaited[self.first[at] as usize..self.first[at + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_remember_what_they_wait_for() {
        let mut schedule = Schedule::new(Seconds::new(1e-6));
        let transfer = Transfer {
            from: 0,
            to: 1,
            size: Bytes::new(8.0),
        };
        let one = schedule.add(transfer, &[]);
        let two = schedule.add(transfer, &[]);
        let last = schedule.add(transfer, &[one, two]);
        assert_eq!(schedule.after(last), [one, two]);
        assert!(schedule.after(two).is_empty());
        assert_eq!(schedule.transfers().len(), 3);
        let mut both = schedule.clone();
        both.append(&schedule);
        assert_eq!(both.transfers().len(), 6);
        assert_eq!(both.after(5), [3, 4]);
        assert_eq!(both.after(2), [0, 1]);
    }
}
