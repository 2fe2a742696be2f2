//! One collective on a system's network, at the wanted fidelity.

mod damage;
mod import;
mod nccl;
mod request;
mod share;
mod simulate;
mod symmetric;
mod wires;

use std::collections::BTreeSet;

use chokepoint_catalog::CollectiveKind;
use chokepoint_diag::{Code, Diagnostic};
use chokepoint_fabric::algorithm::{Algorithm, Collective, schedule};
use chokepoint_fabric::goal::goal;
use chokepoint_fabric::{Fabric, Group, bus_factor};
use chokepoint_units::{Bandwidth, Bytes, Seconds};

pub use damage::{parse_failed, parse_slow};
pub use import::{Import, Imported, import};
pub use nccl::{NcclRow, NcclRun};
pub use request::{
    CollectiveRequest, Fidelity, parse_algorithm, parse_collective, parse_size, sizes,
};

pub(crate) use share::shared;
pub use share::{ShareFound, ShareRequest, ShareRow, ShareRun, Traffic, parse_traffic, run_share};
use simulate::{Simulated, Simulator};

use crate::Data;
use crate::resolve::{SystemParts, system_parts};
use crate::row::Statement;

/// A collective on a system, size by size.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectiveRun {
    /// System id.
    pub system: String,
    /// System name.
    pub system_name: String,
    /// Name of the network between domains.
    pub network: String,
    /// What was asked.
    pub request: CollectiveRequest,
    /// Ranks in each domain, and domains.
    pub shape: (u64, u64),
    /// One for each size.
    pub rows: Vec<CollectiveRow>,
    /// What to know of the numbers.
    pub notes: Vec<Statement>,
}

/// One size.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectiveRow {
    /// Size of the message.
    pub size: Bytes,
    /// What was found, or why nothing.
    pub found: Result<CollectiveFound, Statement>,
    /// Time on the whole network, where parts of it fail or are slow.
    pub whole: Option<Seconds>,
}

/// Time of one size.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectiveFound {
    /// Time.
    pub time: Seconds,
    /// The algorithm and its slices, where one was simulated.
    pub algorithm: Option<(Algorithm, u32)>,
    /// Size over time.
    pub algorithm_bandwidth: Bandwidth,
    /// Bus bandwidth as nccl-tests define it.
    pub bus_bandwidth: Bandwidth,
    /// The link that was busy longest, where links were simulated.
    pub busiest: Option<Busiest>,
    /// Algorithms that were not tried, having too many transfers in some or all of their slices.
    pub skipped: Vec<Algorithm>,
}

/// A link that was busy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Busiest {
    /// What it is of: `domain`, `card` (of a chip into the network between domains) or `scale-out`
    /// (between its switches).
    pub wire: &'static str,
    /// Share of the time in which it was.
    pub share: f64,
}

/// Runs a collective at every size.
///
/// # Errors
/// What is wrong with the request; a size that cannot be run is a row with the reason.
pub fn run_collective(
    request: &CollectiveRequest,
    data: &Data,
) -> Result<CollectiveRun, Diagnostic> {
    request.check()?;
    let parts = system_parts(&data.catalog, &request.system)?;
    let group = Group::adjacent(request.ranks);
    let shape = group.split(parts.fabric.domain);
    let simulator = |request: &CollectiveRequest| {
        let simulates = request.fidelity.simulates();
        simulates.then(|| Simulator::new(request, &parts, data))
    };
    let at = |simulator: &Option<Result<Simulator, Statement>>, size: Bytes| match simulator {
        Some(Ok(simulator)) => simulator
            .run(request, size)
            .map(|run| found(request, size, run.time, Some(run))),
        Some(Err(reason)) => Err(reason.clone()),
        None => formula(request, &parts, size).map(|time| found(request, size, time, None)),
    };
    let own = simulator(request);
    let whole = (!request.damage.is_empty()).then(|| {
        let damage = Vec::new();
        simulator(&CollectiveRequest {
            damage,
            ..request.clone()
        })
    });
    let rows = request.sizes.iter().map(|size| CollectiveRow {
        size: *size,
        found: at(&own, *size),
        whole: whole
            .as_ref()
            .and_then(|whole| at(whole, *size).ok().map(|found| found.time)),
    });
    let rows: Vec<CollectiveRow> = rows.collect();
    let mut notes = notes(request, &parts, &rows);
    if let Some(Ok(simulator)) = &own {
        notes.extend(damage::notes(&request.damage, &simulator.plain().hit));
    }
    Ok(CollectiveRun {
        system: parts.system.id.clone(),
        system_name: parts.system.name.clone(),
        network: parts.network.name.clone(),
        shape,
        notes,
        rows,
        request: request.clone(),
    })
}

