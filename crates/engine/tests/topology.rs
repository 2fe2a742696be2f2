//! Networks of the shipped systems: one parts list and one price.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use chokepoint_engine::cost::capital;
use chokepoint_engine::{Data, TopologyRequest, TopologyRun, run_topology};

fn run(data: &Data, system: &str, chips: u64, prices: &str) -> TopologyRun {
    let request = TopologyRequest {
        system: system.to_owned(),
        chips,
        prices: prices.to_owned(),
    };
    run_topology(&request, data).unwrap()
}

/// What a comparison pays for a network is what the topology says.
#[test]
fn a_network_costs_the_same_everywhere() {
    let data = Data::load(&[]).unwrap();
    let book = data.catalog.price_book("retail-2025").unwrap();
    for (id, entry) in &data.catalog.systems {
        let system = &entry.value;
        for chips in [1, 8, 1024, 3 * system.domain.chips, 15_000] {
            let run = run(&data, id, chips, "retail-2025");
            let built = run.built.unwrap();
            let paid = capital(book, system, &built.parts, chips).unwrap();
            let price = built.price.unwrap();
            assert!((paid.network - price.total).get().abs() < 1e-6, "{id}");
            assert!((paid.optics - price.optics).get().abs() < 1e-6, "{id}");
            assert_eq!(built.parts.tiers == 0, chips <= system.domain.chips, "{id}");
        }
    }
}

/// Table 3 of "Insights into DeepSeek-V3" (arXiv 2505.09343): 4.39 thousand USD for each endpoint of
/// two tiers and of eight planes, 7.5 of three tiers. The volume book has the
/// prices of another source.
#[test]
fn prices_for_each_endpoint_as_published() {
    let data = Data::load(&[]).unwrap();
    for (system, chips, published, tolerance) in [
        ("hgx-h100", 2048, 4390.0, 0.10),
        ("deepseek-2048", 16_384, 4390.0, 0.10),
        ("hgx-h100", 65_536, 7500.0, 0.15),
    ] {
        let built = run(&data, system, chips, "volume-2025").built.unwrap();
        let each = built.price.unwrap().total.get() / built.parts.endpoints as f64;
        assert!(
            (each / published - 1.0).abs() < tolerance,
            "{system} {chips}: {each}"
        );
    }
}

#[test]
fn a_refusal_has_a_reason() {
    let data = Data::load(&[]).unwrap();
    let found = run(&data, "hgx-h100", 70_000, "retail-2025");
    let reason = found.reason.unwrap();
    assert_eq!(reason.key, "topology-too-many-chips");
    assert_eq!(reason.arguments["most"], "65536");
    assert!(found.built.is_none() && found.notes.is_empty());
}
