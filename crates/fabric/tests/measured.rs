//! Collectives and expert dispatch against published measurements. Every row is printed with its
//! error (`cargo test -p chokepoint-fabric --test measured -- --nocapture`).

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    reason = "helpers of tests fail the test and print its errors"
)]

#[path = "../../../tests/support/shared.rs"]
mod shared;
#[path = "../../../tests/support/table.rs"]
mod table;

use std::collections::BTreeMap;

use chokepoint_catalog::{Catalog, CollectiveKind};
use chokepoint_fabric::{Dispatch, Fabric, Group};
use chokepoint_units::{Bytes, Seconds};
use shared::catalog;
use table::{Errors, reference};

/// A system's fabric, over another network where one is named.
fn fabric(catalog: &Catalog, system: &str, network: Option<&str>) -> Fabric {
    let system = catalog.system(system).unwrap();
    let network = catalog
        .network(network.unwrap_or(&system.scale_out.network))
        .unwrap();
    let chip = catalog.chip(&system.chip).unwrap();
    let curves = catalog.calibration(&chip.calibration.curve).unwrap();
    let measured_on = catalog
        .chips
        .values()
        .map(|entry| &entry.value)
        .find(|other| other.calibration.curve == curves.id && !other.calibration.borrowed);
    Fabric::new(system, network, curves, measured_on)
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or(f64::NAN)
}

fn run(fabric: &Fabric, kind: CollectiveKind, ranks: u64, size: f64) -> Seconds {
    let (group, size) = (Group::adjacent(ranks), Bytes::new(size));
    match kind {
        CollectiveKind::AllReduce => fabric.all_reduce(group, size),
        CollectiveKind::AllGather => fabric.all_gather(group, size),
        CollectiveKind::ReduceScatter => fabric.reduce_scatter(group, size),
        CollectiveKind::AllToAll => fabric.all_to_all(group, size),
    }
}

/// The 8-rank curves alone predict 4 and 2 ranks of the same domain.
#[test]
fn curves_carry_to_other_rank_counts() {
    let catalog = catalog();
    for (wanted, bound) in [(4, 0.08), (2, 0.12)] {
        let mut errors = Errors::default();
        for (system, chip) in [
            ("dgx-a100", "a100-80g-sxm"),
            ("hgx-h100", "h100-sxm"),
            ("hgx-h200", "h200-sxm"),
            ("hgx-b200", "b200-sxm"),
            ("hgx-b300", "b300-sxm"),
        ] {
            let chip = catalog.chip(chip).unwrap();
            let full = catalog.calibration(&chip.calibration.curve).unwrap();
            let mut eight = full.clone();
            eight.collective.retain(|curve| curve.ranks == 8);
            let parts = catalog.system(system).unwrap();
            let network = catalog.network(&parts.scale_out.network).unwrap();
            let fabric = Fabric::new(parts, network, &eight, Some(chip));
            for curve in full.collective.iter().filter(|curve| curve.ranks == wanted) {
                let share = (wanted - 1) as f64 / wanted as f64;
                let factor = match curve.kind {
                    CollectiveKind::AllReduce => 2.0 * share,
                    _ => share,
                };
                for point in &curve.points {
                    let measured = point.size.get() * factor / point.bus.get();
                    let predicted = run(&fabric, curve.kind, wanted, point.size.get());
                    errors.add(
                        &format!("{system} {:?} x{wanted} {}", curve.kind, point.size),
                        predicted.get() * 1e6,
                        measured * 1e6,
                    );
                }
            }
        }
        let median = errors.median(&format!("{wanted} ranks from the curves of 8"));
        assert!(errors.len() > 200, "{} points", errors.len());
        assert!(median < bound, "{median}");
    }
}

/// The system of the catalogue for a cluster of the table.
fn cluster(name: &str) -> Option<(&'static str, Option<&'static str>)> {
    Some(match name {
        "h100" => ("hgx-h100", None),
        "h100 p5" => ("hgx-h100", Some("efa-400g")),
        "b200 p6-b200" => ("hgx-b200", Some("efa-400g")),
        "gb200_nvl72 x2" | "gb200_nvl72 x20" => ("gb200-nvl72", None),
        _ => return None,
    })
}

