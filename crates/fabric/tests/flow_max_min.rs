//! Rates of the fast solver against the textbook's, and the laws that they obey.

#[path = "flow_oracle/rates.rs"]
mod oracle;

use chokepoint_fabric::flow::{Flows, Rates, max_min};
use chokepoint_units::Bandwidth;
use proptest::prelude::*;

fn bandwidths(values: &[f64]) -> Vec<Bandwidth> {
    values.iter().copied().map(Bandwidth::new).collect()
}

fn flows(paths: &[(Vec<u32>, u64)]) -> Flows {
    let mut flows = Flows::new();
    for (path, copies) in paths {
        flows.push_copies(path, *copies);
    }
    flows
}

fn all(rates: &Rates, number: usize) -> Vec<f64> {
    (0..number as u32).map(|it| rates.rate(it).get()).collect()
}

fn close(one: f64, other: f64) -> bool {
    one.total_cmp(&other).is_eq() || (one - other).abs() <= 1e-9 * one.abs().max(other.abs())
}

/// Links of many rates, some of them alike, some dead; paths of up to four links.
fn network() -> impl Strategy<Value = (Vec<f64>, Vec<(Vec<u32>, u64)>)> {
    let rate = prop_oneof![
        4 => (1..6_u32).prop_map(f64::from),
        4 => 0.1..10.0_f64,
        1 => Just(0.0),
    ];
    prop::collection::vec(rate, 1..9).prop_flat_map(|rates| {
        let links = rates.len() as u32;
        let path = prop::collection::vec(0..links, 0..5);
        let flow = (path, prop_oneof![3 => Just(1_u64), 1 => 1..6_u64]);
        (Just(rates), prop::collection::vec(flow, 1..40))
    })
}

/// Three links of 1 in a row, a long flow over all and a short one over each; the last link is 3.
/// The first two give 1/2; then the short flow of the last has 5/2.
#[test]
fn a_long_flow_and_three_short_ones() {
    let flows = flows(&[(vec![0, 1, 2], 1), (vec![0], 1), (vec![1], 1), (vec![2], 1)]);
    let rates = max_min(&bandwidths(&[1.0, 1.0, 3.0]), &flows).unwrap();
    assert_eq!(all(&rates, 4), [0.5, 0.5, 0.5, 2.5]);
    assert_eq!(rates.bottleneck(0), Some(0));
    assert_eq!(rates.bottleneck(3), Some(2));
    assert!(rates.spare(2).get() < 1e-12);
    // Were link 0 lifted, link 1 is full still; the short flow meets nothing else.
    assert!(rates.slack(&flows, 0).get() < 1e-12);
    assert!(rates.slack(&flows, 1).get().is_infinite());
    assert_eq!(rates.least(), Some(Bandwidth::new(0.5)));
}

/// Three copies of a flow and one other share a link; what they leave on the next one is spare.
#[test]
fn copies_share_like_flows() {
    let flows = flows(&[(vec![0, 1], 3), (vec![0], 1)]);
    let rates = max_min(&bandwidths(&[8.0, 10.0]), &flows).unwrap();
    assert_eq!(all(&rates, 2), [2.0, 2.0]);
    assert!(close(rates.spare(1).get(), 4.0));
    assert!(close(rates.slack(&flows, 0).get(), 4.0 / 3.0));
}

