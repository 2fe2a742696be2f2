//! Parts lists against counts by hand and against machines whose parts are published.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[path = "../../../tests/support/shared.rs"]
mod shared;

use chokepoint_catalog::{Catalog, Network};
use chokepoint_fabric::{FabricParts, fat_tree};
use chokepoint_units::{Bandwidth, Power};
use proptest::prelude::*;
use shared::catalog;

/// A network of switches with a number of ports of 50 GB/s and one port for each module.
fn network(catalog: &Catalog, radix: f64) -> Network {
    let mut network = catalog.network("roce-400g").unwrap().clone();
    network.switch.ports.value = radix;
    network
}

fn counts(parts: &FabricParts) -> (u32, u64, u64, u64) {
    (parts.tiers, parts.endpoints, parts.switches, parts.links)
}

const PORT: Bandwidth = Bandwidth::new(50e9);

#[test]
fn fat_trees_by_hand() {
    let catalog = catalog();
    let count = |radix: f64, chips| counts(&fat_tree(&network(&catalog, radix), chips, PORT));
    assert_eq!(count(64.0, 1), (0, 1, 0, 0));
    assert_eq!(count(64.0, 64), (1, 64, 1, 64));
    assert_eq!(count(64.0, 65), (2, 65, 3 + 2, 130));
    // 64 leaves with 32 down and 32 up, 32 spines.
    assert_eq!(count(64.0, 2048), (2, 2048, 64 + 32, 4096));
    assert_eq!(count(64.0, 2049).0, 3);
    // k^3/4 hosts, k^2 leaf and pod switches, k^2/4 cores (Al-Fares et al. 2008).
    assert_eq!(count(64.0, 65_536), (3, 65_536, 4096 + 1024, 3 * 65_536));
    assert_eq!(count(4.0, 16), (3, 16, 16 + 4, 48));
}

#[test]
fn every_port_is_there() {
    let catalog = catalog();
    for radix in [4_u64, 16, 40, 64, 144] {
        let network = network(&catalog, radix as f64);
        for chips in (2..radix.pow(3) / 4).step_by(97) {
            let parts = fat_tree(&network, chips, PORT);
            // A host link takes one port of a switch, a link between switches two.
            let needed = parts.endpoints + 2 * (parts.links - parts.endpoints);
            let ports = parts.switches * radix;
            assert!(ports >= needed, "{chips} on {radix}: {ports} of {needed}");
        }
    }
}

#[test]
fn ports_follow_from_the_bandwidth() {
    let catalog = catalog();
    let network = network(&catalog, 64.0);
    let endpoints =
        |gigabytes: f64| fat_tree(&network, 32, Bandwidth::new(gigabytes * 1e9)).endpoints;
    assert_eq!(endpoints(50.0), 32);
    assert_eq!(endpoints(100.0), 64);
    assert_eq!(endpoints(75.0), 48);
    assert_eq!(endpoints(12.5), 32, "a port is not shared");
}

#[test]
fn power_is_the_sum_of_the_parts() {
    let catalog = catalog();
    let network = catalog.network("ib-ndr-400g").unwrap();
    let parts = fat_tree(network, 2048, PORT);
    // Two ports end in a module: 4,096 links have 8,192 ends and 4,096 modules.
    assert_eq!(parts.modules, 4096);
    let expected = 96.0 * 691.0 + 4096.0 * 17.0;
    assert!((parts.power.unwrap().get() - expected).abs() < 1e-6);
    let mut silent = network.clone();
    silent.switch.power = None;
    assert_eq!(
        fat_tree(&silent, 2048, PORT).power,
        None,
        "unknown is not zero"
    );
}

/// CloudMatrix 384: 5,376 modules of the UB planes in the catalogue; 384 packages with two ports of
/// 200G and a module at both ends are 1,536; together the 6,912 that the press counts.
#[test]
fn modules_of_cloudmatrix() {
    let catalog = catalog();
    let system = catalog.system("cloudmatrix384").unwrap();
    let network = catalog.network(&system.scale_out.network).unwrap();
    let parts = fat_tree(
        network,
        system.domain.chips,
        system.scale_out.bandwidth.value,
    );
    assert_eq!(parts.endpoints, 768);
    let host_links = 2 * parts.endpoints.div_ceil(network.link.ports_per_module);
    let scale_up = system.domain.optical_modules.as_ref().unwrap().value;
    assert!((scale_up - 5376.0).abs() < 0.5);
    assert_eq!(host_links, 1536);
    assert!((scale_up + host_links as f64 - 6912.0).abs() < 0.5);
    // A whole second tier would add as many again: the count above is of one tier.
    assert_eq!(parts.modules, 2 * host_links);
}

/// NVL72 in copper avoids 1,296 optical links: 72 chips of 18 ports of 50 GB/s, hence 1,296 modules
/// that end two ports each and about 20 kW.
#[test]
fn links_that_nvl72_avoids() {
    let catalog = catalog();
    let system = catalog.system("gb200-nvl72").unwrap();
    let mut optical = catalog.network("ib-ndr-400g").unwrap().clone();
    optical.switch.ports.value = 1296.0; // one tier, as the 18 switch chips are
    let parts = fat_tree(&optical, system.domain.chips, system.domain.bandwidth.value);
    assert_eq!((parts.tiers, parts.links, parts.modules), (1, 1296, 1296));
    // Two lanes and two directions of each link are a cable each.
    let cables = system.domain.copper_cables.as_ref().unwrap().value;
    assert!((cables - 4.0 * 1296.0).abs() < 0.5);
    let module = optical.link.module_power.as_ref().unwrap().value;
    let saved = module * parts.modules as f64;
    assert!(
        (Power::new(18e3)..Power::new(23e3)).contains(&saved),
        "{saved}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// More chips or more bandwidth never need fewer parts.
    #[test]
    fn more_needs_no_fewer_parts(
        chips in 2_u64..200_000, more in 0_u64..5000, wider in 1.0..4.0_f64,
        which in 0_usize..7,
    ) {
        let catalog = catalog_once();
        let network = &catalog.networks.values().nth(which).unwrap().value;
        let rate = network.link.rate.value;
        let base = fat_tree(network, chips, rate);
        for larger in [fat_tree(network, chips + more, rate), fat_tree(network, chips, rate * wider)] {
            prop_assert!(larger.endpoints >= base.endpoints);
            prop_assert!(larger.switches >= base.switches);
            prop_assert!(larger.links >= base.links && larger.modules >= base.modules);
            prop_assert!(larger.tiers >= base.tiers && larger.power >= base.power);
        }
    }
}

fn catalog_once() -> &'static Catalog {
    static CATALOG: std::sync::LazyLock<Catalog> = std::sync::LazyLock::new(catalog);
    &CATALOG
}
