//! Export control as dated data: facts in, verdict and trace out.
//!
//! A rule version is a TOML file; adding one needs no Rust. The engine interprets its tests
//! ([`Limb`]), exceptions and review policies ([`Treatment`]) in Kleene's three-valued logic, so
//! that a missing fact yields "undetermined" and never "free".
//!
//! Three questions are kept apart: is the item in a paragraph (limbs, exclusion, precedence);
//! is the transaction in scope (destination, or headquarters of the end user); which exception or
//! review policy follows. Letters bind their addressees beside the law; tariffs, guidance and
//! practice appear in the trace and decide nothing.
//!
//! Left out: entity lists and end-use tests (part 744), foreign direct product rules, 4A090 and
//! the `.z` paragraphs beyond their shared thresholds, caps on volume, the foundry presumption,
//! embargoes and sanctions, and the law of other countries.

mod book;
mod check;
mod condition;
mod country;
mod date;
mod evidence;
mod examine;
mod fact;
mod facts;
mod law;
mod metrics;
mod rule;
mod truth;
mod verdict;

pub use book::RuleBook;
pub use condition::{Condition, Op, Threshold};
pub use country::{Country, Group, GroupChange, Place};
pub use fact::Fact;
pub use facts::{ChipFacts, Maker, StatedMetrics, Transaction};
pub use metrics::{FormatTpp, Metric, Metrics, metrics};
pub use rule::{
    Exclusion, Grade, Limb, NamedQuantity, OpenCondition, Rule, RuleKind, Standing, Treatment,
};
pub use truth::Truth;
pub use verdict::{DISCLAIMER, Margin, Outcome, TraceStep, Verdict};
