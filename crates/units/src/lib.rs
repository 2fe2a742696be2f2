//! Quantities as types with only the arithmetic that makes sense.
//!
//! A quantity holds an `f64` in its base unit (bytes, bytes per second, operations, seconds,
//! watts, joules, US dollars, square millimetres). Adding bytes to seconds does not compile:
//!
//! ```compile_fail
//! use chokepoint_units::{Bytes, Seconds};
//! let _ = Bytes::new(1.0) + Seconds::new(1.0);
//! ```
//!
//! Conventions, held by the whole project: bandwidth is **per direction**, operation rates are
//! **dense**, GB is 10^9 and GiB is 2^30 bytes, one multiply-accumulate is two operations.

mod format;
mod parse;
mod parts;
mod quantity;

pub use format::NumberFormat;
pub use parse::{Dimension, UnitError, parse_quantity};
pub use parts::{PartName, Parts};
pub use quantity::{
    Area, Bandwidth, Bytes, Energy, Ops, OpsRate, Power, Quantity, Seconds, Usd, UsdPerHour,
};

/// Hours in a mean Gregorian year (365.25 days).
pub const HOURS_PER_YEAR: f64 = 8766.0;
/// Seconds in an hour.
pub const SECONDS_PER_HOUR: f64 = 3600.0;
/// Seconds in a day.
pub const SECONDS_PER_DAY: f64 = 86_400.0;
