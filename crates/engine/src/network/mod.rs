//! One collective on a system's network, at the wanted fidelity.

mod nccl;
mod request;

use chokepoint_diag::Diagnostic;
use chokepoint_fabric::algorithm::{Algorithm, Collective};
use chokepoint_fabric::{Fabric, Group};
use chokepoint_units::{Bandwidth, Bytes, Seconds};

pub use nccl::{NcclRow, NcclRun};
pub use request::{
    CollectiveRequest, Fidelity, parse_algorithm, parse_collective, parse_size, sizes,
};

use crate::resolve::{SystemParts, system_parts};
use crate::row::Statement;
use crate::Data;

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
    let rows = request.sizes.iter().map(|size| CollectiveRow {
        size: *size,
        found: formula(request, &parts, *size).map(|time| found(request, *size, time, None)),
    });
    Ok(CollectiveRun {
        system: parts.system.id.clone(),
        system_name: parts.system.name.clone(),
        network: parts.network.name.clone(),
        shape,
        rows: rows.collect(),
        notes: Vec::new(),
        request: request.clone(),
    })
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
    algorithm: Option<(Algorithm, u32)>,
) -> CollectiveFound {
    let algorithm_bandwidth = size / time;
    CollectiveFound {
        time,
        algorithm,
        algorithm_bandwidth,
        bus_bandwidth: algorithm_bandwidth * bus_share(request.collective, request.ranks),
    }
}

/// Bus over algorithm bandwidth.
fn bus_share(collective: Collective, ranks: u64) -> f64 {
    let others = (ranks - 1) as f64 / ranks as f64;
    match collective {
        Collective::AllReduce => 2.0 * others,
        Collective::ReduceScatter | Collective::AllGather | Collective::AllToAll => others,
        Collective::Broadcast | Collective::SendReceive => 1.0,
    }
}
