//! Training: step time and memory of a plan, and the fastest plan that fits.
//!
//! One step = pipeline schedule over per-stage times + exposed communication + data-parallel
//! synchronisation + optimizer. Per-layer costs are computed once for each distinct (tensor,
//! context, expert parallelism, micro-batch, format, recompute); everything outside is
//! arithmetic on them.
//!
//! Left out for now: zero-bubble schedules, ZeRO-2/3, offload, failures and stragglers,
//! contention between concurrent collectives.

mod evaluate;
mod exchange;
mod layer;
mod memory;
mod parts;
mod pipeline;
mod plan;
mod plan_text;
mod schedule;
mod search;
mod space;
mod stage;
mod technique;
mod variant;
mod workload;

pub use evaluate::{Infeasible, Prediction, evaluate, measure};
pub use memory::MemoryTable;
pub use parts::{Part, Parts};
pub use plan::{Plan, PlanError};
pub use plan_text::PlanTextError;
pub use schedule::{Placement, Schedule, ScheduleError, UnknownSchedule};
pub use search::{SearchResult, front, search, search_in};
pub use space::Space;
pub use technique::{
    ContextExchange, Offload, Sharding, TensorExchange, TensorOverlap, UnknownWord,
};
pub use workload::{Case, Optimizer, Scaling, Software, Trained, Workload};
