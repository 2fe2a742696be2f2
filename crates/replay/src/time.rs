//! Time inside the replay: whole femtoseconds in 128 bits.
//!
//! Sums of whole numbers do not depend on the order of adding, so a run of decode iterations
//! advanced in closed form ends at exactly the time at which its iterations end one by one.
//! A femtosecond leaves four digits to the time that one more token of context takes (from
//! about 0.1 ns); 128 bits hold any trace.

use std::ops::{Add, AddAssign, Sub};

use chokepoint_units::Seconds;

/// A point in time or a duration, in whole femtoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Femtos(pub u128);

/// Femtoseconds in a second.
const PER_SECOND: f64 = 1e15;
/// The longest single time taken from outside: 10,000 years. Sums of as many as fit in memory
/// stay far from the end of 128 bits.
const LONGEST_SECONDS: f64 = 3.2e11;

impl Femtos {
    /// The start of the replay.
    pub(crate) const ZERO: Self = Self(0);
    /// Later than anything that happens.
    pub(crate) const NEVER: Self = Self(u128::MAX);

    /// The nearest whole number; nothing for a negative time, one beyond 10,000 years or none.
    pub(crate) fn of(time: Seconds) -> Option<Self> {
        let seconds = time.get();
        (0.0..=LONGEST_SECONDS)
            .contains(&seconds)
            .then(|| Self((seconds * PER_SECOND).round() as u128))
    }

    /// As seconds: whole ones and the rest apart, so that a whole number comes out whole.
    pub(crate) fn seconds(self) -> Seconds {
        const WHOLE: u64 = PER_SECOND as u64;
        let (whole, rest) = match u64::try_from(self.0) {
            Ok(short) => (u128::from(short / WHOLE), short % WHOLE),
            Err(_) => (
                self.0 / u128::from(WHOLE),
                (self.0 % u128::from(WHOLE)) as u64,
            ),
        };
        Seconds::new(whole as f64 + rest as f64 / PER_SECOND)
    }
}

impl Add for Femtos {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Femtos {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Femtos {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}
