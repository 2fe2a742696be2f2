//! Collectives that run at once and share links: those of one training step, or of several jobs.
//!
//! Each kind of traffic is one collective in groups of a shape, all groups at once. It runs by the
//! algorithm that is fastest for one group alone; then all groups of all kinds run together as
//! flows.
//!
//! Limits: all start at once and run once; links are shared by flow, so that an exchange of many
//! messages gets more of them than one of few; links inside a domain carry what all-gathers reach;
//! nothing is summed in switches; what traffic takes of a chip's processors and memory is not counted.

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_fabric::algorithm::{Algorithm, Collective, Ranks, schedule};
use chokepoint_fabric::schedule::Schedule;
use chokepoint_fabric::topology::Damage;
use chokepoint_units::{Bytes, Seconds};

use super::simulate::{MOST_TRANSFERS, Simulator, too_many_transfers};
use super::{
    Busiest, CollectiveRequest, Fidelity, damage, parse_algorithm, parse_collective, parse_size,
};
use crate::Data;
use crate::limits::MOST_COUNTED;
use crate::resolve::{SystemParts, system_parts};
use crate::row::Statement;

/// One kind of traffic: a collective in groups of a shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Traffic {
    /// What the ranks of a group do.
    pub collective: Collective,
    /// Size of the message, in the convention of nccl-tests.
    pub size: Bytes,
    /// Ranks of a group.
    pub ranks: u64,
    /// Chips from one rank of a group to the next.
    pub stride: u64,
    /// The algorithm; the fastest where none is named.
    pub algorithm: Option<Algorithm>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareRequest {
    /// Id of a system.
    pub system: String,
    /// Chips.
    pub chips: u64,
    /// What runs at once.
    pub traffic: Vec<Traffic>,
    /// Parts of the network that fail or are slow.
    pub damage: Vec<Damage>,
    /// Seed of the choices of paths and of parts that fail.
    pub seed: u64,
}

/// Traffic alone and together.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareRun {
    /// System id.
    pub system: String,
    /// System name.
    pub system_name: String,
    /// Name of the network between domains.
    pub network: String,
    /// Chips.
    pub chips: u64,
    /// One for each kind of traffic.
    pub rows: Vec<ShareRow>,
    /// All together, and the link that is busiest then.
    pub together: Option<(Seconds, Option<Busiest>)>,
    /// All together on the whole network, where parts of it fail or are slow.
    pub whole: Option<Seconds>,
    /// Which parts those are.
    pub notes: Vec<Statement>,
}

/// One kind of traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareRow {
    /// Which.
    pub traffic: Traffic,
    /// Groups that run it.
    pub groups: u64,
    /// What was found, or why nothing.
    pub found: Result<ShareFound, Statement>,
}

/// Time of one kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShareFound {
    /// The algorithm and its slices.
    pub algorithm: (Algorithm, u32),
    /// All its groups without other traffic.
    pub alone: Seconds,
    /// Beside all the others.
    pub together: Seconds,
    /// Beside all the others on the whole network, where parts of it fail or are slow.
    pub whole: Option<Seconds>,
}

/// Reads `COLLECTIVE:SIZE:RANKSxSTRIDE`, with `:ALGORITHM` behind where one is named.
///
/// # Errors
/// What is wrong with it.
pub fn parse_traffic(text: &str) -> Result<Traffic, Diagnostic> {
    let wrong = || {
        Diagnostic::new(Code::Usage, format!("\"{text}\" is no traffic")).help(
            "write COLLECTIVE:SIZE:RANKSxSTRIDE, such as \"all-reduce:1 GiB:8x1\", with :ALGORITHM behind if one is meant",
        )
    };
    let fields: Vec<&str> = text.split(':').map(str::trim).collect();
    let (fields, algorithm) = match fields[..] {
        [collective, size, shape] => ([collective, size, shape], None),
        [collective, size, shape, algorithm] => ([collective, size, shape], Some(algorithm)),
        _ => return Err(wrong()),
    };
    let [collective, size, shape] = fields;
    let (ranks, stride) = shape.split_once('x').ok_or_else(wrong)?;
    let counted = |text: &str| {
        let number = text.trim().parse::<u64>().ok();
        number
            .filter(|number| (1..=MOST_COUNTED).contains(number))
            .ok_or_else(wrong)
    };
    Ok(Traffic {
        collective: parse_collective(collective)?,
        size: parse_size(size)?,
        ranks: counted(ranks)?,
        stride: counted(stride)?,
        algorithm: algorithm.map(parse_algorithm).transpose()?,
    })
}

