//! Training: step time and memory of a plan, and the fastest plan that fits.
//!
//! One step = pipeline schedule over per-stage times + exposed communication + data-parallel
//! synchronisation + optimizer. Per-layer costs are computed once for each distinct (tensor,
//! context, expert parallelism, micro-batch, format, recompute); everything outside is
//! arithmetic on them.
//!
//! Beside the step: what failures, checkpoints and stragglers leave of a run (`goodput`), and
//! training over several sites (`local_steps`).
//!
//! Left out for now: zero-bubble schedules, ZeRO-2/3, offload, contention between concurrent
//! collectives.

mod checkpoint;
mod evaluate;
mod goodput;
mod layer;
mod limits;
mod local_steps;
mod memory;
mod parts;
mod plan;
mod search;
mod spares;
mod stage;
mod workload;

pub use checkpoint::{
    CheckpointWrite, Storage, best_interval, checkpoint_bytes, daly_first_order_interval,
    daly_interval, first_order_share, young_interval,
};
pub use evaluate::{Infeasible, Prediction, evaluate};
pub use goodput::{Cause, Goodput, Reliability, Unreliable, goodput, jitter_slowdown};
pub use limits::OutOfRange;
pub use local_steps::{
    LocalPlan, LocalSteps, SynchronousStep, Wan, break_even_inner_steps, diloco_loss_ratio,
    local_steps, synchronous_step, tokens_for_loss,
};
pub use memory::MemoryTable;
pub use parts::{Part, Parts};
pub use plan::{Plan, PlanError, Schedule};
pub use search::{SearchResult, search};
pub use spares::share_without_node;
pub use workload::{Case, Optimizer, Workload};
