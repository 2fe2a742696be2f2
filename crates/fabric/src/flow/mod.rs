//! Max-min fair flows: how fast transfers go that share links.
//!
//! Congestion control of long transfers comes near max-min fairness: no rate can rise without an
//! equal or lower one falling. [`max_min`] gives the rates of flows that all run; [`run`] takes a
//! schedule through time, from one change of who runs to the next; [`Classes`] are flows and links
//! that are alike counted once, which makes uniform collectives on 100,000 chips as cheap as a few
//! flows and is exact.
//!
//! Solver, event loop and classes are one: classes are flows and links with copies.
//!
//! Limits: no packets, so no headers, no loss, no ramp of congestion control and no incast of short
//! messages; a transfer takes its whole path at once. Sprayed links are ideal bundles.

mod bits;
mod busy;
mod classes;
mod events;
mod fill;
mod flows;
mod load;
mod max_min;
mod refine;
mod run;
mod sharing;
mod shift;
mod soonest;
mod tree_classes;

pub use classes::{Classes, FlowClass, LinkClass};
pub use flows::Flows;
pub use max_min::{Rates, max_min};
pub use refine::{Refined, refine};
pub use run::{Fault, Options, Outcome, Overlay, capacity, choice, run};
pub use shift::shift;
pub use tree_classes::{all_to_all, bundles};
