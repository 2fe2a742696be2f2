//! Replay of request traces through serving instances, by discrete events.
//!
//! The replay knows queues, batches, blocks of keys and values, routers and failures. It does not
//! know models, chips or networks: the time of an iteration comes through [`StepTime`].
//!
//! ```
//! use chokepoint_replay::{Affine, Engine, Fleet, Lengths, Load, Process, Record, Synthetic, replay};
//!
//! let fleet = Fleet::of(2, Engine::with_blocks(20_000), &Affine::MADE_UP);
//! let requests = Synthetic {
//!     requests: 1000,
//!     process: Process::Poisson { rate: 5.0 },
//!     input: Lengths::from_share(1024, 0.8),
//!     output: Lengths::from_share(128, 0.8),
//!     seed: 1,
//! };
//! let mut slowest = 0.0_f64;
//! let mut observer = |record: &Record| slowest = slowest.max(record.end.get() - record.arrival.get());
//! let summary = replay(&fleet, Load::Timed(requests.draw()?), &mut observer)?;
//! assert_eq!(summary.finished, 1000);
//! assert!(summary.whole.is_some_and(|whole| (whole.max_seconds.get() - slowest).abs() < 1e-9));
//! # Ok::<(), chokepoint_diag::Diagnostic>(())
//! ```
//!
//! # Rules
//!
//! **Iterations.** An instance computes one iteration after the other. A prompt's last iteration
//! makes its first token; each decode iteration makes one more (or the mean of speculative
//! decoding, in steps of 1/64, the same for every sequence). The token that an iteration makes is
//! stored by the next, so a request of P prompt tokens and N tokens stores P + N - 1. The
//! contexts of an iteration count the tokens stored in it.
//!
//! **Admission** is in the order of class, then of arrival, without overtaking, as long as there
//! are a place, tokens in the iteration's budget, and blocks for the whole prompt (and a
//! watermark, unless nothing runs). Decoding sequences come first in the budget with
//! [`Order::Mixed`]; with [`Order::PrefillFirst`] they wait while any prompt is computed.
//!
//! **Blocks** are taken at the start of the iteration that stores into them. Where they do not
//! suffice, the last admitted sequence of the least urgent class goes to the front of its queue,
//! and nothing is admitted in that iteration. A request that would not fit alone is rejected when
//! it arrives.
//!
//! **Prefixes.** Full hash blocks of a prompt can be found by later requests from the end of the
//! prompt's last iteration on; at least one token is always computed. Two prompts computed at the
//! same time share nothing. Tokens that were made are not found again, since traces give no ids
//! for them.
//!
//! **Failures.** A request that loses its instance goes to another with the tokens it has made,
//! and computes prompt and tokens again.
//!
//! # Exactness
//!
//! Time is whole femtoseconds. A run of decode iterations with the same sequences is one event,
//! summed in closed form, and ends at the femtosecond at which its iterations would end one by
//! one; tests compare both, and a second simulator written apart. The same fleet, load and seed
//! give the same bytes.
//!
//! # Limits
//!
//! Attention groups in lockstep are one instance. Pipeline stages with several batches under way
//! are the caller's to express in the iteration time. Speculative decoding accepts its mean, not a
//! random number. A transfer takes the bandwidth out of its sender only, and waits for room on a
//! staging area without bounds. Routers see instances as they are, without delay.

mod config;
mod curves;
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
pub use curves::Curves;
pub use quantile::Distribution;
pub use request::{Outcome, Record, Request};
pub use sim::{Load, Observer, replay};
pub use step::{Affine, Chunk, DecodeTime, Iteration, Line, MAX_LINES, StepTime};
pub use summary::{InstanceSummary, Span, Summary};
pub use synthetic::{Drawn, Lengths, Process, Synthetic};
pub use trace::{MOONCAKE_HASH_TOKENS, Trace};
