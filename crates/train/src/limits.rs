//! Inputs that lie outside of what they may be.

use std::fmt;

use chokepoint_units::Quantity;

/// An input that lies outside of what it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfRange {
    /// The input.
    pub field: &'static str,
    /// What it must be.
    pub expected: &'static str,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}", self.field, self.expected)
    }
}

/// Fails unless a condition holds.
pub(crate) const fn require(
    holds: bool,
    field: &'static str,
    expected: &'static str,
) -> Result<(), OutOfRange> {
    if holds {
        Ok(())
    } else {
        Err(OutOfRange { field, expected })
    }
}

/// Fails unless a quantity is finite and not negative.
pub(crate) fn require_amount<T: Quantity>(
    field: &'static str,
    amount: T,
) -> Result<(), OutOfRange> {
    require_number(field, amount.base())
}

/// Fails unless a number is finite and not negative.
pub(crate) fn require_number(field: &'static str, number: f64) -> Result<(), OutOfRange> {
    require(
        number.is_finite() && number >= 0.0,
        field,
        "finite and not negative",
    )
}

/// Fails unless a quantity is finite and above zero.
pub(crate) fn require_some<T: Quantity>(field: &'static str, amount: T) -> Result<(), OutOfRange> {
    require_positive(field, amount.base())
}

/// Fails unless a number is finite and above zero.
pub(crate) fn require_positive(field: &'static str, number: f64) -> Result<(), OutOfRange> {
    require(
        number.is_finite() && number > 0.0,
        field,
        "finite and above zero",
    )
}

/// Fails unless a number is a share of something.
pub(crate) fn require_share(field: &'static str, number: f64) -> Result<(), OutOfRange> {
    require((0.0..=1.0).contains(&number), field, "between 0 and 1")
}
