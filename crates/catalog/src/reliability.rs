//! What an operator published about the failures of a cluster, and what a run takes from it.

use chokepoint_units::{Bandwidth, Seconds};
use serde::Deserialize;

use crate::{Figure, FigureRow};

/// A reliability file: the failure experience of one cluster.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experience {
    /// Version of this schema.
    pub schema: u32,
    /// Lower-case id with hyphens; the file's name.
    pub id: String,
    /// Name.
    pub name: String,
    /// What a reader must know.
    #[serde(default)]
    pub note: Option<String>,
    /// Chip of the cluster.
    pub chip: String,
    /// Chips of one node.
    pub chips_per_node: u64,
    /// Chips of the cluster or of its large job.
    pub chips: Figure<f64>,
    /// Failures that stop a job, for each of its nodes and day.
    pub failures_per_node_day: Figure<f64>,
    /// Share of those failures after which a node must be repaired.
    pub repair_share: Figure<f64>,
    /// Mean time until a node returns from repair.
    pub repair: Figure<Seconds>,
    /// From a failure to the first step after it: detect, reschedule, load.
    pub restart: Figure<Seconds>,
    /// Spare nodes over the nodes of a job.
    pub spare_share: Figure<f64>,
    /// Share of chip-hours lost to stragglers.
    pub straggler_loss: Figure<f64>,
    /// Checkpoints.
    pub checkpoint: Checkpoint,
    /// Failures of the network.
    pub network: NetworkFailures,
    /// Jobs whose failures or effective time are published, to compare with.
    #[serde(default, rename = "job")]
    pub jobs: Vec<Job>,
}

/// How checkpoints are written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Rate at which one node writes.
    pub node_bandwidth: Figure<Bandwidth>,
    /// Rate that all nodes together cannot exceed.
    #[serde(default)]
    pub shared_bandwidth: Option<Figure<Bandwidth>>,
    /// Share of the write for which the job stands still.
    pub blocking_share: Figure<f64>,
}

/// How parts of the network fail and are brought back, whether or not that stops a job.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkFailures {
    /// Failures of a link, cable and modules at its ends, a day.
    pub failures_per_link_day: Figure<f64>,
    /// Failures of a switch, a day.
    pub failures_per_switch_day: Figure<f64>,
    /// Mean time until either is back.
    pub repair: Figure<Seconds>,
}

/// A job as published. Nothing is predicted from it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Chips of the job.
    pub chips: u64,
    /// Mean time between the failures that stop it.
    #[serde(default)]
    pub mtbf: Option<Figure<Seconds>>,
    /// Share of the time that is effective, as its source counts it.
    #[serde(default)]
    pub effective_share: Option<Figure<f64>>,
}

impl Experience {
    /// Every figure of the file, for printing with sources.
    #[must_use]
    pub fn figures(&self) -> Vec<FigureRow> {
        let checkpoint = &self.checkpoint;
        let mut rows = vec![
            self.chips.row("chips"),
            self.failures_per_node_day.row("failures_per_node_day"),
            self.repair_share.row("repair_share"),
            self.repair.row("repair"),
            self.restart.row("restart"),
            self.spare_share.row("spare_share"),
            self.straggler_loss.row("straggler_loss"),
            checkpoint.node_bandwidth.row("checkpoint.node_bandwidth"),
            checkpoint.blocking_share.row("checkpoint.blocking_share"),
        ];
        let shared = checkpoint.shared_bandwidth.iter();
        rows.extend(shared.map(|f| f.row("checkpoint.shared_bandwidth")));
        let network = &self.network;
        rows.extend([
            network
                .failures_per_link_day
                .row("network.failures_per_link_day"),
            network
                .failures_per_switch_day
                .row("network.failures_per_switch_day"),
            network.repair.row("network.repair"),
        ]);
        for job in &self.jobs {
            let of_job = |field| format!("job.{}.{field}", job.chips);
            rows.extend(job.mtbf.iter().map(|f| f.row(of_job("mtbf"))));
            let effective = job.effective_share.iter();
            rows.extend(effective.map(|f| f.row(of_job("effective_share"))));
        }
        rows
    }
}