/// Runs all traffic, each kind alone and all together.
///
/// # Errors
/// What is wrong with the request; traffic that cannot be run is a row with the reason.
pub fn run_share(request: &ShareRequest, data: &Data) -> Result<ShareRun, Diagnostic> {
    if !(2..=MOST_COUNTED).contains(&request.chips) {
        let message = format!("--chips {} is out of range", request.chips);
        let help = "write a number from 2 to 1,048,576";
        return Err(Diagnostic::new(Code::Usage, message).help(help));
    }
    for traffic in &request.traffic {
        check(request, traffic)?;
        as_collective(request, Some(traffic)).check()?;
    }
    let parts = system_parts(&data.catalog, &request.system)?;
    let mut run = shared(request, &parts, data);
    if !request.damage.is_empty() {
        let undamaged = ShareRequest {
            damage: Vec::new(),
            ..request.clone()
        };
        let whole = shared(&undamaged, &parts, data);
        run.whole = whole.together.map(|(time, _)| time);
        for (row, whole) in run.rows.iter_mut().zip(&whole.rows) {
            if let (Ok(found), Ok(whole)) = (&mut row.found, &whole.found) {
                found.whole = Some(whole.together);
            }
        }
    }
    Ok(run)
}

/// The same of traffic that was checked.
pub(crate) fn shared(request: &ShareRequest, parts: &SystemParts, data: &Data) -> ShareRun {
    let mut run = ShareRun {
        system: parts.system.id.clone(),
        system_name: parts.system.name.clone(),
        network: parts.network.name.clone(),
        chips: request.chips,
        rows: Vec::new(),
        together: None,
        whole: None,
        notes: Vec::new(),
    };
    let row = |traffic: &Traffic, found| ShareRow {
        traffic: *traffic,
        groups: request.chips / traffic.ranks,
        found,
    };
    let simulator = match Simulator::new(&as_collective(request, None), parts, data) {
        Ok(simulator) => simulator,
        Err(reason) => {
            let rows = request.traffic.iter();
            run.rows = rows
                .map(|traffic| row(traffic, Err(reason.clone())))
                .collect();
            return run;
        }
    };
    run.notes = damage::notes(&request.damage, &simulator.plain().hit);
    let mut all = Schedule::new(Seconds::ZERO);
    let mut ends = Vec::new();
    for traffic in &request.traffic {
        let found = alone(request, traffic, &simulator);
        let found = found.map(|(found, schedule)| {
            all.append(&schedule);
            found
        });
        ends.push(all.transfers().len());
        run.rows.push(row(traffic, found));
    }
    if run.rows.iter().all(|row| row.found.is_ok()) {
        together(&mut run, &simulator, &all, &ends);
    }
    run
}

/// Fills in what all traffic takes at once; `ends` are the first transfers behind each kind.
fn together(run: &mut ShareRun, simulator: &Simulator, all: &Schedule, ends: &[usize]) {
    let outcome = match simulator.outcome(simulator.plain(), all) {
        Ok(outcome) => outcome,
        Err(reason) => {
            for row in &mut run.rows {
                row.found = Err(reason.clone());
            }
            return;
        }
    };
    let mut first = 0;
    for (row, end) in run.rows.iter_mut().zip(ends) {
        let arrivals = outcome.arrival[first..*end].iter();
        if let Ok(found) = &mut row.found {
            found.together = arrivals.fold(Seconds::ZERO, |last, it| last.max(*it));
        }
        first = *end;
    }
    run.together = Some((outcome.makespan, simulator.plain().busiest(&outcome)));
}

