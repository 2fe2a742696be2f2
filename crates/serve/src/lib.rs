//! Serving in steady state: iterations of prompts beside decodes, aggregated or disaggregated, the
//! plan with the highest throughput under latency targets, and the front of interactivity against
//! throughput.
//!
//! An iteration is the same operator sum as in training, on chunks of prompts and the next tokens of
//! sequences, with what the host of an engine adds. Queues are M/D/1; what happens request by request
//! is in `chokepoint-replay`, which takes the times of iterations from here.
//!
//! Left out: context-parallel prompts, redundant experts (their imbalance is a number), kernels of an
//! engine by shape (their rates are by class), expert dispatch that saves copies between domains in decode. Attention groups are all alike: a prompt on one is costed as if
//! each had one.

mod batch;
mod best_size;
mod flow;
mod front;
mod iteration;
mod layouts;
mod memory;
mod plan;
mod plan_text;
mod pools;
mod search;
mod software;
mod steady;
mod workload;

pub use chokepoint_chip::Precision;

pub use batch::Batch;
pub use flow::{Flow, queued};
pub use front::front;
pub use iteration::{Instance, Iteration, Part, Parts};
pub use layouts::layouts;
pub use memory::MemoryTable;
pub use plan::{Layout, Plan, Pool};
pub use plan_text::PlanTextError;
pub use search::{SearchResult, adapted_rate, search, search_among};
pub use software::{MemoryShare, Rates, Software};
pub use steady::{Infeasible, Prediction, evaluate};
pub use workload::{Case, Speculation, Workload};
