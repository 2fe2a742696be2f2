//! Binary trees.

use super::Collective;
use super::builder::{Builder, Part, Then};

/// Stages of the first tree; that of the second follows.
const TREES: u32 = 3;

/// A binary tree over places in order, whose leaves are the places of even number.
struct Tree {
    root: u32,
    children: Vec<Vec<u32>>,
    /// Children before their parents.
    upwards: Vec<u32>,
}

impl Tree {
    /// The tree of a number of places: on the left of a place is the largest full tree that leaves
    /// a place for itself.
    fn of(places: u32) -> Self {
        let mut tree = Self {
            root: 0,
            children: vec![Vec::new(); places as usize],
            upwards: Vec::with_capacity(places as usize),
        };
        let mut open = vec![(0, places, None)];
        while let Some((from, to, parent)) = open.pop() {
            if from == to {
                continue;
            }
            let place = from + (1 << (to - from).ilog2()) - 1;
            tree.upwards.push(place);
            match parent {
                Some(parent) => tree.children[parent as usize].push(place),
                None => tree.root = place,
            }
            open.push((from, place, Some(place)));
            open.push((place + 1, to, Some(place)));
        }
        tree.upwards.reverse();
        tree
    }
}

impl Builder<'_> {
    /// Over all ranks, by one tree or two.
    pub(super) fn trees(&mut self, collective: Collective, double: bool) -> Option<()> {
        let ranks = self.ranks.number();
        if ranks < 2 {
            return None;
        }
        let order: Vec<u32> = (0..ranks).collect();
        for slice in 0..self.slices {
            let slice = self.slice(slice);
            let ready = vec![Vec::new(); ranks as usize];
            if double {
                self.two_trees(&order, slice, collective, &ready);
            } else {
                self.one_tree((&order, 0), slice, collective, &ready);
            }
        }
        Some(())
    }

    /// Half of a part over each of two trees; the second has every rank one place on, so that inner
    /// ranks of one are leaves of the other. What arrived last at each rank, by its number in
    /// `order`.
    pub(super) fn two_trees(
        &mut self,
        order: &[u32],
        part: Part,
        collective: Collective,
        ready: &[Vec<u32>],
    ) -> Vec<Vec<u32>> {
        let mut arrived = self.one_tree((order, 0), part.piece(0, 2), collective, ready);
        let other = self.one_tree((order, 1), part.piece(1, 2), collective, ready);
        for (all, other) in arrived.iter_mut().zip(other) {
            all.extend(other);
        }
        arrived
    }

    /// Over one tree of ranks in an order, the first of which sits `shift` places on: sums up, and
    /// copies down. What arrived at each that completes it, by its number in `order`.
    ///
    /// A broadcast, whose message starts on the first rank, goes up to the root alone.
    fn one_tree(
        &mut self,
        (order, shift): (&[u32], u32),
        part: Part,
        collective: Collective,
        ready: &[Vec<u32>],
    ) -> Vec<Vec<u32>> {
        let places = order.len() as u32;
        self.begin(TREES + shift);
        let tree = Tree::of(places);
        let number = |place: u32| (place + places - shift) % places;
        let rank = |place: u32| order[number(place) as usize];
        let mut below: Vec<Vec<u32>> = (0..places)
            .map(|place| ready[number(place) as usize].clone())
            .collect();
        let mut parent = vec![None; order.len()];
        for (place, children) in tree.children.iter().enumerate() {
            for child in children {
                parent[*child as usize] = Some(place as u32);
            }
        }
        if collective == Collective::Broadcast {
            if number(tree.root) != 0 {
                let sent = self.pass((order[0], rank(tree.root)), part, Then::Copy, &ready[0]);
                below[tree.root as usize] = vec![sent];
            }
        } else {
            for place in tree.upwards.iter().copied() {
                if let Some(above) = parent[place as usize] {
                    let after = below[place as usize].clone();
                    let sent = self.pass((rank(place), rank(above)), part, Then::Sum, &after);
                    below[above as usize].push(sent);
                }
            }
        }
        let mut arrived = vec![Vec::new(); order.len()];
        arrived[number(tree.root) as usize] = below[tree.root as usize].clone();
        for place in tree.upwards.iter().rev().copied() {
            let after = arrived[number(place) as usize].clone();
            for child in &tree.children[place as usize] {
                if collective == Collective::Broadcast && number(*child) == 0 {
                    // It has the message, and hands it on as soon as it may.
                    arrived[0].clone_from(&ready[0]);
                    continue;
                }
                let sent = self.pass((rank(place), rank(*child)), part, Then::Copy, &after);
                arrived[number(*child) as usize] = vec![sent];
            }
        }
        arrived
    }
}
