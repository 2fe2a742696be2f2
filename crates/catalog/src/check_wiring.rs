//! What the cabling of a system must satisfy: links add up to the bandwidth, counts are whole and
//! divide, shapes have their numbers.

use chokepoint_diag::Diagnostic;

use crate::{
    Catalog, DomainWiring, Figure, ScaleOutWiring, SecondLevel, Shape, System, Topology,
    TorusWiring,
};

/// Everything wrong with the cabling of a system; `catalog` has its links.
pub(crate) fn wiring(catalog: &Catalog, system: &System) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some(wiring) = &system.domain.wiring {
        domain(catalog, system, wiring, &mut wrong);
    }
    if let Some(wiring) = &system.scale_out.wiring {
        scale_out(wiring, &mut wrong);
    }
    wrong
}

/// The kind of link that a domain names, where it names none that is known.
pub(crate) fn unknown_link(catalog: &Catalog, system: &System) -> Option<Diagnostic> {
    let wiring = system.domain.wiring.as_ref()?;
    catalog.link(&wiring.link).err()
}

fn whole(name: &str, figure: &Figure<f64>, wrong: &mut Vec<String>) {
    let value = figure.value;
    if !(1.0..=1e6).contains(&value) || value.fract() > 0.0 {
        wrong.push(format!("{name}: must be a whole number, found {value}"));
    }
}

fn domain(catalog: &Catalog, system: &System, wiring: &DomainWiring, wrong: &mut Vec<String>) {
    let of = |field: &str| format!("domain.wiring.{field}");
    whole(&of("per_chip"), &wiring.per_chip, wrong);
    let derived = system.domain.bandwidth.source == "scenario";
    if let (Ok(link), false) = (catalog.link(&wiring.link), derived) {
        let links = link.rate.value * wiring.per_chip.value;
        if (links / system.domain.bandwidth.value - 1.0).abs() > 0.02 {
            wrong.push(format!(
                "{}: {} links of {} are {links}, not the domain.bandwidth {}",
                of("per_chip"),
                wiring.per_chip.value,
                link.rate.value,
                system.domain.bandwidth.value
            ));
        }
    }
    if let Some(second) = &wiring.second {
        second_level(second, wrong);
    }
    let two_levels = system.domain.topology == Topology::TwoLevelSwitched;
    if wiring.second.is_some() != two_levels {
        wrong.push(format!(
            "{}: stands with topology \"two-level-switched\", and only with it",
            of("second")
        ));
    }
    let torus = system.domain.topology == Topology::Torus;
    if wiring.torus.is_some() != torus {
        wrong.push(format!(
            "{}: stands with topology \"torus\", and only with it",
            of("torus")
        ));
    }
    if let Some(torus) = &wiring.torus {
        dimensions(system, torus, wrong);
    }
}

fn second_level(second: &SecondLevel, wrong: &mut Vec<String>) {
    let of = |field: &str| format!("domain.wiring.{field}");
    whole(&of("second.first_per_node"), &second.first_per_node, wrong);
    whole(&of("second.switches"), &second.switches, wrong);
    whole(&of("second.ports"), &second.ports, wrong);
    whole(&of("second.planes"), &second.planes, wrong);
    let planes = second.planes.value.max(1.0);
    let divides = |count: f64| (count / planes).fract() <= 0.0;
    if !divides(second.first_per_node.value) || !divides(second.switches.value) {
        wrong.push(format!(
            "{}: {planes} planes do not divide the switches",
            of("second")
        ));
    }
}

fn dimensions(system: &System, torus: &TorusWiring, wrong: &mut Vec<String>) {
    let of = |field: &str| format!("domain.wiring.{field}");
    let chips = torus
        .dims
        .iter()
        .try_fold(1_u32, |all, dim| all.checked_mul(*dim));
    if chips.map(u64::from) != Some(system.domain.chips) || torus.dims.len() > 6 {
        wrong.push(format!(
            "{}: the dimensions {:?} do not hold {} chips",
            of("torus.dims"),
            torus.dims,
            system.domain.chips
        ));
    }
    let fits = torus.block.as_ref().is_none_or(|block| {
        block.len() == torus.dims.len()
            && std::iter::zip(block, &torus.dims)
                .all(|(part, all)| *part > 0 && all.is_multiple_of(*part))
    });
    if !fits || torus.block.is_some() != torus.circuit_ports.is_some() {
        wrong.push(format!(
            "{}: a block divides each dimension and stands with circuit_ports",
            of("torus.block")
        ));
    }
    if torus.circuit_ports.is_some_and(|ports| ports < 2) {
        wrong.push(format!("{}: must be at least 2", of("torus.circuit_ports")));
    }
}

fn scale_out(wiring: &ScaleOutWiring, wrong: &mut Vec<String>) {
    let of = |field: &str| format!("scale_out.wiring.{field}");
    let shape = wiring.shape.value;
    if let Some(planes) = &wiring.planes {
        whole(&of("planes"), planes, wrong);
    }
    if (shape == Shape::MultiPlane) != wiring.planes.is_some() {
        let message = "stands with shape \"multi-plane\", and only with it";
        wrong.push(format!("{}: {message}", of("planes")));
    }
    if (shape == Shape::Dragonfly) != wiring.dragonfly.is_some() {
        let message = "stands with shape \"dragonfly\", and only with it";
        wrong.push(format!("{}: {message}", of("dragonfly")));
    }
    if let Some(dragonfly) = &wiring.dragonfly {
        whole(&of("dragonfly.chip_ports"), &dragonfly.chip_ports, wrong);
        whole(&of("dragonfly.routers"), &dragonfly.routers, wrong);
        whole(
            &of("dragonfly.global_ports"),
            &dragonfly.global_ports,
            wrong,
        );
    }
    let ratios = [
        ("leaf_oversubscription", &wiring.leaf_oversubscription),
        ("spine_oversubscription", &wiring.spine_oversubscription),
    ];
    for (field, figure) in ratios {
        if let Some(figure) = figure
            && !(1.0..=64.0).contains(&figure.value)
        {
            wrong.push(format!(
                "{}: must lie between 1 and 64, found {}",
                of(field),
                figure.value
            ));
        }
        if figure.is_some() && shape == Shape::Dragonfly {
            wrong.push(format!("{}: a dragonfly has no leaves", of(field)));
        }
    }
    if let Some(line) = &wiring.wide_area {
        whole(&of("wide_area.sites"), &line.sites, wrong);
        if matches!(shape, Shape::Dragonfly | Shape::MultiPlane) {
            let message = "sites are joined over one tree of switches";
            wrong.push(format!("{}: {message}", of("wide_area")));
        }
    }
}
