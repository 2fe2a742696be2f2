//! Packets against htsim (uet-htsim of 2025-08-12, UEC transport with its defaults: NSCC, trimming,
//! sprayed), run by us: `shared/reference/peers_network/speed_measurements.csv`.
//!
//! Links of 400 Gb/s, 500 ns and 300 ns for each switch: 2.9 us over four links, of which those at
//! chips have 650 ns and those between switches 800 here. The file of 8,192 hosts has 1 us a link.

use chokepoint_fabric::network::Tree;
use chokepoint_fabric::packet::{Balance, Options, PacketResult};
use chokepoint_fabric::schedule::Schedule;
use chokepoint_units::Bytes;

use crate::support::{
    LeafSpine, PACKET, RATE, all_to_all, checked, mean, microseconds, permutation,
};

struct Row {
    name: &'static str,
    network: Tree,
    schedule: Schedule,
    /// htsim's last and mean finish, in microseconds.
    last: f64,
    mean: f64,
    /// Bytes of a chip over its link's rate, in microseconds.
    ideal: f64,
}

fn htsim_links(chips: u32, leaf: u32) -> Tree {
    LeafSpine {
        chips,
        leaf,
        spines: leaf,
        latency: [650e-9, 800e-9],
    }
    .build()
}

fn exchange(name: &'static str, chips: u32, leaf: u32, size: f64, last: f64, mean: f64) -> Row {
    Row {
        name,
        network: htsim_links(chips, leaf),
        schedule: all_to_all(chips, size),
        last,
        mean,
        ideal: f64::from(chips - 1) * size / RATE * 1e6,
    }
}

/// Rows where loss plays no part.
fn lossless() -> [Row; 4] {
    let megabytes = 2e6;
    [
        exchange(
            "all-to-all 64 x 1 MiB",
            64,
            8,
            1_048_576.0,
            1355.06,
            1352.55,
        ),
        exchange(
            "all-to-all 128 x 128 KiB",
            128,
            16,
            131_072.0,
            348.05,
            346.07,
        ),
        Row {
            name: "permutation 1,024 x 2 MB",
            network: htsim_links(1024, 32),
            schedule: permutation(1024, megabytes, 1),
            last: 52.42,
            mean: 50.06,
            ideal: megabytes / RATE * 1e6,
        },
        Row {
            name: "permutation 8,192 x 2 MB",
            network: LeafSpine::full(8192, 64, 1e-6).build(),
            schedule: permutation(8192, megabytes, 1),
            last: 56.87,
            mean: 53.98,
            ideal: megabytes / RATE * 1e6,
        },
    ]
}

/// Runs a row and prints it; errors of the last and the mean finish.
fn compare(row: &Row, how: &str, options: &Options) -> (PacketResult, [f64; 2]) {
    let result = checked(&row.network, &row.schedule, options);
    let last = microseconds(result.makespan);
    let errors = [last / row.last - 1.0, mean(&result) / row.mean - 1.0];
    println!(
        "{:25} {how:22} {:8.2} {last:8.2} {:+6.1}%   mean {:8.2} {:8.2} {:+6.1}%   trims {}",
        row.name,
        row.last,
        100.0 * errors[0],
        row.mean,
        mean(&result),
        100.0 * errors[1],
        result.trims,
    );
    (result, errors)
}

fn balanced(balance: Balance) -> Options {
    Options {
        balance,
        ..Options::default()
    }
}

#[test]
fn lossless_traffic_takes_as_long_as_in_htsim() {
    println!("us: htsim, ours, error");
    for row in lossless() {
        let (result, errors) = compare(&row, "random", &balanced(Balance::Random));
        assert!(errors.iter().all(|it| it.abs() < 0.1), "{}", row.name);
        let (rotated, errors) = compare(&row, "rotate", &balanced(Balance::Rotate));
        // In turn nothing collides for long: less than htsim, and still more than the bytes take.
        assert!(rotated.makespan <= result.makespan * 1.01, "{}", row.name);
        assert!(
            errors.iter().all(|it| (-0.18..0.0).contains(it)),
            "{}",
            row.name
        );
        assert!(microseconds(rotated.makespan) > row.ideal);
    }
}

