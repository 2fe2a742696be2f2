//! The catalogue: chips, links, systems, networks, price books, calibration and failures as data with
//! provenance.
//!
//! Loaded from (name, text) pairs, so that the binary can embed it, a folder can override it and
//! a scenario can add to it. Knows no files and no performance.
//!
//! Every number is a [`Figure`]: value with unit, source id, place in the source, grade, date,
//! optional low and high. Bandwidth is per direction, operation rates are dense.

mod calibration;
mod check;
mod check_curves;
mod check_software;
mod check_wiring;
mod chip;
mod engine_kernels;
mod figure;
mod framework;
mod link;
mod load;
mod network;
mod price;
mod reliability;
mod serving_engine;
mod source;
mod system;
mod wiring;

pub use calibration::{
    Calibration, CollectiveCurve, CollectiveKind, CurvePoint, DecodeCurve, GemmCurve, PowerCurve,
    PrefillCurve, Refit,
};
pub use check::check;
pub use chip::{CalibrationUse, Chip, Cores, Die, Export, Host, Maker, Memory, ScaleUp, Status};
pub use engine_kernels::{EngineKernel, EngineKernels, ROW_RANGES, RowFactors};
pub use figure::{Figure, FigureRow, Grade};
pub use framework::{Framework, OptimizerState, Rate, Rates};
pub use link::{DomainLink, SwitchChip};
pub use load::{Catalog, Entry};
pub use network::{Link, Network, Switch};
pub use price::{NetworkPrice, PriceBook, SystemPrice};
pub use reliability::{Checkpoint, Experience, Job, NetworkFailures};
pub use serving_engine::{Batching, EngineRates, MemoryShare, ServingEngine};
pub use source::Source;
pub use system::{Domain, Node, ScaleOut, System, SystemPower, Topology};
pub use wiring::{
    DomainWiring, DragonflyWiring, Media, ScaleOutWiring, SecondLevel, Shape, TorusWiring, WideArea,
};