#[test]
fn unknown_links_and_rates_have_no_solution() {
    assert!(max_min(&bandwidths(&[1.0]), &flows(&[(vec![1], 1)])).is_none());
    assert!(max_min(&bandwidths(&[-1.0]), &flows(&[])).is_none());
    assert!(max_min(&bandwidths(&[f64::NAN]), &flows(&[])).is_none());
    assert!(max_min(&bandwidths(&[f64::INFINITY]), &flows(&[])).is_none());
    assert!(max_min(&[], &flows(&[])).unwrap().least().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn fast_and_textbook_agree((capacity, paths) in network()) {
        let (capacity, flows) = (bandwidths(&capacity), flows(&paths));
        let fast = all(&max_min(&capacity, &flows).unwrap(), flows.len());
        for (one, other) in fast.iter().zip(oracle::rates(&capacity, &flows)) {
            prop_assert!(close(*one, other), "{one} is not {other}");
        }
    }

    /// What max-min means: no link carries more than it can, and each flow has a full link on which
    /// none is faster, the one that the solver names.
    #[test]
    fn each_flow_is_fastest_on_a_full_link((capacity, paths) in network()) {
        let (capacity, flows) = (bandwidths(&capacity), flows(&paths));
        let rates = max_min(&capacity, &flows).unwrap();
        let mut load = vec![0.0; capacity.len()];
        let mut fastest = vec![0.0_f64; capacity.len()];
        for flow in 0..flows.len() as u32 {
            for link in flows.path(flow) {
                let rate = rates.rate(flow).get();
                load[*link as usize] += rate * flows.copies(flow) as f64;
                fastest[*link as usize] = fastest[*link as usize].max(rate);
            }
        }
        for (link, (load, capacity)) in (0..).zip(load.iter().zip(&capacity)) {
            let spare = rates.spare(link).get();
            prop_assert!((load + spare - capacity.get()).abs() <= 1e-9 * capacity.get());
        }
        for flow in 0..flows.len() as u32 {
            let Some(link) = rates.bottleneck(flow) else {
                prop_assert!(flows.path(flow).is_empty());
                continue;
            };
            prop_assert!(flows.path(flow).contains(&link));
            prop_assert!(rates.spare(link).get() <= 1e-9 * capacity[link as usize].get());
            prop_assert!(close(rates.rate(flow).get(), fastest[link as usize]));
        }
    }

    /// To the last bit, bottlenecks included.
    #[test]
    fn the_order_of_flows_changes_nothing((capacity, paths) in network(), turn in 0..40_usize) {
        let capacity = bandwidths(&capacity);
        let mut moved = paths.clone();
        moved.rotate_left(turn % paths.len());
        moved.reverse();
        let (one, other) = (flows(&paths), flows(&moved));
        let (first, second) = (max_min(&capacity, &one).unwrap(), max_min(&capacity, &other).unwrap());
        for flow in 0..paths.len() {
            let place = paths.len() - 1 - (flow + paths.len() - turn % paths.len()) % paths.len();
            let (here, there) = (flow as u32, place as u32);
            prop_assert_eq!(one.path(here), other.path(there));
            prop_assert_eq!(first.rate(here).get().to_bits(), second.rate(there).get().to_bits());
            prop_assert_eq!(first.bottleneck(here), second.bottleneck(there));
        }
        for link in 0..capacity.len() as u32 {
            prop_assert_eq!(first.spare(link).get().to_bits(), second.spare(link).get().to_bits());
        }
    }

    /// A slower link may speed up others, but the least rate never rises.
    #[test]
    fn a_slower_link_never_raises_the_least_rate(
        (capacity, paths) in network(), at in 0..9_usize, share in 0.0..1.0_f64,
    ) {
        let flows = flows(&paths);
        let mut slower = capacity.clone();
        let at = at % slower.len();
        slower[at] *= share;
        let before = max_min(&bandwidths(&capacity), &flows).unwrap().least().unwrap();
        let after = max_min(&bandwidths(&slower), &flows).unwrap().least().unwrap();
        prop_assert!(after.get() <= before.get() * (1.0 + 1e-9) || after == before);
    }

    /// A flow and its copies written out get the same.
    #[test]
    fn copies_are_flows_written_out((capacity, paths) in network()) {
        let capacity = bandwidths(&capacity);
        let counted = max_min(&capacity, &flows(&paths)).unwrap();
        let mut written = Flows::new();
        let mut of = Vec::new();
        for (flow, (path, copies)) in (0..).zip(&paths) {
            for _ in 0..*copies {
                written.push(path).unwrap();
                of.push(flow);
            }
        }
        let rates = max_min(&capacity, &written).unwrap();
        for (flow, class) in (0..).zip(of) {
            prop_assert!(close(rates.rate(flow).get(), counted.rate(class).get()));
        }
    }
}
