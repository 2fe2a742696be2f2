//! Time and power of one operator on one chip.
//!
//! Roofline (Williams, Waterman, Patterson 2009) with efficiencies fitted per chip and operator
//! class on published kernel measurements: t = launch + max(ops / (peak x compute share),
//! bytes / (bandwidth x memory share)). Knows no networks.
//!
//! Limits: no tile or wave quantisation and no clock drop under load beyond what the fitted
//! shares average over; errors of the fit are carried as intervals.

mod kernel;
mod operator;
mod power;
mod spec;

pub use kernel::{Bound, KernelClass, KernelTime};
pub use operator::Precision;
pub use power::PowerDraw;
pub use spec::{ChipScale, ChipSpec};
