//! Chips in a torus of any number of dimensions, as TPUs are.
//!
//! Routes go dimension by dimension, the shorter way round; where both ways are as long, the
//! choice decides. Vertices are numbered with the first dimension fastest.

use super::{Link, Network};

/// A torus: each chip has a link both ways along each dimension of more than one chip.
///
/// A dimension of two chips has two links between them, one for each way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    dims: Vec<u32>,
    chips: u32,
}

/// The links of a torus.
#[derive(Debug, Clone, PartialEq)]
pub struct Torus {
    shape: Shape,
    links: Vec<Link>,
}

impl Shape {
    /// Absent where there are no chips or too many to count.
    #[must_use]
    pub fn new(dims: &[u32]) -> Option<Self> {
        let dims: Vec<u32> = dims.iter().copied().filter(|dim| *dim != 1).collect();
        let chips = dims
            .iter()
            .try_fold(1_u32, |all, dim| all.checked_mul(*dim))?;
        (chips > 0).then_some(Self { dims, chips })
    }

    /// Chips.
    #[must_use]
    pub const fn chips(&self) -> u32 {
        self.chips
    }

    /// Dimensions of more than one chip.
    #[must_use]
    pub fn dims(&self) -> &[u32] {
        &self.dims
    }
}

impl Torus {
    /// A torus with the same link everywhere; absent where ids do not fit 32 bits.
    #[must_use]
    pub fn new(shape: Shape, link: Link) -> Option<Self> {
        let ways = u32::try_from(shape.dims.len()).ok()?.checked_mul(2)?;
        let count = shape.chips.checked_mul(ways)?;
        Some(Self {
            links: vec![link; count as usize],
            shape,
        })
    }

    /// The link of the other direction.
    #[must_use]
    pub fn back(&self, link: u32) -> u32 {
        let ways = self.shape.dims.len() as u32;
        let (chip, dimension) = (link / 2 / ways, (link / 2 % ways) as usize);
        let stride: u32 = self.shape.dims[..dimension].iter().product();
        let backwards = link % 2 == 1;
        let next = step(chip, stride, self.shape.dims[dimension], backwards);
        self.link(next, dimension, !backwards)
    }

    /// The link out of a chip along a dimension, forwards or backwards.
    fn link(&self, chip: u32, dimension: usize, backwards: bool) -> u32 {
        let ways = self.shape.dims.len() as u32;
        (chip * ways + dimension as u32) * 2 + u32::from(backwards)
    }
}

/// The next chip along a dimension.
const fn step(chip: u32, stride: u32, length: u32, backwards: bool) -> u32 {
    let place = chip / stride % length;
    let next = if backwards {
        (place + length - 1) % length
    } else {
        (place + 1) % length
    };
    chip - place * stride + next * stride
}

impl Network for Torus {
    fn chips(&self) -> u32 {
        self.shape.chips
    }

    fn links(&self) -> &[Link] {
        &self.links
    }

    fn route(&self, from: u32, to: u32, choice: u64, path: &mut Vec<u32>) {
        let (mut at, mut stride) = (from, 1);
        for (dimension, &length) in self.shape.dims.iter().enumerate() {
            let here = at / stride % length;
            let ahead = (to / stride % length + length - here) % length;
            let tie_back = ahead * 2 == length && choice >> dimension & 1 == 1;
            let backwards = ahead * 2 > length || tie_back;
            let steps = if backwards { length - ahead } else { ahead };
            for _ in 0..steps {
                path.push(self.link(at, dimension, backwards));
                at = step(at, stride, length, backwards);
            }
            stride *= length;
        }
    }
}

#[cfg(test)]
mod tests {
    use chokepoint_units::{Bandwidth, Seconds};

    use super::*;

    fn torus(dims: &[u32]) -> Torus {
        let link = Link {
            rate: Bandwidth::new(90e9),
            latency: Seconds::new(1e-6),
        };
        Torus::new(Shape::new(dims).unwrap(), link).unwrap()
    }

    fn path(torus: &Torus, from: u32, to: u32, choice: u64) -> Vec<u32> {
        let mut path = Vec::new();
        torus.route(from, to, choice, &mut path);
        path
    }

    /// A ring of 5: chip 0 to 2 forwards over chips 0 and 1, to 3 backwards over 0 and 4.
    #[test]
    fn the_shorter_way_round() {
        let ring = torus(&[5]);
        assert_eq!(path(&ring, 0, 2, 0), [0, 2]);
        assert_eq!(path(&ring, 0, 3, 0), [1, 9]);
        assert!(path(&ring, 3, 3, 0).is_empty());
    }

    /// 4 x 2: both ways to the chip across are as long, and the choice has a bit for each
    /// dimension.
    #[test]
    fn ties_follow_the_choice() {
        let torus = torus(&[4, 2]);
        assert_eq!(torus.links().len(), 32);
        assert_eq!(path(&torus, 0, 2, 0), [0, 4]);
        assert_eq!(path(&torus, 0, 2, 1), [1, 13]);
        assert_eq!(path(&torus, 0, 4, 0), [2]);
        assert_eq!(path(&torus, 0, 4, 2), [3]);
        assert_eq!(path(&torus, 1, 6, 0), [4, 10]);
        for link in 0..32 {
            assert_eq!(torus.back(torus.back(link)), link);
        }
        assert_eq!((torus.back(0), torus.back(2)), (5, 19));
    }

    #[test]
    fn dimensions_of_one_chip_have_no_links() {
        assert_eq!(torus(&[1, 3, 1]).links().len(), 6);
        assert!(torus(&[1]).links().is_empty());
        assert!(Shape::new(&[0, 2]).is_none());
        assert!(Shape::new(&[1 << 16, 1 << 16]).is_none());
    }
}
