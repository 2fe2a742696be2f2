//! Rings.

use super::builder::{Builder, Part, Then};
use super::{Collective, Ranks};

impl Builder<'_> {
    /// Around one ring, or one for each rail where there are several domains, each with its share of
    /// every rank's part.
    pub(super) fn ring(&mut self, collective: Collective) -> Option<()> {
        if self.ranks.number() < 2 {
            return None;
        }
        for slice in 0..self.slices {
            let slice = self.slice(slice);
            let rings = rails(self.ranks);
            for rail in 0..rings {
                let order = order(self.ranks, rail);
                let ready = vec![Vec::new(); order.len()];
                self.begin(rail);
                self.around((&order, (rail, rings)), slice, collective, &ready);
            }
        }
        Some(())
    }

    /// One ring of several, which shares every piece with the others; each place waits for what
    /// `ready` names before it first sends. What must have arrived at each place for it to have its
    /// result, by place.
    ///
    /// In step s of scattering place i sends piece i - s - 1 on, so that it ends with the sum of
    /// piece i; in step s of gathering it sends piece i - s.
    pub(super) fn around(
        &mut self,
        (order, share): (&[u32], (u32, u32)),
        part: Part,
        collective: Collective,
        ready: &[Vec<u32>],
    ) -> Vec<Vec<u32>> {
        let order = (order, share);
        let places = order.0.len() as u32;
        let mut arrived = ready.to_vec();
        if collective != Collective::AllGather {
            for step in 0..places - 1 {
                arrived = self.turn(order, part, (step + 1, Then::Sum), &arrived);
                // What a place sums what arrives with.
                for (now, ready) in arrived.iter_mut().zip(ready) {
                    now.extend(ready);
                }
            }
        }
        if collective == Collective::ReduceScatter {
            return arrived;
        }
        let mut all = arrived.clone();
        for step in 0..places - 1 {
            arrived = self.turn(order, part, (step, Then::Copy), &arrived);
            for (all, now) in all.iter_mut().zip(&arrived) {
                all.extend(now);
            }
        }
        all
    }

    /// One step: place i sends the piece so far behind its own. What arrived at each place.
    fn turn(
        &mut self,
        (order, (rail, rings)): (&[u32], (u32, u32)),
        part: Part,
        (behind, then): (u32, Then),
        arrived: &[Vec<u32>],
    ) -> Vec<Vec<u32>> {
        let places = order.len() as u32;
        let mut next = vec![Vec::new(); order.len()];
        for place in 0..places {
            let to = (place + 1) % places;
            let piece = (place + places - behind) % places;
            let sent = self.pass(
                (order[place as usize], order[to as usize]),
                part.piece(self.owner(order, piece), places)
                    .piece(rail, rings),
                then,
                &arrived[place as usize],
            );
            next[to as usize] = vec![sent];
        }
        next
    }

    /// The piece of a message that the rank at a place of a ring owns: where all ranks go around,
    /// the one of its number.
    fn owner(&self, order: &[u32], place: u32) -> u32 {
        if order.len() as u32 == self.ranks.number() {
            order[place as usize]
        } else {
            place
        }
    }
}

/// How many rings use all rails.
fn rails(ranks: &Ranks) -> u32 {
    if ranks.domains() > 1 {
        ranks.inside()
    } else {
        1
    }
}

/// The order of one ring: it leaves a domain on the rail on which it enters the next, so that it
/// runs through every other domain backwards.
fn order(ranks: &Ranks, rail: u32) -> Vec<u32> {
    let inside = ranks.inside();
    let mut order = Vec::with_capacity(ranks.number() as usize);
    for domain in 0..ranks.domains() {
        let there = (0..inside).map(|at| (rail + at) % inside);
        let first = domain * inside;
        if domain % 2 == 0 {
            order.extend(there.map(|local| first + local));
        } else {
            order.extend(there.rev().map(|local| first + local));
        }
    }
    order
}
