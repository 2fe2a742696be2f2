//! Instances that come and go: how many are wanted and how long one takes to start; how often one fails
//! and how long it is away.

use chokepoint_catalog::Catalog;
use chokepoint_diag::{Code, Diagnostic};
use chokepoint_replay::{Engine, RandomFailures, Scaling};
use chokepoint_serve::{Case, Instance, Plan};
use chokepoint_units::{Bandwidth, SECONDS_PER_DAY, Seconds};

use super::request::ReplayRequest;
use crate::resolve::SystemParts;
use crate::row::Statement;
use crate::run::{Failures, experience};

/// More or fewer instances with the load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplayScaling {
    /// Fewest instances; also the number at the start.
    pub least: u32,
    /// Most instances.
    pub most: u32,
    /// Requests on each instance that are aimed at; absent, as many as one takes at once.
    pub target: Option<f64>,
    /// Time between decisions.
    pub interval: Seconds,
    /// Rate at which a node reads weights.
    pub loading: Bandwidth,
    /// Time that a start takes beside reading weights: processes, compilation, captured graphs.
    pub beside: Seconds,
}

impl ReplayScaling {
    /// Time between decisions of a Kubernetes autoscaler by default
    /// (`--horizontal-pod-autoscaler-sync-period`).
    pub const INTERVAL: Seconds = Seconds::new(15.0);
    /// Rate at which a node reads weights: the 15 GB of Llama 3 8B took 14.3 s from a GP3 disk and 7.5 s
    /// from an IO2 disk (Run:ai, Model Streamer: Performance Benchmarks, October 2024); the storage of
    /// Llama 3 gives each of its nodes 0.98 GB/s (Llama 3, section 3.3.1).
    pub const LOADING: Bandwidth = Bandwidth::new(1e9);

    /// Time until an instance takes requests: each of its nodes reads the weights of its chips from
    /// storage, every chip its own; nothing is read once for several.
    pub(super) fn start_up(&self, instance: &Instance<'_>, node_chips: u64) -> Seconds {
        let chips = instance.layout.chips().min(node_chips.max(1));
        instance.memory(0).weights * chips as f64 / self.loading + self.beside
    }

    /// As the replay takes it, for instances that schedule so and requests of such lengths.
    pub(super) fn rules(&self, engine: &Engine, case: &Case<'_>, start_up: Seconds) -> Scaling {
        let mean = case.workload.input as f64 + case.workload.output as f64 / 2.0;
        let room = engine.blocks as f64 * f64::from(engine.block_tokens) / mean;
        let at_once = room.clamp(1.0, f64::from(engine.max_sequences));
        Scaling {
            least: self.least,
            target_requests: self.target.unwrap_or(at_once),
            interval: self.interval,
            start_up,
        }
    }
}

/// Reads fewest and most instances, as `1..8`.
///
/// # Errors
/// When it is no range.
pub fn parse_autoscale(text: &str) -> Result<(u32, u32), Diagnostic> {
    let read = || {
        let (least, most) = text.split_once("..")?;
        let most = most.strip_prefix('=').unwrap_or(most);
        let (least, most) = (least.trim().parse().ok()?, most.trim().parse().ok()?);
        (least >= 1 && least <= most).then_some((least, most))
    };
    read().ok_or_else(|| {
        Diagnostic::new(Code::Usage, format!("\"{text}\" is no range of instances"))
            .help("write MIN..MAX, such as 1..8, with at least one")
    })
}

/// Which failures of instances count.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplayFailures {
    /// None.
    Ignored,
    /// Of an instance, at such a mean time between them, and how long it is away.
    Every {
        /// Mean time from taking requests to failing.
        between: Seconds,
        /// Time until it takes requests again.
        repair: Seconds,
    },
    /// Those of a cluster as published. Chips fail as often as there; an instance is back after the
    /// restart of a job there (detect, reschedule, load), on a spare node: nodes under repair are
    /// replaced.
    Published(Failures),
}

impl ReplayFailures {
    /// As the replay takes them, for the instances of a plan.
    ///
    /// # Errors
    /// When a cluster's id names nothing.
    pub(super) fn rules(
        &self,
        plan: &Plan,
        (parts, catalog): (&SystemParts, &Catalog),
        seed: u64,
        notes: &mut Vec<Statement>,
    ) -> Result<Option<RandomFailures>, Diagnostic> {
        let (mean_time_between, repair) = match self {
            Self::Ignored => return Ok(None),
            Self::Every { between, repair } => (*between, *repair),
            Self::Published(failures) => {
                let Some(known) = experience(failures, parts, catalog)? else {
                    return Ok(None);
                };
                notes.extend(known.note.clone());
                let known = known.experience();
                let a_day = known.failures_per_node_day.value / known.chips_per_node.max(1) as f64;
                let instances = plan.decode.instances + plan.prefill.map_or(0, |it| it.instances);
                let chips = plan.chips() as f64 / instances as f64;
                (
                    Seconds::new(SECONDS_PER_DAY / (a_day * chips)),
                    known.restart.value,
                )
            }
        };
        Ok(Some(RandomFailures {
            mean_time_between,
            repair,
            seed,
        }))
    }
}

/// What is out of range in what comes and goes.
pub(super) fn check(request: &ReplayRequest) -> Result<(), (String, String)> {
    if let Some(scaling) = &request.scaling {
        if request.instances.is_some() || request.chips.is_some() || request.disaggregate.is_some()
        {
            let message = "--autoscale beside --instances, --chips or --disaggregate";
            let help = "--autoscale says how many there are, all alike: leave the others out";
            return Err((message.to_owned(), help.to_owned()));
        }
        let positive = |value: f64| value > 0.0 && value.is_finite();
        if !scaling.target.is_none_or(positive) || !positive(scaling.loading.get()) {
            let message = "--scale-target or --load-bandwidth is out of range";
            let help = "write a positive number of requests, and a bandwidth such as \"2 GB/s\"";
            return Err((message.to_owned(), help.to_owned()));
        }
    }
    Ok(())
}
