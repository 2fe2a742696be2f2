//! Training: step time and memory of a plan, and the fastest plan that fits.
//!
//! One step = pipeline schedule over per-stage times + exposed communication + data-parallel
//! synchronisation + optimizer. Per-layer costs are computed once for each distinct (tensor,
//! context, expert parallelism, micro-batch, format, recompute); everything outside is
//! arithmetic on them.
//!
//! A `Scheduler` lays a step out exactly, operation by operation, for any times of the stages; the
//! closed forms of `Schedule`, which predictions use, are tested against it.
//!
//! Left out for now: zero-bubble schedules in the search, ZeRO-2/3, offload, failures and stragglers,
//! contention between concurrent collectives.

mod evaluate;
mod layer;
mod memory;
mod parts;
mod plan;
mod schedule;
mod search;
mod stage;
mod workload;

pub use evaluate::{Infeasible, Prediction, evaluate};
pub use memory::MemoryTable;
pub use parts::{Part, Parts};
pub use plan::{Plan, PlanError};
pub use schedule::{
    Chunk, Operation, OperationKind, Pipeline, PipelineError, Placement, RankTimes, Schedule,
    ScheduleError, Scheduler, Timeline, UnknownSchedule,
};
pub use search::{SearchResult, search};
pub use workload::{Case, Optimizer, Workload};
