//! The quantity types and the products and quotients that exist between them.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::parse::{Dimension, parse_quantity};

/// What all quantities share: a dimension, and a value in the base unit.
pub trait Quantity: Copy + PartialOrd + fmt::Display {
    /// The dimension, which fixes the units that a file may use.
    const DIMENSION: Dimension;
    /// From a value in the base unit.
    fn from_base(value: f64) -> Self;
    /// The value in the base unit.
    fn base(self) -> f64;
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $dimension:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
        pub struct $name(f64);

        impl $name {
            /// Nothing of it.
            pub const ZERO: Self = Self(0.0);

            /// From a value in the base unit.
            #[must_use]
            pub const fn new(value: f64) -> Self {
                Self(value)
            }

            /// The value in the base unit.
            #[must_use]
            pub const fn get(self) -> f64 {
                self.0
            }

            /// The larger of two.
            #[must_use]
            pub const fn max(self, other: Self) -> Self {
                if self.0 >= other.0 { self } else { other }
            }

            /// The smaller of two.
            #[must_use]
            pub const fn min(self, other: Self) -> Self {
                if self.0 <= other.0 { self } else { other }
            }
        }

        impl Quantity for $name {
            const DIMENSION: Dimension = $dimension;
            fn from_base(value: f64) -> Self {
                Self(value)
            }
            fn base(self) -> f64 {
                self.0
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }
        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }
        impl Mul<f64> for $name {
            type Output = Self;
            fn mul(self, factor: f64) -> Self {
                Self(self.0 * factor)
            }
        }
        impl Div<f64> for $name {
            type Output = Self;
            fn div(self, factor: f64) -> Self {
                Self(self.0 / factor)
            }
        }
        impl Div for $name {
            type Output = f64;
            fn div(self, other: Self) -> f64 {
                self.0 / other.0
            }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
                Self(items.map(|item| item.0).sum())
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&Self::DIMENSION.print(self.0))
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_f64(self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer
                    .deserialize_any(QuantityVisitor($dimension))
                    .map(Self)
            }
        }
    };
}

/// Reads a quantity from text; a bare number is refused with the readings it could have.
struct QuantityVisitor(Dimension);

impl Visitor<'_> for QuantityVisitor {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} with its unit, such as {}",
            self.0.name(),
            self.0.example()
        )
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<f64, E> {
        parse_quantity(self.0, text).map_err(de::Error::custom)
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<f64, E> {
        Err(de::Error::custom(self.0.bare_number(&value.to_string())))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<f64, E> {
        Err(de::Error::custom(self.0.bare_number(&value.to_string())))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<f64, E> {
        Err(de::Error::custom(self.0.bare_number(&value.to_string())))
    }
}

quantity!(/// An amount of data, in bytes.
    Bytes, Dimension::Data);
quantity!(/// A rate of data **per direction**, in bytes per second.
    Bandwidth, Dimension::Bandwidth);
quantity!(/// A number of arithmetic operations; a multiply-accumulate is two.
    Ops, Dimension::Ops);
quantity!(/// A **dense** rate of arithmetic operations, per second.
    OpsRate, Dimension::OpsRate);
quantity!(/// A duration, in seconds.
    Seconds, Dimension::Time);
quantity!(/// Power, in watts.
    Power, Dimension::Power);
quantity!(/// Energy, in joules.
    Energy, Dimension::Energy);
quantity!(/// Money, in US dollars of the price book's date.
    Usd, Dimension::Money);
quantity!(/// A running cost, in US dollars per hour.
    UsdPerHour, Dimension::MoneyRate);
quantity!(/// Die area, in square millimetres.
    Area, Dimension::Area);

macro_rules! product {
    ($rate:ident * $time:ident = $total:ident) => {
        impl Mul<$time> for $rate {
            type Output = $total;
            fn mul(self, other: $time) -> $total {
                $total::new(self.get() * other.get())
            }
        }
        impl Div<$rate> for $total {
            type Output = $time;
            fn div(self, rate: $rate) -> $time {
                $time::new(self.get() / rate.get())
            }
        }
        impl Div<$time> for $total {
            type Output = $rate;
            fn div(self, time: $time) -> $rate {
                $rate::new(self.get() / time.get())
            }
        }
    };
}

product!(Bandwidth * Seconds = Bytes);
product!(OpsRate * Seconds = Ops);
product!(Power * Seconds = Energy);

impl Energy {
    /// Kilowatt-hours.
    #[must_use]
    pub const fn kilowatt_hours(self) -> f64 {
        self.get() / 3.6e6
    }
}

impl UsdPerHour {
    /// Cost of running for a time.
    #[must_use]
    pub const fn over(self, time: Seconds) -> Usd {
        Usd::new(self.get() * time.get() / crate::SECONDS_PER_HOUR)
    }
}
