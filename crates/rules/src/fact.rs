//! A fact that may be known, bounded or unknown.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::Truth;

/// A fact about a chip: a value, an interval that contains it, or nothing.
///
/// Serialized as the value, as `{"low": .., "high": ..}`, or as null.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fact<T> {
    /// The value.
    Known(T),
    /// Some value between the two, both included.
    Range(T, T),
    /// No information.
    Unknown,
}

impl<T> Fact<T> {
    /// A value where there is one, otherwise unknown.
    #[must_use]
    pub fn from_option(value: Option<T>) -> Self {
        value.map_or(Self::Unknown, Self::Known)
    }

    /// Whether it is a single value.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }
}

impl Fact<f64> {
    /// Lowest and highest possible value of a quantity that cannot be negative.
    ///
    /// A value that is no number, a negative one and a range the wrong way round say nothing:
    /// `0` and infinity.
    #[must_use]
    pub fn bounds(self) -> (f64, f64) {
        match self {
            Self::Known(value) if value >= 0.0 => (value, value),
            Self::Range(low, high) if low >= 0.0 && low <= high => (low, high),
            _ => (0.0, f64::INFINITY),
        }
    }

    /// The tightest fact for bounds of a quantity that cannot be negative.
    #[must_use]
    pub fn from_bounds(low: f64, high: f64) -> Self {
        if low.is_nan() || high.is_nan() || (low <= 0.0 && high.is_infinite()) {
            Self::Unknown
        } else if low >= high {
            Self::Known(low)
        } else {
            Self::Range(low, high)
        }
    }

    /// Multiplied by a positive number.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        let (low, high) = self.bounds();
        Self::from_bounds(low * factor, high * factor)
    }

    /// Sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let (a, b) = (self.bounds(), other.bounds());
        Self::from_bounds(a.0 + b.0, a.1 + b.1)
    }

    /// The larger of two.
    #[must_use]
    pub fn larger(self, other: Self) -> Self {
        let (a, b) = (self.bounds(), other.bounds());
        Self::from_bounds(a.0.max(b.0), a.1.max(b.1))
    }

    /// Quotient; a divisor that may be zero leaves the upper end open.
    #[must_use]
    pub fn over(self, divisor: Self) -> Self {
        let (a, b) = (self.bounds(), divisor.bounds());
        let low = if b.1 > 0.0 { a.0 / b.1 } else { 0.0 };
        let high = if b.0 > 0.0 { a.1 / b.0 } else { f64::INFINITY };
        Self::from_bounds(low, high)
    }
}

impl Fact<bool> {
    /// As a truth value.
    #[must_use]
    pub fn truth(self) -> Truth {
        match self {
            Self::Known(value) => value.into(),
            Self::Range(low, high) if low == high => low.into(),
            _ => Truth::Unknown,
        }
    }
}

impl<T: Serialize> Serialize for Fact<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(value) => value.serialize(serializer),
            Self::Range(low, high) => {
                let mut object = serializer.serialize_struct("Range", 2)?;
                object.serialize_field("low", low)?;
                object.serialize_field("high", high)?;
                object.end()
            }
            Self::Unknown => serializer.serialize_none(),
        }
    }
}

impl std::fmt::Display for Fact<f64> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(value) => write!(f, "{value}"),
            Self::Range(low, high) if high.is_infinite() => write!(f, "at least {low}"),
            Self::Range(low, high) => write!(f, "{low} to {high}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fact::{self, Known, Range, Unknown};

    #[test]
    fn arithmetic_keeps_every_possible_value() {
        assert_eq!(Known(2.0).over(Range(4.0, 8.0)), Range(0.25, 0.5));
        assert_eq!(Known(2.0).over(Unknown), Unknown);
        assert_eq!(Known(2.0).larger(Unknown), Range(2.0, f64::INFINITY));
        assert_eq!(Unknown.plus(Known(3.0)), Range(3.0, f64::INFINITY));
        assert_eq!(Known(-1.0).scaled(2.0), Unknown);
        assert_eq!(Range(5.0, 5.0).scaled(2.0), Known(10.0));
        assert_eq!(Fact::from_option(None::<f64>), Unknown);
    }

    #[test]
    fn serializes_unknown_as_null() {
        let text = serde_json::to_string(&[Known(1.5), Range(1.0, 2.0), Unknown]).unwrap();
        assert_eq!(text, r#"[1.5,{"low":1.0,"high":2.0},null]"#);
    }
}
