//! Packets against closed forms of fluid traffic: the latency of the path, and the bytes of the
//! fullest link over its rate. What packets add to it are a packet's time at each link, headers
//! (1.6%) and, where paths are drawn, collisions. The table is the error of a model of flows.

use std::iter::zip;

use chokepoint_fabric::network::Tree;
use chokepoint_fabric::packet::{Balance, Options};
use chokepoint_fabric::schedule::Schedule;

use crate::support::{LeafSpine, RATE, all_to_all, at_once, checked, microseconds, permutation};

/// Payload of one bandwidth-delay product: 81 packets in 6.74 us, four links of 0.8 us.
const PRODUCT: f64 = 81.0 * 4096.0;
/// Message sizes over it.
const SIZES: [f64; 6] = [1.0 / 64.0, 1.0 / 16.0, 0.25, 1.0, 4.0, 16.0];
/// Errors that are allowed at a quarter of it, and at 16.
type Bounds = [f64; 2];

fn print_head() {
    println!("packets over fluid less 1, by message size over the bandwidth-delay product");
    println!("{:28}{}", "", SIZES.map(|it| format!("{it:9.3}")).concat());
}

/// Packets over fluid less 1 for each size; all positive.
fn errors(
    name: &str,
    network: &Tree,
    balance: Balance,
    messages: f64,
    schedule: impl Fn(f64) -> Schedule,
) -> [f64; 6] {
    let options = Options {
        balance,
        ..Options::default()
    };
    let errors = SIZES.map(|ratio| {
        let size = (ratio * PRODUCT).round();
        let result = checked(network, &schedule(size), &options);
        let fluid = 4.0 * 0.8 + messages * size / RATE * 1e6;
        microseconds(result.makespan) / fluid - 1.0
    });
    let shown = errors.map(|it| format!("{:8.1}%", 100.0 * it)).concat();
    println!("{name:19}{:9}{shown}", format!("{balance:?}"));
    assert!(errors.iter().all(|it| *it > 0.0), "never faster than fluid");
    errors
}

/// The same traffic with paths in turn, at random and hashed. Hashed paths are bounded by nothing
/// fluid that knows only ends: the fullest link decides.
fn table(name: &str, messages: f64, bounds: [Bounds; 2], schedule: impl Fn(f64) -> Schedule) {
    let network = LeafSpine::full(256, 16, 0.8e-6).build();
    let sprayed = [Balance::Rotate, Balance::Random];
    for (balance, bounds) in zip(sprayed, bounds) {
        let errors = errors(name, &network, balance, messages, &schedule);
        assert!(errors[2] < bounds[0] && errors[5] < bounds[1], "{errors:?}");
        assert!(errors[5] < errors[3], "larger messages are closer");
    }
    errors(name, &network, Balance::Message, messages, &schedule);
}

#[test]
fn large_messages_take_as_long_as_fluid() {
    print_head();
    table("incast 32 to 1", 32.0, [[0.03, 0.02]; 2], |size| {
        at_once((64..96).map(|it| (it, 0, size)))
    });
    table(
        "permutation of 256",
        1.0,
        [[0.25, 0.06], [0.4, 0.2]],
        |size| permutation(256, size, 3),
    );
    // One chip of each leaf: nothing competes for a leaf's uplinks.
    table("all-to-all of 16", 15.0, [[0.25, 0.03]; 2], |size| {
        let pairs = (0..16).flat_map(|from| (1..16).map(move |shift| (from, shift)));
        at_once(pairs.map(|(from, shift)| (from * 16, (from + shift) % 16 * 16, size)))
    });
    // Two leaves: half of each chip's messages share the uplinks with those of its leaf.
    table("all-to-all of 32", 31.0, [[0.25, 0.03]; 2], |size| {
        all_to_all(32, size)
    });
}