/// All-reduce over several domains: 2 and 12 nodes of H100, 4 of B200, 2 and 20 racks of GB200.
///
/// The two nodes of H100 fixed the handover between stages and the latency of EFA, the 20 racks the
/// number of ports that a collective uses; the others were not fitted.
#[test]
fn all_reduce_across_domains() {
    let Some(rows) = reference("collective_measurements.csv") else {
        return;
    };
    let catalog = catalog();
    let mut groups: BTreeMap<&str, Errors> = BTreeMap::new();
    for row in &rows {
        let Some((system, network)) = cluster(&row["system"]) else {
            continue;
        };
        let (ranks, nodes) = (number(row, "ranks"), number(row, "nodes"));
        let (size, time) = (number(row, "message_bytes"), number(row, "time_us"));
        if row["collective"] != "all_reduce" || nodes < 2.0 || size.is_nan() || time.is_nan() {
            continue;
        }
        let fabric = fabric(&catalog, system, network);
        let predicted = run(&fabric, CollectiveKind::AllReduce, ranks as u64, size);
        let name = &row["system"];
        let what = format!(
            "{} {name} {ranks} ranks {}",
            row["row_id"],
            Bytes::new(size)
        );
        let class = match name.as_str() {
            "gb200_nvl72 x20" => "twenty racks",
            _ if size < 64.0 * 1024.0 * 1024.0 => "small",
            "h100 p5" => "fitted",
            _ => "not fitted",
        };
        let errors = groups.entry(class).or_default();
        errors.add(&what, predicted.get() * 1e6, time);
    }
    let checks = [
        ("fitted", 5, 0.10),
        ("not fitted", 16, 0.10),
        ("small", 11, 0.12),
        ("twenty racks", 6, 0.10),
    ];
    for (class, count, bound) in checks {
        let errors = &groups[class];
        let median = errors.median(class);
        assert!(errors.len() >= count, "{class}: {} rows", errors.len());
        assert!(median < bound, "{class}: {median}");
    }
    assert!(groups["not fitted"].worst() < 0.25);
}

/// `DeepEP` normal kernels on H800: 4,096 tokens of 7,168 FP8 values and a scale for each 128, 8 of
/// 256 experts, at most 4 nodes a token. Its bandwidth counts the token once for each node it goes
/// to, its own node included (`tests/test_internode.py`): 43, 58 and 51 GB/s.
#[test]
fn dispatch_over_nodes_as_deepep() {
    let catalog = catalog();
    let fabric = fabric(&catalog, "h800-node", None);
    let mut errors = Errors::default();
    for (ranks, gigabytes) in [(16_u64, 43.0), (32, 58.0), (64, 51.0)] {
        for (name, bytes) in [("dispatch", 7168.0 + 56.0 * 4.0), ("combine", 7168.0 * 2.0)] {
            let nodes = ranks / 8;
            let dispatch = Dispatch {
                tokens: 4096.0,
                token: Bytes::new(bytes),
                top_k: 8,
                groups: Some((nodes, nodes.min(4))),
            };
            let counted = 4096.0 * bytes * dispatch.distinct_domains(nodes);
            let predicted = fabric.dispatch(Group::adjacent(ranks), dispatch);
            let rate = if name == "combine" && ranks > 16 {
                gigabytes - 1.0
            } else {
                gigabytes
            };
            errors.add(
                &format!("EP{ranks} {name}, us"),
                predicted.get() * 1e6,
                counted / (rate * 1e9) * 1e6,
            );
        }
    }
    // One node: 153 and 158 GB/s of NVLink, the token counted once for each distinct rank. No copies
    // are saved inside a domain here: too slow, never too fast.
    for (name, bytes, rate) in [
        ("dispatch", 7168.0 + 56.0 * 4.0, 153e9),
        ("combine", 14_336.0, 158e9),
    ] {
        let dispatch = Dispatch {
            tokens: 4096.0,
            token: Bytes::new(bytes),
            top_k: 8,
            groups: None,
        };
        let measured = 4096.0 * bytes * dispatch.distinct_domains(8) / rate;
        let predicted = fabric.dispatch(Group::adjacent(8), dispatch).get();
        println!(
            "EP8 {name}, us {:.0} {:.0}",
            predicted * 1e6,
            measured * 1e6
        );
        assert!(
            (0.85..1.2).contains(&(predicted / measured)),
            "{predicted} {measured}"
        );
    }
    let median = errors.median("DeepEP normal kernels, H800");
    assert!(
        median < 0.10 && errors.worst() < 0.25,
        "{median} {}",
        errors.worst()
    );
}

