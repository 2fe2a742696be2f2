//! Serving in steady state: prefill and decode with continuous batching, aggregated or
//! disaggregated, and the plan with the highest throughput under latency targets.
//!
//! An iteration is the same operator sum as in training, on a batch of prompts or of single
//! tokens. Left out for now: queueing beyond M/D/1, chunked prefill within one iteration, prefix
//! reuse, speculative decoding, preemption, expert imbalance over time, host overhead between
//! iterations, two-batch overlap (communication adds to computation), expert dispatch that saves
//! copies between domains in decode.

mod batch;
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
pub use flow::Flow;
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
