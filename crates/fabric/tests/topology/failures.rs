//! Failed cables, cards, switches and planes.

use chokepoint_fabric::network::{Degraded, Network, Routing};
use chokepoint_fabric::topology::{Amount, Damage, NetworkPart, TooFew};

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

const fn all_of(part: NetworkPart, amount: Amount) -> Damage {
    Damage {
        part,
        amount,
        left: 0.0,
    }
}

/// A share of failed cables, by seed: about that share, the same for the same seed.
#[test]
fn cables_fail_by_seed() {
    let network = case("hgx-h100").network(2048, Routing::Single);
    let share = |share| [all_of(NetworkPart::Cable, Amount::Share(share))];
    let failed = network.damaged(&share(0.01), 7).unwrap();
    assert_eq!(failed, network.damaged(&share(0.01), 7).unwrap());
    assert_ne!(failed, network.damaged(&share(0.01), 8).unwrap());
    let cables = |link: u32| f64::from(network.cables(link));
    let lost: f64 = failed
        .factors
        .iter()
        .map(|(link, left)| (1.0 - left) * cables(*link))
        .sum();
    let all: f64 = (0..network.links().len() as u32)
        .filter(|link| !network.is_card(*link))
        .map(cables)
        .sum();
    assert!((0.008..0.012).contains(&(lost / all)), "{}", lost / all);
    let (hit, there) = failed.hit[0];
    assert_eq!((2.0 * hit as f64, 2.0 * there as f64), (lost.round(), all));
    assert!(network.damaged(&share(0.0), 7).unwrap().factors.is_empty());
}

/// A number of parts: two of 32 spines leave 30/32 of the uplinks, half as much is lost where they
/// run at half rate; kinds of parts take their share of what others leave; no more than there are.
#[test]
fn parts_fail_by_number() {
    let network = case("hgx-h100").network(2048, Routing::Spray);
    let damaged = |damages: &[Damage]| network.damaged(damages, 3).unwrap();
    let spines = all_of(NetworkPart::Spine, Amount::Count(2));
    let two = damaged(&[spines]);
    assert_eq!((two.factors.len(), two.hit[0]), (128, (2, 32)));
    let near = |left: f64, wanted: f64| (left - wanted).abs() < 1e-12;
    assert!(two.factors.iter().all(|(_, left)| near(*left, 30.0 / 32.0)));
    let slow = damaged(&[Damage {
        left: 0.5,
        ..spines
    }]);
    assert!(
        slow.factors
            .iter()
            .all(|(_, left)| near(*left, 31.0 / 32.0))
    );
    let both = damaged(&[spines, spines]);
    assert!(
        both.factors
            .iter()
            .all(|(_, left)| near(*left, (30.0 / 32.0) * (30.0 / 32.0)))
    );
    let card = damaged(&[all_of(NetworkPart::Card, Amount::Count(1))]);
    assert_eq!(card.hit[0], (1, 2048));
    assert!(card.factors.len() == 2 && card.factors.iter().all(|(_, left)| *left <= 0.0));
    let all = damaged(&[all_of(NetworkPart::DomainSwitch, Amount::Count(4 * 256))]);
    assert!(all.factors.len() == 256 * 16 && all.factors.iter().all(|(_, left)| *left <= 0.0));
    let none = network.damaged(&[all_of(NetworkPart::Plane, Amount::Count(2))], 3);
    let few = TooFew {
        part: NetworkPart::Plane,
        there: 1,
    };
    assert_eq!(none, Err(few));
    let alone = case("hgx-h100").network(8, Routing::Spray);
    let leaf = all_of(NetworkPart::Leaf, Amount::Count(1));
    assert_eq!(alone.damaged(&[leaf], 0).unwrap_err().there, 0);
}