/// The same kernels in the tables of aiconfigurator, H100 and `InfiniBand`; its 8-node dispatch is
/// noisy (`reference/peers_network.md` section 5).
#[test]
fn dispatch_over_nodes_as_aiconfigurator() {
    let Some(rows) = reference("peers_inference/deepep_normal_multinode_best_sms.csv") else {
        return;
    };
    let catalog = catalog();
    let fabric = fabric(&catalog, "hgx-h100", None);
    let mut errors = Errors::default();
    let mut inside = Errors::default();
    for row in rows.iter().filter(|row| row["chip"] == "h100_sxm") {
        let (nodes, tokens) = (number(row, "node_num") as u64, number(row, "num_token"));
        if tokens < 1024.0 {
            continue;
        }
        for (name, bytes) in [("dispatch", 7168.0 + 56.0 * 4.0), ("combine", 7168.0 * 2.0)] {
            let dispatch = Dispatch {
                tokens,
                token: Bytes::new(bytes),
                top_k: 8,
                groups: Some((nodes, nodes.min(4))),
            };
            let predicted = fabric.dispatch(Group::adjacent(8 * nodes), dispatch);
            let into = if nodes == 1 { &mut inside } else { &mut errors };
            into.add(
                &format!("{name} EP{} of {tokens} tokens, us", 8 * nodes),
                predicted.get() * 1e6,
                number(row, &format!("{name}_transmit_us")),
            );
        }
    }
    let one = inside.median("one node");
    let several = errors.median("two to eight nodes");
    assert!(errors.len() >= 48, "{} rows", errors.len());
    assert!(several < 0.15, "{several}");
    assert!(one < 0.12, "{one}");
}

/// `DeepEP` low-latency kernels on H100 and H200 (aiconfigurator): over 400 Gb/s the rows of two to
/// eight nodes, from which the time to start a message was fitted, and in one node, from which
/// nothing was.
#[test]
fn dispatch_of_few_tokens_as_deepep() {
    let Some(rows) = reference("collective_measurements.csv") else {
        return;
    };
    let catalog = catalog();
    let (mut inside, mut across) = (Errors::default(), Errors::default());
    for row in rows
        .iter()
        .filter(|row| row["algorithm"] == "DeepEP low-latency")
    {
        let system = match row["system"].as_str() {
            "h100_sxm" => "hgx-h100",
            "h200_sxm" => "hgx-h200",
            _ => continue,
        };
        let tokens = row["extra"]
            .split(' ')
            .find_map(|part| part.strip_prefix("tokens="))
            .unwrap()
            .parse()
            .unwrap();
        let bytes = if row["collective"] == "moe_dispatch" {
            7168.0 + 56.0 * 4.0
        } else {
            7168.0 * 2.0
        };
        let ranks = number(row, "ranks") as u64;
        let predicted = fabric(&catalog, system, None).dispatch_low_latency(
            Group::adjacent(ranks),
            Dispatch {
                tokens,
                token: Bytes::new(bytes),
                top_k: 8,
                groups: None,
            },
        );
        let into = if ranks <= 8 { &mut inside } else { &mut across };
        into.add(
            &format!(
                "{system} {} EP{ranks} of {tokens} tokens, us",
                row["collective"]
            ),
            predicted.get() * 1e6,
            number(row, "time_us"),
        );
    }
    let median = across.median("DeepEP low-latency kernels, two to eight nodes");
    assert!(across.len() >= 20, "{} rows", across.len());
    assert!(median < 0.10 && across.worst() < 0.40, "{median}");
    let median = inside.median("DeepEP low-latency kernels, one node");
    assert!(inside.len() >= 20, "{} rows", inside.len());
    assert!(median < 0.10 && inside.worst() < 0.40, "{median}");
}

/// From 8 to 64 ranks at 256 tokens: +16 to 28% within an NVL72, +351% over `InfiniBand` (`DeepEP`
/// low latency, H100; another library and format, so only the slopes compare).
#[test]
fn a_wide_domain_keeps_experts_cheap() {
    let catalog = catalog();
    let grows = |system: &str, tokens: f64| {
        let fabric = fabric(&catalog, system, None);
        let dispatch = Dispatch {
            tokens,
            token: Bytes::new(7168.0),
            top_k: 8,
            groups: None,
        };
        let time = |ranks| {
            let group = Group::adjacent(ranks);
            fabric.dispatch_low_latency(group, dispatch).get()
        };
        time(64) / time(8) - 1.0
    };
    let (rack, nodes) = (grows("gb200-nvl72", 256.0), grows("hgx-h100", 256.0));
    println!("8 to 64 ranks: NVL72 {rack:+.2}, InfiniBand {nodes:+.2}");
    assert!((0.0..0.35).contains(&rack), "{rack}");
    assert!((3.0..4.5).contains(&nodes), "{nodes}");
}
