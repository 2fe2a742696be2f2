//! What failures leave of a run, by the published experience of a cluster.

use chokepoint_catalog::{Catalog, Experience};
use chokepoint_diag::Diagnostic;
use chokepoint_train::{
    Case, Cause, CheckpointWrite, Goodput, Prediction, Reliability, Storage, checkpoint_bytes,
    jitter_slowdown,
};
use chokepoint_units::{Bytes, PartName as _, SECONDS_PER_HOUR};

use super::Failures;
use crate::resolve::SystemParts;
use crate::row::{Outcome, Statement};

/// The experience that counts where the system's chip has none of its own.
const ELSE: &str = "meta-llama3-h100";

/// What failures leave of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunGoodput {
    /// Id of the experience.
    pub experience: String,
    /// Its name.
    pub name: String,
    /// Days of the run with failures.
    pub days: f64,
    /// Share of the time that goes into work that is kept.
    pub share: f64,
    /// Hours between failures.
    pub mtbf_hours: Option<f64>,
    /// Minutes of useful work between two checkpoints.
    pub interval_minutes: Option<f64>,
    /// Bytes of a checkpoint.
    pub checkpoint_bytes: f64,
    /// Chips of the spare nodes, kept beside those of the job.
    pub spare_chips: u64,
    /// Share of the run by cause; sums to one.
    pub causes: Vec<(&'static str, f64)>,
    /// Cost of the run with failures, spare chips counted, where there is a price.
    pub usd: Option<f64>,
}

/// An experience and why it was chosen.
pub(crate) struct Known<'a> {
    experience: &'a Experience,
    pub note: Option<Statement>,
}

impl<'a> Known<'a> {
    /// The experience.
    pub(crate) const fn experience(&self) -> &'a Experience {
        self.experience
    }
}

/// The experience that is asked for.
///
/// # Errors
/// When its id names nothing.
pub(crate) fn experience<'a>(
    failures: &Failures,
    parts: &SystemParts,
    catalog: &'a Catalog,
) -> Result<Option<Known<'a>>, Diagnostic> {
    let chosen = |experience: &'a Experience, key| {
        let name = experience.name.clone();
        let note = Statement::new(key, [("name", name)]);
        let note = Some(note);
        Known { experience, note }
    };
    match failures {
        Failures::Ignored => Ok(None),
        Failures::Of(id) => {
            let experience = catalog.experience(id)?;
            let note = None;
            Ok(Some(Known { experience, note }))
        }
        Failures::Nearest => {
            let same = catalog
                .reliability
                .values()
                .map(|entry| &entry.value)
                .find(|known| known.chip == parts.chip.id);
            Ok(Some(match same {
                Some(known) => chosen(known, "failures-same-chip"),
                None => chosen(catalog.experience(ELSE)?, "failures-other-chip"),
            }))
        }
    }
}

/// What failures leave of a plan's run.
///
/// A node is as large as in the experience, so that failures carry over by chip: a job of as many
/// chips fails as often. Stragglers stretch steps by 1 / (1 - share lost to them) in a job of the
/// experience's size, and in others as the slowest of its nodes does (`jitter_slowdown`); a single
/// node waits for none. Chips that the plan leaves idle serve as spares; others are paid beside.
///
/// Of several sites each writes the whole model to storage of its own; a failure anywhere stops
/// all, as it does in synchronous training and, in local steps, at the next exchange.
/// `found` is the plan of one site with the run of all; `case` has the chips of all.
///
/// Limits: spare nodes are taken to serve any site; failures of the line are not counted; with
/// local steps the other sites could go on until the next exchange.
///
/// # Errors
/// Why no run comes of it.
pub(super) fn goodput(
    (known, network_slowdown): (&Known, f64),
    case: &Case,
    sites: u64,
    found: &Prediction,
    outcome: &Outcome,
) -> Result<RunGoodput, Statement> {
    let experience = known.experience;
    let unreliable =
        |error: &dyn std::fmt::Display| Statement::new("no-goodput", [("why", error.to_string())]);
    let chips = found.plan.chips() * sites;
    let nodes = found
        .plan
        .chips()
        .div_ceil(experience.chips_per_node.max(1));
    let idle = case.chips.saturating_sub(chips) / experience.chips_per_node.max(1);
    let wanted = libm::ceil(nodes as f64 * experience.spare_share.value) as u64 * sites;
    let spare_nodes = wanted.max(idle);
    let parameters = case.workload.trained_parameters(case.architecture);
    let bytes = checkpoint_bytes(parameters, case.workload.optimizer);
    let reliability = Reliability {
        failures_per_node_day: experience.failures_per_node_day.value,
        failures_per_job_day: 0.0,
        repair_share: experience.repair_share.value,
        chips_per_node: experience.chips_per_node,
        spare_nodes,
        repair: experience.repair.value,
        restart: experience.restart.value,
        write: write(experience, bytes, nodes).map_err(|error| unreliable(&error))?,
        interval: None,
        straggler_slowdown: straggler_slowdown(experience, nodes * sites),
        network_slowdown,
    };
    let left = chokepoint_train::goodput(&reliability, chips, found.run)
        .map_err(|error| unreliable(&error))?;
    let spare_chips = (spare_nodes - idle) * experience.chips_per_node;
    let paid = (case.chips + spare_chips) as f64;
    let hours = left.run.get() / SECONDS_PER_HOUR;
    Ok(RunGoodput {
        experience: experience.id.clone(),
        name: experience.name.clone(),
        days: left.days(),
        share: left.share,
        mtbf_hours: left.mtbf.map(|time| time.get() / SECONDS_PER_HOUR),
        interval_minutes: left.interval.map(|time| time.get() / 60.0),
        checkpoint_bytes: bytes.get(),
        spare_chips,
        causes: causes(&left),
        usd: outcome
            .hourly
            .map(|hourly| hourly.total.get() * paid * hours),
    })
}

/// Slowdown of a job of so many nodes, whose nodes scatter as those of the experience do.
fn straggler_slowdown(experience: &Experience, nodes: u64) -> f64 {
    let there = (experience.chips.value / experience.chips_per_node.max(1) as f64) as u64;
    let slowdown = 1.0 / (1.0 - experience.straggler_loss.value);
    let of_one = jitter_slowdown(1.0, there) - 1.0;
    if of_one > 0.0 {
        jitter_slowdown((slowdown - 1.0) / of_one, nodes)
    } else {
        slowdown
    }
}

fn write(
    experience: &Experience,
    bytes: Bytes,
    nodes: u64,
) -> Result<CheckpointWrite, chokepoint_train::OutOfRange> {
    let checkpoint = &experience.checkpoint;
    let shared = checkpoint.shared_bandwidth.as_ref();
    let storage = Storage {
        node: checkpoint.node_bandwidth.value,
        shared: shared.map(|figure| figure.value),
        blocking_share: checkpoint.blocking_share.value,
    };
    CheckpointWrite::to(&storage, bytes, nodes)
}

fn causes(left: &Goodput) -> Vec<(&'static str, f64)> {
    let all = Cause::ALL.iter();
    all.map(|cause| (cause.key(), left.share_of(*cause)))
        .collect()
}
