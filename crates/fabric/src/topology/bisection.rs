//! Bandwidth between two halves of the chips.

use chokepoint_catalog::Topology;
use chokepoint_units::Bandwidth;

use super::domain::Domain;
use super::parts::dragonfly_links;
use super::scale_out::{Kind, ScaleOut};

/// Bandwidth in one direction between halves cut along the topology.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bisection {
    /// Between halves of a full domain, or of the chips where they fill none; absent where a
    /// domain is one chip or its torus is not described.
    pub domain: Option<Bandwidth>,
    /// Between halves of all chips; absent where they are one domain.
    pub whole: Option<Bandwidth>,
}

/// Of a number of chips of a system.
///
/// Domain: switches without oversubscription pass half of the chips' bandwidth; a mesh has a link
/// for each pair across the cut; a torus of even length is cut twice across its longest dimension.
/// Whole: the least of what half the chips send and what half the links below the top of the tree,
/// the links between half the groups of a dragonfly, or the lines of half the sites carry.
///
/// Limits: halves are taken along domains and subtrees, as if they held whole ones.
#[must_use]
pub fn bisection(domain: &Domain, scale_out: &ScaleOut, chips: u64) -> Bisection {
    Bisection {
        domain: inside(domain, chips.min(domain.chips)),
        whole: (scale_out.chips > 1).then(|| across(scale_out)),
    }
}

fn inside(domain: &Domain, chips: u64) -> Option<Bandwidth> {
    if chips < 2 {
        return None;
    }
    let half = chips / 2;
    Some(match domain.topology {
        Topology::Switched | Topology::TwoLevelSwitched | Topology::Pcie => {
            domain.bandwidth * half as f64
        }
        Topology::Mesh => {
            let pairs = half * (chips - half);
            domain.bandwidth * (pairs as f64 / (domain.chips - 1) as f64)
        }
        Topology::Torus => {
            let longest = domain.torus.as_ref()?.dims.iter().max()?;
            let across = 2 * domain.chips / u64::from(*longest).max(1);
            domain.cabling?.rate * across as f64
        }
    })
}

fn across(scale_out: &ScaleOut) -> Bandwidth {
    let sent = scale_out.bandwidth * (scale_out.chips / 2) as f64;
    let carried = match &scale_out.kind {
        Kind::Trees(trees) => {
            let top = |links: Vec<u64>| links.last().copied().unwrap_or(0);
            let links: u64 = trees.iter().map(|tree| top(tree.links())).sum();
            scale_out.cable * ((links * scale_out.planes) as f64 / 2.0)
        }
        Kind::Dragonfly { numbers, groups } if *groups > 1 => {
            let parallel = u64::from(numbers.routers * numbers.global) / (groups - 1);
            let pairs = (groups / 2) * (groups - groups / 2);
            scale_out.cable * (pairs * parallel) as f64
        }
        Kind::Dragonfly { numbers, .. } => {
            let (local, _) = dragonfly_links(*numbers, 1);
            let routers = u64::from(numbers.routers);
            let pairs = (routers / 2) * (routers - routers / 2);
            scale_out.cable * pairs.min(local.max(1)) as f64
        }
    };
    let least = if sent < carried { sent } else { carried };
    match scale_out.line {
        Some(line) => {
            let lines = line.bandwidth * (line.sites / 2) as f64;
            if lines < least { lines } else { least }
        }
        None => least,
    }
}