/// All groups of one kind of traffic alone, and their transfers.
fn alone(
    request: &ShareRequest,
    traffic: &Traffic,
    simulator: &Simulator,
) -> Result<(ShareFound, Schedule), Statement> {
    let one = group(traffic, 0, simulator).ok_or_else(|| Statement::new("ranks-uneven", []))?;
    let asked = as_collective(request, Some(traffic));
    let (found, first) = simulator.fastest(&asked, &one, traffic.size)?;
    let groups = request.chips / traffic.ranks;
    let transfers = first.transfers().len() as u64 * groups;
    if transfers > MOST_TRANSFERS {
        return Err(too_many_transfers());
    }
    let what = (traffic.collective, found.algorithm);
    let mut all = Schedule::new(Seconds::ZERO);
    for number in 0..groups {
        let ranks = group(traffic, number, simulator);
        let of_group = ranks
            .and_then(|ranks| schedule(what, &ranks, traffic.size, found.slices, Seconds::ZERO))
            .ok_or_else(|| Statement::new("no-algorithm", []))?;
        all.append(&of_group);
    }
    let alone = simulator.outcome(simulator.plain(), &all)?.makespan;
    let found = ShareFound {
        algorithm: (found.algorithm, found.slices),
        alone,
        together: alone,
        whole: None,
    };
    Ok((found, all))
}

/// The ranks of a group: those so many chips apart, in blocks of as many groups as lie between them.
/// Absent where they do not share domains evenly.
fn group(traffic: &Traffic, number: u64, simulator: &Simulator) -> Option<Ranks> {
    let (block, own) = (number / traffic.stride, number % traffic.stride);
    let first = block * traffic.stride * traffic.ranks + own;
    let chips: Option<Vec<u32>> = (0..traffic.ranks)
        .map(|rank| u32::try_from(first + rank * traffic.stride).ok())
        .collect();
    let chips = chips?;
    let domain = |chip: &u32| simulator.plain().built().domain_of(*chip);
    let home = domain(chips.first()?);
    let inside = chips.iter().take_while(|chip| domain(chip) == home).count();
    let even = chips.chunks(inside).all(|of_domain| {
        of_domain
            .iter()
            .all(|chip| domain(chip) == domain(&of_domain[0]))
    });
    let ranks = Ranks::new(chips, u32::try_from(inside).ok()?, Vec::new());
    ranks.filter(|_| even)
}

/// The request of one group; of all chips where no traffic is given.
fn as_collective(request: &ShareRequest, traffic: Option<&Traffic>) -> CollectiveRequest {
    CollectiveRequest {
        system: request.system.clone(),
        collective: traffic.map_or(Collective::AllGather, |traffic| traffic.collective),
        ranks: traffic.map_or(request.chips, |traffic| traffic.ranks),
        sizes: vec![traffic.map_or(Bytes::new(1.0), |traffic| traffic.size)],
        fidelity: Fidelity::Flows,
        algorithm: traffic.and_then(|traffic| traffic.algorithm),
        slices: None,
        damage: request.damage.clone(),
        seed: request.seed,
    }
}

/// # Errors
/// When groups of the shape do not fill the chips.
fn check(request: &ShareRequest, traffic: &Traffic) -> Result<(), Diagnostic> {
    let block = traffic.ranks.saturating_mul(traffic.stride);
    if traffic.ranks < 2 {
        let message = "a group of one rank has no traffic";
        return Err(Diagnostic::new(Code::Usage, message).help("write 2 ranks or more"));
    }
    if request.chips.is_multiple_of(block) {
        return Ok(());
    }
    let message = format!(
        "groups of {} ranks {} apart do not fill {} chips",
        traffic.ranks, traffic.stride, request.chips
    );
    Err(Diagnostic::new(Code::Usage, message).help("ranks times stride must divide the chips"))
}
