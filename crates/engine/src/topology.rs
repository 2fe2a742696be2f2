//! The network of a number of chips of a system: what is built, how far chips are apart, what it
//! draws and costs.

use chokepoint_catalog::{DomainLink, Network, PriceBook, System};
use chokepoint_cost::{NetworkCapital, network_capital};
use chokepoint_diag::{Code, Diagnostic};
use chokepoint_fabric::network::Routing;
use chokepoint_fabric::topology::{
    Bisection, Domain, Reach, Refusal, ScaleOut, Stage, SystemNetwork, bisection, stages, survey,
};
use chokepoint_fabric::{FabricParts, scale_out_parts};
use chokepoint_units::Seconds;

use crate::Data;
use crate::limits;
use crate::row::Statement;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyRequest {
    /// Id of a system.
    pub system: String,
    /// Chips.
    pub chips: u64,
    /// Id of a price book.
    pub prices: String,
}

/// The network of a number of chips of a system.
#[derive(Debug, Clone, PartialEq)]
pub struct TopologyRun {
    /// System id.
    pub system: String,
    /// System name.
    pub system_name: String,
    /// Chips.
    pub chips: u64,
    /// The scale-up domain.
    pub domain: Domain,
    /// Name of its links, where they are described.
    pub link_name: Option<String>,
    /// Name of the scale-out network.
    pub network_name: String,
    /// Price book.
    pub prices: String,
    /// Why there is no network.
    pub reason: Option<Statement>,
    /// The network.
    pub built: Option<Built>,
    /// What a reader must know.
    pub notes: Vec<Statement>,
}

/// A network that reaches all chips.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// Shape of the scale-out network.
    pub scale_out: ScaleOut,
    /// Levels, domain first.
    pub stages: Vec<Stage>,
    /// Levels of one domain.
    pub of_domain: Vec<Stage>,
    /// Bandwidth between halves.
    pub bisection: Bisection,
    /// Distances from the first chip.
    pub reaches: Vec<Reach>,
    /// Software time of a smallest message across the scale-out network, on top of the wire.
    pub software: Seconds,
    /// Parts of the scale-out network.
    pub parts: FabricParts,
    /// Purchase price of the scale-out network, where the price book has one.
    pub price: Option<NetworkCapital>,
}

/// The network that is asked for. More chips than the topology reaches are a result with a reason.
///
/// # Errors
/// When an id names nothing, or the chips are none or more than are ever counted.
pub fn run_topology(request: &TopologyRequest, data: &Data) -> Result<TopologyRun, Diagnostic> {
    if let Some((name, wrong)) = limits::count("chips", request.chips) {
        return Err(Diagnostic::new(Code::Value, format!("{name} {wrong}")));
    }
    let catalog = &data.catalog;
    let system = catalog.system(&request.system)?;
    let network = catalog.network(&system.scale_out.network)?;
    let prices = catalog.price_book(&request.prices)?;
    let wiring = system.domain.wiring.as_ref();
    let link = wiring
        .map(|wiring| catalog.link(&wiring.link))
        .transpose()?;
    let (built, reason) = match build(system, link, network, prices, request.chips) {
        Ok(built) => (Some(built), None),
        Err(refusal) => (None, Some(statement(refusal, request.chips))),
    };
    Ok(TopologyRun {
        system: system.id.clone(),
        system_name: system.name.clone(),
        chips: request.chips,
        domain: Domain::new(system, link),
        link_name: link.map(|link| link.name.clone()),
        network_name: network.name.clone(),
        prices: prices.id.clone(),
        notes: built
            .as_ref()
            .map_or_else(Vec::new, |built| notes(system, link, network, built)),
        reason,
        built,
    })
}

fn build(
    system: &System,
    link: Option<&DomainLink>,
    network: &Network,
    prices: &PriceBook,
    chips: u64,
) -> Result<Built, Refusal> {
    let laid = SystemNetwork::new(system, link, network, chips, Routing::Spray)?;
    let parts = scale_out_parts(system, network, chips);
    let (domain, scale_out) = (laid.domain(), laid.scale_out());
    // The catalogue's latency is of a path over two leaves and a spine, 4 links.
    let software = (network.latency.value - network.hop.value * 4.0).max(Seconds::ZERO);
    let one = chips.min(domain.chips);
    let alone = ScaleOut::new(system, network, one)?;
    Ok(Built {
        of_domain: stages(domain, &alone, network, one),
        stages: stages(domain, scale_out, network, chips),
        bisection: bisection(domain, scale_out, chips),
        reaches: survey(&laid),
        software,
        price: network_capital(prices, &network.id, &parts),
        parts,
        scale_out: scale_out.clone(),
    })
}

pub(crate) fn statement(refusal: Refusal, chips: u64) -> Statement {
    let text = |number: u64| number.to_string();
    match refusal {
        Refusal::TooManyChips { most } => Statement::new(
            "topology-too-many-chips",
            [("chips", text(chips)), ("most", text(most))],
        ),
        Refusal::Planes { planes, ports } => Statement::new(
            "topology-planes",
            [("planes", text(planes)), ("ports", text(ports))],
        ),
        Refusal::Radix { used, radix } => Statement::new(
            "topology-radix",
            [("used", text(used)), ("radix", text(radix))],
        ),
        Refusal::TooManyLinks => Statement::new("topology-too-many-links", []),
        Refusal::Domain => Statement::new("topology-domain", []),
    }
}

/// What a reader must know of the figures.
fn notes(
    system: &System,
    link: Option<&DomainLink>,
    network: &Network,
    built: &Built,
) -> Vec<Statement> {
    let mut notes = Vec::new();
    if system.domain.chips > 1 {
        match link {
            None => notes.push(Statement::new("topology-links-unknown", [])),
            Some(link) if link.hop.assumed => {
                let name = [("name", link.name.clone())];
                notes.push(Statement::new("topology-hop-assumed", name));
            }
            Some(_) => {}
        }
    }
    if built.scale_out.chips < 2 {
        return notes;
    }
    match &system.scale_out.wiring {
        None => notes.push(Statement::new("topology-shape-unknown", [])),
        Some(wiring) if wiring.shape.assumed || wiring.shape.source == "memory" => {
            let shape = [("shape", wiring.shape.value.name().to_owned())];
            notes.push(Statement::new("topology-shape-assumed", shape));
        }
        Some(_) => {}
    }
    if network.hop.assumed {
        let name = [("name", network.name.clone())];
        notes.push(Statement::new("topology-hop-assumed", name));
    }
    if built.parts.power.is_none() {
        notes.push(Statement::new("network-power-unknown", []));
    }
    if built.price.is_none() {
        notes.push(Statement::new("topology-price-unknown", []));
    }
    if built.scale_out.line.is_some() {
        notes.push(Statement::new("topology-line-left-out", []));
    }
    notes
}
