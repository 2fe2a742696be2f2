//! Counts against published ones, and ports that close.

use chokepoint_fabric::network::{Network, Routing};
use chokepoint_fabric::scale_out_parts;
use chokepoint_fabric::topology::{Refusal, Role, ScaleOut, Stage};

use crate::case::{CATALOG, case, giga, invented, sizes};
use crate::invented::{dragonfly, tpu};

/// CloudMatrix 384 as published (arXiv 2506.12708): 7 first-level switch chips in each of 48 nodes,
/// 112 second-level chips of 48 ports in 7 planes, no oversubscription; 6,912 modules of 400G by
/// press, 5,376 of UB and 1,536 at the ends of the scale-out network's host links.
#[test]
fn cloudmatrix_384() {
    let case = case("cloudmatrix384");
    let first = case.stage(384, Role::FirstSwitch);
    let second = case.stage(384, Role::SecondSwitch);
    assert_eq!((first.switches, second.switches), (Some(336), Some(112)));
    assert_eq!((first.links, second.links), (Some(5376), Some(5376)));
    assert_eq!((second.ports, second.ports_used), (Some(48), Some(48)));
    assert_eq!(
        (first.ports_used, first.oversubscription),
        (Some(32), Some(1.0))
    );
    assert_eq!(second.modules, Some(5376));
    let listed = &case.system.domain;
    assert_eq!(
        listed.switch_chips.as_ref().unwrap().value as u64,
        336 + 112
    );
    assert_eq!(listed.optical_modules.as_ref().unwrap().value as u64, 5376);
    let two = case.stage(768, Role::Leaf);
    assert_eq!(two.modules.unwrap() / 2 + 5376, 6912);
    // 384 x 392 GB/s / 2.
    assert!((giga(case.bisection(384).domain) - 75_264.0).abs() < 1e-6);
    assert_eq!(case.bisection(384).whole, None);
}

/// 72 chips of 18 links, one to each of 18 switch chips of 72 ports; 4 pairs a link are the 5,184
/// copper cables.
#[test]
fn nvl72() {
    for id in ["gb200-nvl72", "gb300-nvl72"] {
        let stage = case(id).stage(72, Role::Switch);
        assert_eq!((stage.switches, stage.links), (Some(18), Some(1296)));
        assert_eq!((stage.ports, stage.ports_used), (Some(72), Some(72)));
        assert_eq!((stage.pairs, stage.modules), (Some(5184), Some(0)));
    }
}

/// 8 chips of 18 links over 4 chips of 64 ports: 144 of 256 ports, at most 5 links of a chip at
/// one of them.
#[test]
fn hgx_h100() {
    let stage = case("hgx-h100").stage(8, Role::Switch);
    assert_eq!((stage.switches, stage.links), (Some(4), Some(144)));
    assert_eq!((stage.ports, stage.ports_used), (Some(64), Some(40)));
    let blackwell = case("hgx-b200").stage(8, Role::Switch);
    assert_eq!(
        (blackwell.switches, blackwell.ports_used),
        (Some(2), Some(72))
    );
}

/// Table 3 of "Insights into DeepSeek-V3" (arXiv 2505.09343): 8 planes of 2,048 endpoints each take
/// 768 switches and 16,384 links between switches.
#[test]
fn the_planes_of_deepseek() {
    let case = case("deepseek-2048");
    let (leaf, spine) = (
        case.stage(16_384, Role::Leaf),
        case.stage(16_384, Role::Spine),
    );
    assert_eq!(leaf.switches.unwrap() + spine.switches.unwrap(), 768);
    assert_eq!(spine.links, Some(16_384));
    assert_eq!((leaf.ports_used, spine.ports_used), (Some(64), Some(64)));
    assert_eq!(case.scale_out(16_384).groups, 8);
    let parts = scale_out_parts(&case.system, &case.network, 16_384);
    assert_eq!((parts.tiers, parts.switches), (2, 768));
}

/// Table 3 of the same paper: a dragonfly of 511 groups with 64-port switches joins 261,632
/// endpoints with 16,352 switches and 384,272 links between them.
#[test]
fn the_dragonfly_of_deepseeks_table() {
    let case = invented(dragonfly(16, 32, 16));
    let stages = case.stages(261_632);
    let router = stages.iter().find(|it| it.role == Role::Router).unwrap();
    assert_eq!(
        (router.switches, router.links),
        (Some(16_352), Some(261_632))
    );
    assert_eq!(router.ports_used, Some(63));
    let between = stages
        .iter()
        .filter(|it| matches!(it.role, Role::Local | Role::Global));
    let links: u64 = between.map(|it| it.links.unwrap()).sum();
    assert_eq!(links, 384_272);
    let most = 513 * 512;
    assert_eq!(
        ScaleOut::new(&case.system, &case.network, most + 1).unwrap_err(),
        Refusal::TooManyChips { most }
    );
    let wide = invented(dragonfly(16, 48, 16));
    let refused = ScaleOut::new(&wide.system, &wide.network, 1024).unwrap_err();
    assert_eq!(
        refused,
        Refusal::Radix {
            used: 79,
            radix: 64
        }
    );
}

