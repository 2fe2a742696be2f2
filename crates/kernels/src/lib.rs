//! Efficiency curves of chips fitted again from the kernel tables that aiconfigurator publishes
//! (PyPI `aiconfigurator-core`, Apache-2.0) or on kernels that a user measured: what `chokepoint
//! calibrate kernels` does; and measured kernels beside them, for `validate --kernels`.
//!
//! A measured shape becomes operators of the model, whose time the chip's own formulas give, so
//! that a curve is fitted with the formulas that use it. The fastest engine of each shape counts;
//! how each engine differs from the curve is a median by rows. Shapes are halved by a hash of
//! their sizes: one half is fitted, errors are of the other. Knows no files and no clock.
//!
//! Limits: tables of one NVIDIA tool, kernels alone in a loop at full clocks (what a step keeps of
//! that is `sustained`), even routing of experts, modules of experts and prompts with the copies
//! that engines fuse.

mod coefficients;
mod compare;
mod curves;
mod engines;
mod errors;
mod fit;
mod measured;
mod minimise;
mod pool;
mod refit;
mod sample;
mod shape;
mod table;
mod tables;
mod write;

pub use bytes::Bytes;
pub use coefficients::{Difference, TOLERANCE, coefficients, differences};
pub use compare::{KernelClass, KernelComparison, KernelRow, compare};
pub use engines::{EngineFactors, EngineFit};
pub use errors::Errors;
pub use measured::Measurement;
pub use refit::{APART, ChipFit, ClassFit, Verdict, refit, refit_measured};
pub use tables::{TableFile, TableKind};
pub use write::write;
