//! Replay of request traces through serving instances, by discrete events.
//!
//! The replay knows queues, batches, blocks of keys and values, routers and failures. It does not
//! know models, chips or networks: the time of an iteration comes through [`StepTime`].

mod config;
mod growth;
mod instance;
mod kv;
mod prefix;
mod quantile;
mod random;
mod request;
mod run;
mod sim;
mod step;
mod summary;
mod synthetic;
mod table;
mod time;
mod trace;

pub use config::{
    Engine, Failure, Fleet, Order, Pool, Preemption, RandomFailures, Role, Router, Scaling,
    Targets, Transfer,
};
pub use quantile::Distribution;
pub use request::{Outcome, Record, Request};
pub use sim::{Load, Observer, replay};
pub use step::{Affine, Chunk, DecodeTime, Iteration, Line, MAX_LINES, StepTime};
pub use summary::{InstanceSummary, Span, Summary};
pub use synthetic::{Drawn, Lengths, Process, Synthetic};
pub use trace::{MOONCAKE_HASH_TOKENS, Trace};