/// Every chip starts 255 messages of eight packets at once. htsim sends 86,106 packets of 522,240
/// again and its windows collapse; here messages are over before a window could react, and a short
/// buffer costs little, as what was trimmed is sent again at once.
#[test]
fn many_small_messages_are_too_fast() {
    let row = exchange("all-to-all 256 x 32 KiB", 256, 16, 32_768.0, 257.34, 199.09);
    let (lossless, errors) = compare(&row, "random, lossless", &balanced(Balance::Random));
    assert!((-0.35..-0.25).contains(&errors[0]), "{errors:?}");
    assert!(microseconds(lossless.makespan) > row.ideal);
    for packets in [32.0, 16.0, 8.0] {
        let options = Options {
            buffer: Some(Bytes::new(packets * PACKET)),
            mark: Some(Bytes::new(packets * PACKET / 4.0)),
            ..balanced(Balance::Random)
        };
        let how = format!("random, buffer {packets}");
        let (trimmed, errors) = compare(&row, &how, &options);
        assert!(trimmed.trims > 0 && trimmed.makespan > lossless.makespan);
        assert!((-0.35..-0.15).contains(&errors[0]), "{errors:?}");
    }
}

/// Buffers of a bandwidth-delay product (81 packets) and marks from half of it, or buffers of 32
/// packets and marks from half of that, when some are trimmed: the permutation takes as long as
/// without.
#[test]
fn congestion_control_leaves_sprayed_traffic_alone() {
    let row = lossless().into_iter().nth(2).unwrap();
    for buffer in [81.0, 32.0] {
        let options = Options {
            buffer: Some(Bytes::new(buffer * PACKET)),
            mark: Some(Bytes::new(buffer / 2.0 * PACKET)),
            ..balanced(Balance::Random)
        };
        let how = format!("random, DCTCP, {buffer}");
        let (_, errors) = compare(&row, &how, &options);
        assert!(errors.iter().all(|it| it.abs() < 0.06));
    }
}

/// One path for each message: 31 of a leaf's 32 go to other leaves, over 32 uplinks, thrown at
/// random, and 31 come. A link holds k or more with the chance of a binomial variable of 31 trials
/// of 1/32; the fullest of 2,048 at least 5 in 99 of 100 permutations, 6 in half, 7 in one of 12.
/// htsim's 220.07 us, of one permutation with another hash, must be among ours.
#[test]
fn hashed_paths_collide_as_balls_in_bins() {
    let network = htsim_links(1024, 32);
    let mut ratios = Vec::new();
    let mut times = Vec::new();
    for seed in 0..20 {
        let options = Options {
            seed,
            ..balanced(Balance::Message)
        };
        let result = checked(&network, &permutation(1024, 2e6, seed), &options);
        let (up, down) = (&result.links[1024..2048], &result.links[3072..4096]);
        let loads = || up.iter().chain(down).map(|it| it.bytes.get());
        let fullest = loads().fold(0.0, f64::max);
        ratios.push(fullest / (loads().sum::<f64>() / 2048.0));
        times.push(microseconds(result.makespan));
        // The fullest link alone takes this long.
        assert!(result.makespan.get() >= fullest / RATE);
    }
    for list in [&mut ratios, &mut times] {
        list.sort_by(f64::total_cmp);
    }
    println!("ECMP, 20 seeds, fullest link over mean: {ratios:.2?}");
    println!("ECMP, 20 seeds, last finish in us (htsim 220.07): {times:.0?}");
    assert!(ratios[0] > 4.0 && ratios[19] < 9.0, "{ratios:?}");
    let six = ratios.iter().filter(|it| **it > 5.9).count();
    assert!((4..=16).contains(&six), "{ratios:?}");
    assert!(times[0] < 220.07 && 220.07 < times[19], "{times:?}");
}
