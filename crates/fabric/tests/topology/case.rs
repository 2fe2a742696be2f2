//! A system with its parts, and what is asked of it.

use std::sync::LazyLock;

use chokepoint_catalog::{Catalog, DomainLink, Network as Wires, System};
use chokepoint_fabric::network::{Network, Routing};
use chokepoint_fabric::topology::{
    Bisection, Domain, Refusal, Role, ScaleOut, Stage, SystemNetwork, bisection, stages,
};

use crate::invented::{System as Invented, dragonfly, planes, sites, tpu};
use crate::shared::catalog;

pub static CATALOG: LazyLock<Catalog> = LazyLock::new(catalog);

/// A system with its network and the kind of its links.
pub struct Case {
    pub system: System,
    pub network: Wires,
    pub link: Option<DomainLink>,
}

pub fn case(id: &str) -> Case {
    of(CATALOG.system(id).unwrap().clone(), None)
}

pub fn of(system: System, link: Option<DomainLink>) -> Case {
    let network = CATALOG.network(&system.scale_out.network).unwrap().clone();
    let named = system.domain.wiring.as_ref();
    let known = named.and_then(|wiring| CATALOG.link(&wiring.link).ok().cloned());
    Case {
        network,
        link: link.or(known),
        system,
    }
}

pub fn invented(invented: Invented) -> Case {
    of(invented.system, invented.link)
}

impl Case {
    pub fn domain(&self) -> Domain {
        Domain::new(&self.system, self.link.as_ref())
    }

    pub fn scale_out(&self, chips: u64) -> ScaleOut {
        ScaleOut::new(&self.system, &self.network, chips).unwrap()
    }

    pub fn stages(&self, chips: u64) -> Vec<Stage> {
        stages(&self.domain(), &self.scale_out(chips), &self.network, chips)
    }

    pub fn stage(&self, chips: u64, role: Role) -> Stage {
        let found = self.stages(chips).into_iter().find(|it| it.role == role);
        found.unwrap_or_else(|| panic!("{}: no {}", self.system.id, role.name()))
    }

    pub fn bisection(&self, chips: u64) -> Bisection {
        bisection(&self.domain(), &self.scale_out(chips), chips)
    }

    pub fn build(&self, chips: u64, routing: Routing) -> Result<SystemNetwork, Refusal> {
        SystemNetwork::new(
            &self.system,
            self.link.as_ref(),
            &self.network,
            chips,
            routing,
        )
    }

    pub fn network(&self, chips: u64, routing: Routing) -> SystemNetwork {
        self.build(chips, routing).unwrap()
    }
}

pub fn path(network: &impl Network, from: u32, to: u32, choice: u64) -> Vec<u32> {
    let mut path = Vec::new();
    network.route(from, to, choice, &mut path);
    path
}

pub fn giga(bandwidth: Option<chokepoint_units::Bandwidth>) -> f64 {
    bandwidth.unwrap().get() / 1e9
}

/// Chips of a system that fill its leaves, and some that do not.
pub fn sizes(case: &Case) -> [u64; 4] {
    let domain = case.system.domain.chips;
    [
        domain,
        2 * domain,
        2 * domain + 1,
        5 * domain + case.system.node.chips,
    ]
}

pub fn every_case() -> Vec<Case> {
    let catalogue = CATALOG.systems.keys().map(|id| case(id));
    let others = [
        invented(dragonfly(2, 4, 2)),
        invented(tpu(&[4, 4, 2], None)),
        invented(tpu(&[5, 3, 1], None)),
        invented(sites(2.0, "1 TB/s", "5 ms")),
        invented(planes(2)),
    ];
    catalogue.chain(others).collect()
}