/// The transfers of the named algorithm at the first size, as GOAL.
///
/// # Errors
/// What is wrong with the request, or why there are no such transfers.
pub fn collective_goal(request: &CollectiveRequest, data: &Data) -> Result<String, Diagnostic> {
    request.check()?;
    let parts = system_parts(&data.catalog, &request.system)?;
    let refused = |why: &str| Diagnostic::new(Code::Usage, format!("there is no GOAL file: {why}"));
    let (Some(algorithm), Some(size)) = (request.algorithm, request.sizes.first()) else {
        return Err(refused("an algorithm is not named").help("write --algorithm"));
    };
    let ranks = simulate::ranks(request, &parts, None)
        .ok_or_else(|| refused("the ranks do not fill whole domains"))?;
    let slices = request.slices.unwrap_or(1);
    let what = (request.collective, algorithm);
    schedule(what, &ranks, *size, slices, Seconds::ZERO)
        .and_then(|schedule| goal(&schedule, &ranks))
        .ok_or_else(|| refused("the algorithm does not do this between ranks alone"))
}

/// What to know of the numbers.
fn notes(
    request: &CollectiveRequest,
    parts: &SystemParts,
    rows: &[CollectiveRow],
) -> Vec<Statement> {
    let mut notes = Vec::new();
    if request.fidelity == Fidelity::Calibrated && !parts.fabric.has_curves() {
        notes.push(Statement::new("no-curves", []));
    }
    if request.fidelity.simulates() {
        notes.push(Statement::new("wires-achieved", []));
    }
    let found = rows.iter().filter_map(|row| row.found.as_ref().ok());
    let skipped: BTreeSet<Algorithm> = found.flat_map(|found| found.skipped.clone()).collect();
    if !skipped.is_empty() {
        let names: Vec<&str> = skipped.into_iter().map(Algorithm::name).collect();
        let list = [("algorithms", names.join(", "))];
        notes.push(Statement::new("algorithms-skipped", list));
    }
    notes
}

/// Time by the formulas that training and serving use, with or without measured curves.
fn formula(
    request: &CollectiveRequest,
    parts: &SystemParts,
    size: Bytes,
) -> Result<Seconds, Statement> {
    let plain;
    let fabric: &Fabric = if request.fidelity == Fidelity::ClosedForm {
        plain = parts.fabric.without_curves();
        &plain
    } else {
        &parts.fabric
    };
    let group = Group::adjacent(request.ranks);
    match request.collective {
        Collective::AllReduce => Ok(fabric.all_reduce(group, size)),
        Collective::ReduceScatter => Ok(fabric.reduce_scatter(group, size)),
        Collective::AllGather => Ok(fabric.all_gather(group, size)),
        Collective::AllToAll => Ok(fabric.all_to_all(group, size)),
        Collective::SendReceive => Ok(fabric.send(group, size)),
        Collective::Broadcast => Err(Statement::new("no-broadcast-formula", [])),
    }
}

/// A time with the bandwidths that nccl-tests print (`doc/PERFORMANCE.md`).
fn found(
    request: &CollectiveRequest,
    size: Bytes,
    time: Seconds,
    simulated: Option<Simulated>,
) -> CollectiveFound {
    let algorithm_bandwidth = size / time;
    CollectiveFound {
        time,
        algorithm: simulated.as_ref().map(|run| (run.algorithm, run.slices)),
        busiest: simulated.as_ref().and_then(|run| run.busiest),
        skipped: simulated.map(|run| run.skipped).unwrap_or_default(),
        algorithm_bandwidth,
        bus_bandwidth: algorithm_bandwidth * bus_share(request.collective, request.ranks),
    }
}

/// Bus over algorithm bandwidth.
fn bus_share(collective: Collective, ranks: u64) -> f64 {
    match kind(collective) {
        Some(kind) => bus_factor(kind, ranks),
        // Every byte crosses a link once.
        None => 1.0,
    }
}

/// What the catalogue has curves of.
const fn kind(collective: Collective) -> Option<CollectiveKind> {
    match collective {
        Collective::AllReduce => Some(CollectiveKind::AllReduce),
        Collective::ReduceScatter => Some(CollectiveKind::ReduceScatter),
        Collective::AllGather => Some(CollectiveKind::AllGather),
        Collective::AllToAll => Some(CollectiveKind::AllToAll),
        Collective::Broadcast | Collective::SendReceive => None,
    }
}
