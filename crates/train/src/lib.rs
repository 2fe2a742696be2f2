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
//! Beside the step: what failures, checkpoints and stragglers leave of a run (`goodput`), and
//! training over several sites (`local_steps`).
//!
//! What traffic takes beside other traffic is not part of a prediction: `step_traffic` says what a step
//! sends and `concurrent` what of it runs at once, for a simulator; `measure_slowed` takes its answer.
//!
//! Left out: the host's memory as a limit of offload;
//! state-space layers; a router's own imbalance, which is an input; V-Half and V-Min schedules.
//! Evaluated but not searched: ZB-H2, ZB-V, splitting the vocabulary, hybrid sharding.

mod checkpoint;
mod chunks;
mod evaluate;
mod exchange;
mod goodput;
mod layer;
mod limits;
mod local_steps;
mod memory;
mod parts;
mod pipeline;
mod plan;
mod plan_text;
mod schedule;
mod search;
mod slowdown;
mod space;
mod spares;
mod stage;
mod technique;
mod traffic;
mod variant;
mod workload;

pub use checkpoint::{
    CheckpointWrite, Storage, best_interval, checkpoint_bytes, daly_first_order_interval,
    daly_interval, first_order_share, young_interval,
};
pub use chunks::{PlanChunks, plan_chunks};
pub use evaluate::{Infeasible, Prediction, evaluate, measure, measure_slowed};
pub use goodput::{
    Cause, Goodput, Reliability, Unreliable, goodput, jitter_slowdown, share_with_failure,
};
pub use limits::OutOfRange;
pub use local_steps::{
    LocalPlan, LocalSteps, SynchronousStep, Wan, break_even_inner_steps, diloco_loss_ratio,
    local_steps, synchronous_step, tokens_for_loss,
};
pub use memory::MemoryTable;
pub use parts::{Part, Parts};
pub use plan::{Plan, PlanError};
pub use plan_text::PlanTextError;
pub use schedule::{
    Chunk, Operation, OperationKind, Pipeline, PipelineError, Placement, RankTimes, Schedule,
    ScheduleError, Scheduler, Timeline, UnknownSchedule,
};
pub use search::{SearchResult, front, search, search_in, search_or_offload};
pub use slowdown::{Slowdowns, TrafficKind};
pub use space::Space;
pub use spares::share_without_node;
pub use stage::even_chunks;
pub use technique::{
    ContextExchange, Offload, Sharding, TensorExchange, TensorOverlap, UnknownWord,
};
pub use traffic::{Message, StepTraffic, concurrent, step_traffic};
pub use workload::{Case, KernelRates, Optimizer, Scaling, Software, Trained, Workload};
