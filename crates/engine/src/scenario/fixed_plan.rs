//! A training plan as a scenario gives it.

use chokepoint_model::Recompute;
use chokepoint_train::{ContextExchange, Plan, Schedule, Sharding, TensorExchange, TensorOverlap};
use chokepoint_units::NumberFormat;
use schemars::JsonSchema;
use serde::Deserialize;

/// A training plan given by the scenario.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedPlan {
    /// Tensor parallelism.
    #[serde(default = "one")]
    pub tp: u64,
    /// Context parallelism.
    #[serde(default = "one")]
    pub cp: u64,
    /// Expert parallelism.
    #[serde(default = "one")]
    pub ep: u64,
    /// Pipeline stages.
    #[serde(default = "one")]
    pub pp: u64,
    /// Virtual stages of each pipeline rank.
    #[serde(default = "one")]
    pub vp: u64,
    /// Data parallelism; what the chips allow when absent.
    #[serde(default)]
    pub dp: Option<u64>,
    /// Sequences of a micro-batch.
    #[serde(default = "one")]
    pub micro_batch: u64,
    /// Chips that share each routed expert: 1, or as many as tensor parallelism.
    #[serde(default = "one")]
    pub etp: u64,
    /// What is computed again: none, selective, modules or full.
    #[serde(default)]
    #[schemars(with = "String")]
    pub recompute: Recompute,
    /// Pipeline schedule: 1f1b, zb-h1, zb-h2, zb-v, dualpipe or dualpipev.
    #[serde(default)]
    #[schemars(with = "String")]
    pub schedule: Schedule,
    /// Tensor-parallel exchange: sequence, sequence-kept, all-reduce or scattered-transfers.
    #[serde(default = "sequence")]
    #[schemars(with = "String")]
    pub tensor: TensorExchange,
    /// Tensor-parallel traffic under compute.
    #[serde(default)]
    pub overlap_tp: bool,
    /// Context-parallel exchange: ring, all-gather or all-to-all.
    #[serde(default = "ring")]
    #[schemars(with = "String")]
    pub context: ContextExchange,
    /// Expert traffic under compute.
    #[serde(default)]
    pub overlap_ep: bool,
    /// Data-parallel traffic under compute.
    #[serde(default = "yes")]
    pub overlap_dp: bool,
    /// What data-parallel chips split: none, optimizer, gradients or parameters.
    #[serde(default = "optimizer_sharding")]
    #[schemars(with = "String")]
    pub sharding: Sharding,
    /// Chips among which that is split; 0 for all that hold the same weights.
    #[serde(default)]
    pub shard: u64,
}

impl FixedPlan {
    /// The plan for a number of chips in a format.
    #[must_use]
    pub fn plan(&self, chips: u64, format: NumberFormat) -> Plan {
        let inner = (self.tp * self.cp * self.pp).max(1);
        Plan {
            tp: self.tp,
            cp: self.cp,
            ep: self.ep,
            etp: self.etp,
            pp: self.pp,
            vp: self.vp,
            dp: self.dp.unwrap_or(chips / inner),
            micro_batch: self.micro_batch,
            recompute: self.recompute,
            schedule: self.schedule,
            format,
            tensor: self.tensor,
            overlap_tp: if self.overlap_tp {
                TensorOverlap::Pipelined
            } else {
                TensorOverlap::None
            },
            context: self.context,
            overlap_ep: self.overlap_ep,
            sharding: self.sharding,
            shard: self.shard,
            overlap_dp: self.overlap_dp,
            ..Plan::one(format)
        }
    }
}

const fn sequence() -> TensorExchange {
    TensorExchange::Sequence
}

const fn ring() -> ContextExchange {
    ContextExchange::Ring
}

const fn optimizer_sharding() -> Sharding {
    Sharding::Optimizer
}

const fn yes() -> bool {
    true
}

const fn one() -> u64 {
    1
}
