//! Time split into named parts that sum to the whole.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::{Add, AddAssign, Mul};

use crate::Seconds;

/// A set of named parts: an enumeration without data, numbered from zero.
pub trait PartName: Copy + Debug + PartialEq + 'static {
    /// All parts, in the order of their numbers and of printing.
    const ALL: &'static [Self];

    /// The number of a part, below the number of all.
    fn index(self) -> usize;

    /// Key in output.
    fn key(self) -> &'static str;
}

/// Most parts that a set may have.
const MOST: usize = 16;

/// Seconds by part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parts<P: PartName> {
    seconds: [f64; MOST],
    names: PhantomData<P>,
}

impl<P: PartName> Default for Parts<P> {
    fn default() -> Self {
        const { assert!(P::ALL.len() <= MOST) };
        Self {
            seconds: [0.0; MOST],
            names: PhantomData,
        }
    }
}

impl<P: PartName> Parts<P> {
    /// Seconds of a part.
    #[must_use]
    pub fn get(&self, part: P) -> Seconds {
        Seconds::new(self.seconds[part.index()])
    }

    /// Adds to a part.
    pub fn put(&mut self, part: P, time: Seconds) {
        self.seconds[part.index()] += time.get();
    }

    /// Sum of some parts.
    #[must_use]
    pub fn sum_of(&self, parts: &[P]) -> Seconds {
        parts.iter().map(|part| self.get(*part)).sum()
    }

    /// Sum of all parts.
    #[must_use]
    pub fn total(&self) -> Seconds {
        Seconds::new(self.seconds.iter().sum())
    }

    /// All parts with their seconds, in the order of printing.
    pub fn iter(&self) -> impl Iterator<Item = (P, Seconds)> + '_ {
        P::ALL.iter().map(|part| (*part, self.get(*part)))
    }
}

impl<P: PartName> Add for Parts<P> {
    type Output = Self;
    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl<P: PartName> AddAssign for Parts<P> {
    fn add_assign(&mut self, other: Self) {
        for (mine, theirs) in self.seconds.iter_mut().zip(other.seconds) {
            *mine += theirs;
        }
    }
}

impl<P: PartName> Mul<f64> for Parts<P> {
    type Output = Self;
    fn mul(mut self, factor: f64) -> Self {
        for mine in &mut self.seconds {
            *mine *= factor;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Leg {
        Walk,
        Wait,
    }

    impl PartName for Leg {
        const ALL: &'static [Self] = &[Self::Walk, Self::Wait];
        fn index(self) -> usize {
            self as usize
        }
        fn key(self) -> &'static str {
            match self {
                Self::Walk => "walk",
                Self::Wait => "wait",
            }
        }
    }

    #[test]
    fn parts_add_up() {
        let mut day = Parts::default();
        day.put(Leg::Walk, Seconds::new(3.0));
        day.put(Leg::Wait, Seconds::new(1.0));
        day.put(Leg::Walk, Seconds::new(2.0));
        let week = day * 5.0 + day * 2.0;
        assert_eq!(week.get(Leg::Walk), Seconds::new(35.0));
        assert_eq!(week.total(), Seconds::new(42.0));
        assert_eq!(week.sum_of(&[Leg::Wait]), Seconds::new(7.0));
        let keys: Vec<&str> = week.iter().map(|(leg, _)| leg.key()).collect();
        assert_eq!(keys, ["walk", "wait"]);
    }
}
