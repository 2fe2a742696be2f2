//! What comes of a serving run.

use std::collections::BTreeMap;

use chokepoint_model::Architecture;
use chokepoint_serve::{Plan, Prediction, Software, Workload};

use super::{Ask, RandomArrivals};
use crate::launch::Launch;
use crate::row::{Outcome, Statement};
use crate::serving::plan_fields;

/// A serving run.
#[derive(Debug, Clone, PartialEq)]
pub struct ServingRun {
    /// Model id.
    pub model: String,
    /// System id.
    pub system: String,
    /// System name.
    pub system_name: String,
    /// Maker of the chip.
    pub vendor: String,
    /// Chips of a node.
    pub node_chips: u64,
    /// Chips that are paid for; absent where a rate cannot be served.
    pub chips: Option<u64>,
    /// Price book.
    pub prices: String,
    /// What was asked for.
    pub ask: Ask,
    /// How the targets were held against percentiles; absent where they are means.
    pub arrivals: Option<RandomArrivals>,
    /// The workload.
    pub workload: Workload,
    /// The model.
    pub architecture: Architecture,
    /// The engine.
    pub software: Software,
    /// Plans evaluated.
    pub evaluated: u64,
    /// Pairs of pools that a bound ruled out.
    pub pruned: u64,
    /// Why there is no result.
    pub reason: Option<Statement>,
    /// The result.
    pub found: Option<ServeFound>,
    /// Plans of which none is better both for a user and for a chip, fastest for users first; empty
    /// where not asked for.
    pub front: Vec<ServePlan>,
    /// What a reader must know.
    pub notes: Vec<Statement>,
}

/// The result of a serving run.
#[derive(Debug, Clone, PartialEq)]
pub struct ServeFound {
    /// Plan, measures, breakdown, memory and elasticities, as in a comparison.
    pub outcome: Outcome,
    /// The plan.
    pub plan: Plan,
    /// Next-best plans, each of another layout.
    pub others: Vec<ServePlan>,
}

/// A plan beside the best.
#[derive(Debug, Clone, PartialEq)]
pub struct ServePlan {
    /// The plan in one line.
    pub plan: String,
    /// The plan by field.
    pub plan_fields: BTreeMap<&'static str, serde_json::Value>,
    /// Chips that are paid for.
    pub chips: u64,
    /// Measures by key; the unit is in the key.
    pub metrics: BTreeMap<&'static str, f64>,
}

impl ServePlan {
    pub(super) fn of(found: &Prediction, outcome: Outcome, chips: u64) -> Self {
        Self {
            plan: outcome.plan,
            plan_fields: plan_fields(&found.plan),
            chips,
            metrics: outcome.metrics,
        }
    }
}

impl ServingRun {
    /// What an engine's arguments are written from.
    #[must_use]
    pub fn launch(&self) -> Option<Launch<'_>> {
        self.found.as_ref().map(|found| Launch {
            model: &self.model,
            system_name: &self.system_name,
            vendor: &self.vendor,
            node_chips: self.node_chips,
            architecture: &self.architecture,
            workload: &self.workload,
            software: &self.software,
            plan: &found.plan,
        })
    }
}
