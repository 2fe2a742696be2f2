//! What packets must satisfy on any traffic: nothing is lost or made, nothing is faster than its
//! links, waiting is respected, and the same seed gives the same.

use crate::support::{LeafSpine, PACKET, RATE, at_once, checked};
use chokepoint_fabric::network::{Network, Tree};
use chokepoint_fabric::packet::{Balance, Options, PacketResult, run};
use chokepoint_fabric::schedule::{Schedule, Transfer};
use chokepoint_units::{Bytes, Seconds};
use proptest::prelude::*;

const CHIPS: u32 = 12;
const LATENCY: f64 = 0.3e-6;
const START: f64 = 1e-6;

/// Leaves of 4 chips, and a number of spines.
fn network(spines: u32, rate: f64) -> Tree {
    LeafSpine {
        chips: CHIPS,
        leaf: 4,
        spines,
        latency: [LATENCY; 2],
    }
    .with_rate(rate)
}

/// Rates with and without a whole number of picoseconds for a byte.
fn rate() -> impl Strategy<Value = f64> {
    prop_oneof![Just(RATE), Just(46.1e9), Just(112.5e9), 1e9..1e12_f64]
}

fn options() -> impl Strategy<Value = Options> {
    let balance = prop_oneof![
        Just(Balance::Message),
        Just(Balance::Rotate),
        Just(Balance::Random)
    ];
    let packets =
        |from| proptest::option::of((from..40.0_f64).prop_map(|it| Bytes::new(it * PACKET)));
    (
        balance,
        any::<u64>(),
        packets(1.0),
        packets(1.0),
        packets(0.0),
    )
        .prop_map(|(balance, seed, window, buffer, mark)| Options {
            balance,
            seed,
            window,
            buffer,
            mark,
            ..Options::default()
        })
}

/// Transfers of up to 50 packets between chips and the switches that the network shows (12 chips, 3
/// leaves, the spines as one), some of which wait for one or two before them.
fn schedule() -> impl Strategy<Value = Schedule> {
    let one = (0..16_u32, 0..16_u32, 0.0..2e5_f64, 0..6_u32, 0..6_u32);
    proptest::collection::vec(one, 1..40).prop_map(|list| {
        let mut schedule = Schedule::new(Seconds::new(START));
        for (number, (from, to, size, one, other)) in (0_u32..).zip(list) {
            let size = Bytes::new(size);
            let mut after: Vec<u32> = [one, other]
                .into_iter()
                .filter(|back| (1..=number).contains(back))
                .map(|back| number - back)
                .collect();
            after.sort_unstable();
            after.dedup();
            schedule.add(Transfer { from, to, size }, &after);
        }
        schedule
    })
}

fn links_between(network: &Tree, from: u32, to: u32) -> u32 {
    let mut path = Vec::new();
    network.route(from, to, 0, &mut path);
    path.len() as u32
}

/// Bytes of a message on a link: its own and a header for each packet.
fn on_a_link(size: f64) -> f64 {
    let size = size.ceil();
    size + 64.0 * (size / 4096.0).ceil().max(1.0)
}

fn assert_no_transfer_is_too_fast(
    network: &Tree,
    (spines, rate): (u32, f64),
    schedule: &Schedule,
    result: &PacketResult,
) {
    for (number, transfer) in schedule.transfers().iter().enumerate() {
        let after = schedule.after(number as u32).iter();
        let ready = after
            .map(|it| result.finish[*it as usize].get())
            .fold(0.0, f64::max);
        let links = links_between(network, transfer.from, transfer.to);
        // A chip has one link; between switches the links to all spines are taken.
        let width = if transfer.from.min(transfer.to) < CHIPS {
            1
        } else {
            spines
        };
        let least = if links == 0 {
            0.0
        } else {
            on_a_link(transfer.size.get()) / rate / f64::from(width) + f64::from(links) * LATENCY
        };
        let finish = result.finish[number].get();
        assert!(
            finish >= ready + START + least - 2e-12,
            "transfer {number} at {finish}, ready {ready}, least {least}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn bytes_are_conserved_and_no_link_is_too_fast(
        spines in 1..5_u32,
        rate in rate(),
        schedule in schedule(),
        options in options(),
    ) {
        let network = network(spines, rate);
        let result = checked(&network, &schedule, &options);
        assert_no_transfer_is_too_fast(&network, (spines, rate), &schedule, &result);
        prop_assert_eq!(&result, &run(&network, &schedule, &options).unwrap());
        let on_links: Bytes = result.links.iter().map(|it| it.bytes).sum();
        let crossed = schedule.transfers().iter().map(|it| {
            let links = links_between(&network, it.from, it.to);
            Bytes::new(on_a_link(it.size.get()) * f64::from(links))
        });
        if options.buffer.is_none() {
            prop_assert_eq!(result.trims, 0);
            prop_assert_eq!(on_links, crossed.sum::<Bytes>());
        } else {
            prop_assert!(on_links >= crossed.sum::<Bytes>());
        }
        if options.mark.is_none() {
            prop_assert_eq!(result.marks, 0);
        }
    }

    /// A wider window or a faster network never slows one message, nor a faster network one with
    /// the usual window.
    #[test]
    fn more_is_never_slower_for_one_message(
        size in 0.0..2e6_f64,
        window in 1..60_u32,
        rate in rate(),
        factor in 1.0..8.0_f64,
    ) {
        let schedule = at_once([(0, 11, size)]);
        let time = |rate: f64, window: Option<u32>| {
            let options = Options {
                window: window.map(|packets| Bytes::new(f64::from(packets) * PACKET)),
                ..Options::default()
            };
            run(&network(2, rate), &schedule, &options).unwrap().makespan
        };
        prop_assert!(time(rate * factor, Some(window)) <= time(rate, Some(window)));
        prop_assert!(time(rate * factor, None) <= time(rate, None));
        prop_assert!(time(rate, Some(window + 1)) <= time(rate, Some(window)));
    }

    /// Which seed is drawn does not matter where there is one path.
    #[test]
    fn seeds_only_choose_paths(schedule in schedule(), options in options(), seed in any::<u64>()) {
        let network = network(1, RATE);
        let other = Options { seed, ..options };
        let one = run(&network, &schedule, &options).unwrap();
        prop_assert_eq!(one, run(&network, &schedule, &other).unwrap());
    }
}
