//! What failed parts of the network take of a run that goes on with them.
//!
//! For each kind of part: with one of them failed the traffic of a step runs as flows, each kind
//! alone, at the worst of a few places, and the step is predicted with traffic that takes as many
//! times longer. At least one of n parts is under repair in 1 - exp(-n rate repair) of the time
//! (`share_with_failure`), so that steps take 1 + sum over kinds of share x (slowdown - 1) times as
//! long on average: synchronous steps wait for the slowest group, which further failures elsewhere
//! slow no more.
//!
//! A part without which chips have no path stops the job; it is among the failures that do.
//!
//! Limits: those of `contention`. The fewer chips that stand for many have as many links and
//! switches less, so that a part takes of the links that it hits there what one of the whole network
//! takes of its own. Links inside domains are left out, no rate of theirs being known; so is what a
//! job loses when transfers are tried again, and that one who restarts may leave slow chips out.

use chokepoint_fabric::network::Routing;
use chokepoint_fabric::topology::{Amount, Damage, NetworkPart, SystemNetwork};
use chokepoint_train::{Case, Prediction, share_with_failure};
use chokepoint_units::SECONDS_PER_DAY;

use super::contention::Simulated;
use super::failures::Known;
use crate::resolve::SystemParts;
use crate::row::Statement;
use crate::{Data, topology};

/// Chips that are simulated where a pattern of a plan fits so few: more where their transfers can be
/// written down, since few chips have few switches.
const ENOUGH: [u64; 2] = [1024, 256];
/// Places at which a part fails.
const SEEDS: [u64; 3] = [0, 1, 2];
/// Parts of whose kind a rate is known.
const PARTS: [NetworkPart; 4] = [
    NetworkPart::Uplink,
    NetworkPart::Port,
    NetworkPart::Leaf,
    NetworkPart::Spine,
];

/// What failed parts of the network take of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDegraded {
    /// Chips that were simulated, and those of the plan that they stand for.
    pub chips: (u64, u64),
    /// One for each kind of part that the network has.
    pub rows: Vec<DegradedRow>,
    /// Mean time of a step over that on the whole network.
    pub slowdown: f64,
}

/// A kind of part that fails.
#[derive(Debug, Clone, PartialEq)]
pub struct DegradedRow {
    /// Kind, as options name it.
    pub part: &'static str,
    /// How many there are.
    pub there: u64,
    /// Share of the time in which at least one is under repair.
    pub share: f64,
    /// Time of a step with one failed over that on the whole network, or that the job stops.
    pub slowdown: Result<f64, Statement>,
}

/// What failed parts of the network take of the run of the plan that was found.
///
/// # Errors
/// Why that was not simulated.
pub(super) fn degraded(
    known: &Known,
    case: &Case,
    best: &Prediction,
    parts: &SystemParts,
    data: &Data,
) -> Result<RunDegraded, Statement> {
    let [more, fewer] = ENOUGH.map(|enough| {
        move || {
            let simulated = Simulated::new((case, enough), best, parts, data)?;
            of_parts(known, best, parts, data, &simulated)
        }
    });
    match more() {
        Err(reason) if reason.key == "too-many-transfers" => fewer(),
        found => found,
    }
}

/// The same on the chips that are simulated.
fn of_parts(
    known: &Known,
    best: &Prediction,
    parts: &SystemParts,
    data: &Data,
    simulated: &Simulated,
) -> Result<RunDegraded, Statement> {
    let chips = (simulated.chips(), best.plan.chips());
    let few = network(parts, data, chips.0)?;
    let all = network(parts, data, chips.1)?;
    let mut rows = Vec::new();
    let mut slowdown = 1.0;
    for part in PARTS {
        let Some((lost, there)) = loss(&all, part) else {
            continue;
        };
        let (lost_of_few, _) = loss(&few, part).ok_or_else(|| {
            Statement::new("part-not-simulated", [("part", part.name().to_owned())])
        })?;
        let damage = Damage {
            part,
            amount: Amount::Count(1),
            left: (1.0 - lost / lost_of_few).max(0.0),
        };
        let found = simulated.damaged(damage, &SEEDS);
        let share = known.share_under_repair(part, there);
        match &found {
            Ok(slower) => slowdown += share * (slower - 1.0),
            Err(reason) if reason.key.starts_with("cut-off") => {}
            Err(reason) => return Err(reason.clone()),
        }
        rows.push(DegradedRow {
            part: part.name(),
            there,
            share,
            slowdown: found,
        });
    }
    Ok(RunDegraded {
        chips,
        rows,
        slowdown,
    })
}

impl Known<'_> {
    /// Share of the time in which at least one of a number of parts is under repair.
    fn share_under_repair(&self, part: NetworkPart, there: u64) -> f64 {
        let network = &self.experience().network;
        let a_day = match part {
            NetworkPart::Uplink | NetworkPart::Port | NetworkPart::Cable => {
                network.failures_per_link_day.value
            }
            _ => network.failures_per_switch_day.value,
        };
        share_with_failure(there, a_day / SECONDS_PER_DAY, network.repair.value)
    }
}

/// The network of a number of chips.
fn network(parts: &SystemParts, data: &Data, chips: u64) -> Result<SystemNetwork, Statement> {
    let wiring = parts.system.domain.wiring.as_ref();
    let link = wiring.and_then(|wiring| data.catalog.link(&wiring.link).ok());
    SystemNetwork::new(&parts.system, link, &parts.network, chips, Routing::Spray)
        .map_err(|refusal| topology::statement(refusal, chips))
}

/// The largest share that one part takes of a link, and how many there are; absent without any.
fn loss(network: &SystemNetwork, part: NetworkPart) -> Option<(f64, u64)> {
    let one = Damage {
        part,
        amount: Amount::Count(1),
        left: 0.0,
    };
    let damaged = network.damaged(&[one], 0).ok()?;
    let least = damaged.factors.iter().map(|(_, left)| *left);
    let (_, there) = damaged.hit.first()?;
    Some((1.0 - least.fold(1.0, f64::min), *there))
}
