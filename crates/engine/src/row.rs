//! What a comparison yields: one row for each system and workload.

use std::collections::BTreeMap;

use chokepoint_cost::{Capital, HourlyCost, SystemPower};
use chokepoint_fabric::FabricParts;
use chokepoint_rules::Verdict;
use serde::Serialize;

/// A statement in any language: a key of the message catalogue and its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// Key of the message catalogue.
    pub key: &'static str,
    /// Arguments by name.
    pub arguments: BTreeMap<&'static str, String>,
}

impl Statement {
    /// A statement with arguments.
    #[must_use]
    pub fn new<const N: usize>(key: &'static str, arguments: [(&'static str, String); N]) -> Self {
        Self {
            key,
            arguments: arguments.into_iter().collect(),
        }
    }
}

/// One system on one workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// System id.
    pub system: String,
    /// System name.
    pub system_name: String,
    /// Workload id.
    pub workload: String,
    /// Kind of the workload.
    pub kind: Kind,
    /// Chips that are paid for: what is held equal, or what it leads to.
    pub chips: u64,
    /// Why there is no result.
    pub reason: Option<Statement>,
    /// The result.
    pub outcome: Option<Outcome>,
    /// Purchase price, where the price book has one.
    pub capital: Option<Capital>,
    /// Power.
    pub power: SystemPower,
    /// Scale-out network.
    pub parts: FabricParts,
    /// Optical modules inside the scale-up domains of all chips.
    pub domain_modules: u64,
    /// Export verdict.
    pub export: Verdict,
    /// What a reader must know about the inputs of this row.
    pub notes: Vec<Statement>,
}

/// Kind of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Pre-training.
    Training,
    /// Serving.
    Serving,
}

/// A feasible result.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The plan in one line.
    pub plan: String,
    /// The plan by field.
    pub plan_fields: BTreeMap<&'static str, serde_json::Value>,
    /// Chips that the plan occupies.
    pub chips_used: u64,
    /// Measures by key; the unit is in the key.
    pub metrics: BTreeMap<&'static str, f64>,
    /// The 80% interval of the headline measure (`step_seconds` or `output_tokens_per_second`).
    pub interval: (f64, f64),
    /// Parts of the step, or of the mean time for each token, in seconds; they sum to `whole`.
    pub breakdown: Vec<(&'static str, f64)>,
    /// What the parts sum to, in seconds.
    pub whole: f64,
    /// Memory of the fullest chip by use, in bytes.
    pub memory: Vec<(&'static str, f64)>,
    /// Elasticity of the rate to each resource, largest first; the first is the chokepoint.
    pub elasticities: Vec<(Resource, f64)>,
    /// Next-best plans: plan and headline rate relative to the best.
    pub alternatives: Vec<(String, f64)>,
    /// Cost of a chip-hour, where the price book has a price.
    pub hourly: Option<HourlyCost>,
}

/// Resources that can bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Dense arithmetic rate.
    Compute,
    /// Memory bandwidth.
    MemoryBandwidth,
    /// Memory capacity.
    MemoryCapacity,
    /// Bandwidth inside the scale-up domain.
    ScaleUpBandwidth,
    /// Bandwidth across domains.
    ScaleOutBandwidth,
    /// Latency of the networks.
    NetworkLatency,
    /// Fixed time of kernels.
    KernelLaunch,
    /// Bandwidth between sites.
    WideAreaBandwidth,
}

impl Resource {
    /// All resources of one site.
    pub const ALL: [Self; 7] = [
        Self::Compute,
        Self::MemoryBandwidth,
        Self::MemoryCapacity,
        Self::ScaleUpBandwidth,
        Self::ScaleOutBandwidth,
        Self::NetworkLatency,
        Self::KernelLaunch,
    ];

    /// Key in output.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::MemoryBandwidth => "memory_bandwidth",
            Self::MemoryCapacity => "memory_capacity",
            Self::ScaleUpBandwidth => "scale_up_bandwidth",
            Self::ScaleOutBandwidth => "scale_out_bandwidth",
            Self::NetworkLatency => "network_latency",
            Self::KernelLaunch => "kernel_launch",
            Self::WideAreaBandwidth => "wide_area_bandwidth",
        }
    }
}

/// A whole comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What is asked.
    pub title: String,
    /// The same in Chinese.
    pub title_zh: Option<String>,
    /// Day of the export verdicts.
    pub date: String,
    /// Destination country.
    pub destination: String,
    /// Price book.
    pub prices: String,
    /// Date of the price book.
    pub prices_as_of: String,
    /// What is held equal, by workload.
    pub held: Vec<(String, Statement)>,
    /// Rows, workloads in the order of the scenario, systems within.
    pub rows: Vec<Row>,
}
