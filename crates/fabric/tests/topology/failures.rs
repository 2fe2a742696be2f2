//! Failed cables, cards, switches and planes.

use chokepoint_fabric::network::{Degraded, Network, Routing};

use crate::case::{case, invented, path};
use crate::invented::planes;

/// Failures of leaves, spines, cards, planes and of the switch chips of a domain.
#[test]
fn failures() {
    let rails = case("hgx-h100");
    let spray = rails.network(2048, Routing::Spray);
    // One of 32 spines: each of 64 leaves keeps 31 of 32 of its uplinks, both ways.
    let spine = spray.fail_switch(0, 2, 0, 5);
    assert_eq!(spine.len(), 128);
    assert!(
        spine
            .iter()
            .all(|(_, left)| (left - 31.0 / 32.0).abs() < 1e-12)
    );
    // A leaf: its 32 chips are cut off, and its uplinks.
    let leaf = spray.fail_switch(0, 1, 7, 0);
    assert_eq!(leaf.len(), 2 * 33);
    let degraded = Degraded::new(spray.clone(), leaf);
    let cut: Vec<u32> = (0..2048)
        .filter(|chip| !degraded.joins(2047 - 7, *chip))
        .collect();
    assert_eq!(cut.len(), 32, "{cut:?}");
    let single = rails.network(2048, Routing::Single);
    let degraded = Degraded::new(single.clone(), single.fail_switch(0, 2, 0, 5));
    assert!((0..64).all(|choice| {
        let path = path(&degraded, 0, 8 * 200 + 3, choice);
        path.iter()
            .all(|link| degraded.links()[*link as usize].rate.get() > 0.0)
    }));
    let card = Degraded::new(spray.clone(), spray.fail_card(9, 1));
    assert!(!card.joins(0, 9) && card.joins(8, 9) && card.joins(0, 8));
    let two = invented(planes(2)).network(256, Routing::Spray);
    let plane = two.fail_plane(1);
    assert_eq!(plane.len(), 512);
    assert!(plane.iter().all(|(_, left)| (left - 0.5).abs() < 1e-12));
    let one = invented(planes(2)).network(256, Routing::Single);
    let plane = one.fail_plane(1);
    assert_eq!(plane.len(), 512);
    assert!(plane.iter().all(|(_, left)| *left <= 0.0));
    let degraded = Degraded::new(one, plane);
    assert!((0..64).all(|chip| degraded.joins(0, 4 * chip)));
    let eight = case("deepseek-2048").network(512, Routing::Spray);
    assert_eq!(eight.fail_plane(3).len(), 2 * 64);
    let domain = spray.fail_domain_switch(0);
    assert_eq!(domain.len(), 16);
    assert!(domain.iter().all(|(_, left)| (left - 0.75).abs() < 1e-12));
}

/// A share of failed cables, by seed: about that share, the same for the same seed.
#[test]
fn cables_fail_by_seed() {
    let network = case("hgx-h100").network(2048, Routing::Single);
    let failed = network.fail_cables(0.01, 7);
    assert_eq!(failed, network.fail_cables(0.01, 7));
    assert_ne!(failed, network.fail_cables(0.01, 8));
    let lost: f64 = failed
        .iter()
        .map(|(link, left)| (1.0 - left) * f64::from(network.cables(*link)))
        .sum();
    let all: f64 = (0..network.links().len() as u32)
        .map(|link| f64::from(network.cables(link)))
        .sum();
    assert!((0.008..0.012).contains(&(lost / all)), "{}", lost / all);
    assert!(network.fail_cables(0.0, 7).is_empty());
}
