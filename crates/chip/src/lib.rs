//! Time and power of one operator on one chip.
//!
//! Roofline (Williams, Waterman, Patterson 2009) of work in tiles and waves, with efficiencies
//! fitted per chip and operator class on published kernel measurements: t = launch + |compute,
//! memory|, where compute counts padding to tiles, waves of tiles over the processors and the depth
//! that filling a tile's pipeline costs. Knows no networks.
//!
//! Limits: no clock drop under load, which the share sustained in a step holds; errors of the fit
//! are carried as intervals.

mod carried;
mod curves;
mod kernel;
mod operator;
mod power;
mod spec;

pub use curves::Curve;
pub use kernel::{Bound, CacheRead, KernelClass, KernelTime, Product, Scores};
pub use operator::Precision;
pub use power::PowerDraw;
pub use spec::{ChipScale, ChipSpec, Sustained};