/// TPU v4 (Jouppi et al. 2023): 64 blocks of 4 x 4 x 4 with 48 optical circuit switches of 128
/// ports, in which all 96 links out of a block end.
#[test]
fn circuit_switches_of_a_torus() {
    let case = invented(tpu(&[16, 16, 16], Some((&[4, 4, 4], 128))));
    let circuit = case.stage(4096, Role::Circuit);
    assert_eq!(
        (circuit.switches, circuit.ports_used),
        (Some(48), Some(128))
    );
    assert_eq!(circuit.links, Some(64 * 96 / 2));
    let direct = case.stage(4096, Role::Torus);
    assert_eq!(direct.links.unwrap() + circuit.links.unwrap(), 3 * 4096);
    // Two cuts of 256 links of 90 GB/s.
    assert!((giga(case.bisection(4096).domain) - 2.0 * 256.0 * 90.0).abs() < 1e-6);
}

/// Every system of the catalogue: switches have the ports that they use, cables up are cables
/// down, and a switch of a level has room for all cables on both its sides.
#[test]
fn ports_close() {
    for id in CATALOG.systems.keys() {
        let case = case(id);
        for chips in sizes(&case).into_iter().chain([1000, 20_000]) {
            if case.scale_out(chips).reached().is_err() {
                continue;
            }
            let all = case.stages(chips);
            for (at, stage) in all.iter().enumerate() {
                let name = format!("{id} {chips} {}", stage.role.name());
                if let (Some(ports), Some(used)) = (stage.ports, stage.ports_used) {
                    assert!(used <= ports, "{name}: {used} of {ports}");
                }
                let above = all.get(at + 1);
                let above = above.filter(|it| it.role.in_domain() == stage.role.in_domain());
                let above = above.and_then(|it| it.links).unwrap_or(0);
                if let (Some(switches), Some(used), Some(links)) =
                    (stage.switches, stage.ports_used, stage.links)
                    && switches > 0
                {
                    assert!(switches * used >= links + above, "{name}: {links} {above}");
                }
            }
            let parts = scale_out_parts(&case.system, &case.network, chips);
            let outside = all.iter().filter(|it| !it.role.in_domain());
            let (mut switches, mut links, mut modules) = (0, 0, 0);
            for stage in outside {
                switches += stage.switches.unwrap();
                links += stage.links.unwrap();
                modules += stage.modules.unwrap();
            }
            assert_eq!(
                (switches, links),
                (parts.switches, parts.links),
                "{id} {chips}"
            );
            assert_eq!(modules, parts.modules, "{id} {chips}");
        }
    }
}

/// Cables of the network as the simulators see it are those that are counted.
#[test]
fn cables_are_those_counted() {
    for (id, chips) in [
        ("hgx-h100", 2048),
        ("hgx-b200", 2048),
        ("deepseek-2048", 16_384),
        ("cloudmatrix384", 384),
        ("gaudi3-8", 320),
        ("gb200-nvl72", 288),
    ] {
        let case = case(id);
        for routing in [Routing::Spray, Routing::Single] {
            let network = case.network(chips, routing);
            let all = 0..network.links().len() as u32;
            let cables: u64 = all.map(|link| u64::from(network.cables(link))).sum();
            let counted: u64 = case.stages(chips).iter().map(|it| it.links.unwrap()).sum();
            assert_eq!(cables, 2 * counted, "{id} {routing:?}");
        }
    }
}

/// Counts that the catalogue quotes are those that follow from the cabling.
#[test]
fn quoted_counts_follow_from_the_cabling() {
    let mut compared = 0;
    for id in CATALOG.systems.keys() {
        let case = case(id);
        let listed = &case.system.domain;
        let stages = case.stages(listed.chips);
        if listed.wiring.is_none() {
            continue;
        }
        let sum = |of: fn(&Stage) -> Option<u64>| stages.iter().map(of).sum::<Option<u64>>();
        for (quoted, counted) in [
            (&listed.switch_chips, sum(|stage| stage.switches)),
            (&listed.copper_cables, sum(|stage| stage.pairs)),
            (&listed.optical_modules, sum(|stage| stage.modules)),
        ] {
            if let Some(quoted) = quoted {
                assert_eq!(counted, Some(quoted.value as u64), "{id}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 20, "{compared} counts");
}
