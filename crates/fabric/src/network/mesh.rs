//! Chips that are all joined directly, as eight MI300X or Gaudi 3 are.

use super::{Link, Network};

/// A link for each ordered pair of chips. No switches, hence no further vertices.
#[derive(Debug, Clone, PartialEq)]
pub struct Mesh {
    chips: u32,
    links: Vec<Link>,
}

impl Mesh {
    /// A mesh with the same link between any two; absent where there are no chips or ids do not
    /// fit 32 bits.
    #[must_use]
    pub fn new(chips: u32, pair: Link) -> Option<Self> {
        let count = chips.checked_mul(chips.checked_sub(1)?)?;
        Some(Self {
            chips,
            links: vec![pair; count as usize],
        })
    }

    /// The link of the other direction.
    #[must_use]
    pub fn back(&self, link: u32) -> u32 {
        let others = self.chips - 1;
        let (from, at) = (link / others, link % others);
        let to = at + u32::from(at >= from);
        to * others + from - u32::from(from > to)
    }
}

impl Network for Mesh {
    fn chips(&self) -> u32 {
        self.chips
    }

    fn links(&self) -> &[Link] {
        &self.links
    }

    fn route(&self, from: u32, to: u32, _choice: u64, path: &mut Vec<u32>) {
        if from != to {
            path.push(from * (self.chips - 1) + to - u32::from(to > from));
        }
    }
}

#[cfg(test)]
mod tests {
    use chokepoint_units::{Bandwidth, Seconds};

    use super::*;

    #[test]
    fn every_pair_has_its_own_link() {
        let pair = Link {
            rate: Bandwidth::new(64e9),
            latency: Seconds::new(1e-6),
        };
        let mesh = Mesh::new(8, pair).unwrap();
        let mut all = Vec::new();
        for from in 0..8 {
            for to in 0..8 {
                mesh.route(from, to, 0, &mut all);
            }
        }
        for link in &all {
            assert_eq!(mesh.back(mesh.back(*link)), *link);
            assert_ne!(mesh.back(*link), *link);
        }
        all.sort_unstable();
        assert_eq!(all, (0..56).collect::<Vec<u32>>());
        assert_eq!(mesh.links().len(), 56);
        assert!(Mesh::new(0, pair).is_none());
        assert!(Mesh::new(1, pair).unwrap().links().is_empty());
    }
}
