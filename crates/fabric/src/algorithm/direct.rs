//! Every rank to every other at once, and over the switch that joins them.

use super::Collective;
use super::builder::{Builder, Part, Then};

/// Between the stages of pieces that pass a switch, each of which queues apart: beyond all others.
const PIECES: u32 = 16;

impl Builder<'_> {
    /// Each sends every other its part, and every other the sum of its own.
    pub(super) fn direct(&mut self, collective: Collective) -> Option<()> {
        let ranks: Vec<u32> = (0..self.ranks.number()).collect();
        if ranks.len() < 2 {
            return None;
        }
        for slice in 0..self.slices {
            let part = self.slice(slice);
            let ready = vec![Vec::new(); ranks.len()];
            self.direct_among(&ranks, part, collective, &ready);
        }
        Some(())
    }

    /// The same among some ranks, the pieces of which are as many; what arrived at each.
    pub(super) fn direct_among(
        &mut self,
        ranks: &[u32],
        part: Part,
        collective: Collective,
        ready: &[Vec<u32>],
    ) -> Vec<Vec<u32>> {
        let mut arrived = ready.to_vec();
        if collective != Collective::AllGather {
            arrived = self.all_pairs(ranks, &arrived, |_, to| (to, Then::Sum), part);
        }
        if collective != Collective::ReduceScatter {
            arrived = self.all_pairs(ranks, &arrived, |from, _| (from, Then::Copy), part);
        }
        arrived
    }

    /// Every rank sends a piece to every other, nearest first.
    fn all_pairs(
        &mut self,
        ranks: &[u32],
        arrived: &[Vec<u32>],
        what: impl Fn(u32, u32) -> (u32, Then),
        part: Part,
    ) -> Vec<Vec<u32>> {
        let number = ranks.len() as u32;
        let mut next = arrived.to_vec();
        for step in 1..number {
            for from in 0..number {
                let to = (from + step) % number;
                let (piece, then) = what(from, to);
                let sent = self.pass(
                    (ranks[from as usize], ranks[to as usize]),
                    part.piece(piece, number),
                    then,
                    &arrived[from as usize],
                );
                next[to as usize].push(sent);
            }
        }
        next
    }

    /// Over the switch of one domain, which sums what all send up and copies what one sends up
    /// down to all (NVLS): a rank sends the whole message up and gets its part of the sum, and
    /// sends that up and gets the whole.
    pub(super) fn in_switch(&mut self, collective: Collective) -> Option<()> {
        if self.ranks.domains() > 1 || self.ranks.number() < 2 {
            return None;
        }
        let ranks: Vec<u32> = (0..self.ranks.number()).collect();
        for slice in 0..self.slices {
            let part = self.slice(slice);
            let ready = vec![Vec::new(); ranks.len()];
            if collective == Collective::Broadcast {
                let switch = self.ranks.switch(0)?;
                let up = self.send((self.ranks.chip(0), switch), part, Then::Copy, &[]);
                for rank in &ranks[1..] {
                    self.send((switch, self.ranks.chip(*rank)), part, Then::Copy, &[up]);
                }
            } else {
                self.in_switch_among((0, &ranks), part, collective, &ready)?;
            }
        }
        Some(())
    }

    /// The same among the ranks of a domain, the pieces of which are as many; what arrived at each.
    pub(super) fn in_switch_among(
        &mut self,
        (domain, ranks): (u32, &[u32]),
        part: Part,
        collective: Collective,
        ready: &[Vec<u32>],
    ) -> Option<Vec<Vec<u32>>> {
        let switch = self.ranks.switch(domain)?;
        let (number, stage) = (ranks.len() as u32, self.stage());
        let mut arrived = ready.to_vec();
        if collective != Collective::AllGather {
            let mut next = Vec::with_capacity(ranks.len());
            for (piece, owner) in (0..).zip(ranks) {
                self.begin(stage + PIECES * (2 * piece + 1));
                let piece = part.piece(piece, number);
                let mut up = Vec::with_capacity(ranks.len());
                for (rank, after) in ranks.iter().zip(&arrived) {
                    let chip = self.ranks.chip(*rank);
                    up.push(self.send((chip, switch), piece, Then::Sum, after));
                }
                let chip = self.ranks.chip(*owner);
                next.push(vec![self.send((switch, chip), piece, Then::Copy, &up)]);
            }
            arrived = next;
        }
        if collective != Collective::ReduceScatter {
            let mut next = arrived.clone();
            for (piece, owner) in ranks.iter().enumerate() {
                self.begin(stage + PIECES * (2 * piece as u32 + 2));
                let part = part.piece(piece as u32, number);
                let chip = self.ranks.chip(*owner);
                let up = self.send((chip, switch), part, Then::Copy, &arrived[piece]);
                for (at, rank) in ranks.iter().enumerate().filter(|(_, rank)| *rank != owner) {
                    let chip = self.ranks.chip(*rank);
                    next[at].push(self.send((switch, chip), part, Then::Copy, &[up]));
                }
            }
            arrived = next;
        }
        self.begin(stage);
        Some(arrived)
    }
}
