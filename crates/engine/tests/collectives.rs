//! Collectives on the systems of the catalogue at all fidelities.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

use chokepoint_engine::fabric::algorithm::{Algorithm, Collective};
use chokepoint_engine::units::{Bytes, Seconds};
use chokepoint_engine::{
    CollectiveRequest, Data, Fidelity, Import, NcclRun, ShareRequest, collective_goal, import,
    parse_failed, parse_slow, parse_traffic, run_collective, run_share,
};

const MIB: f64 = 1_048_576.0;

fn request(
    system: &str,
    collective: Collective,
    ranks: u64,
    fidelity: Fidelity,
) -> CollectiveRequest {
    CollectiveRequest {
        system: system.to_owned(),
        collective,
        ranks,
        sizes: vec![Bytes::new(64.0 * MIB)],
        fidelity,
        algorithm: None,
        slices: None,
        damage: Vec::new(),
        seed: 7,
    }
}

fn time(request: &CollectiveRequest, data: &Data) -> Seconds {
    let run = run_collective(request, data).unwrap();
    match &run.rows[0].found {
        Ok(found) => found.time,
        Err(reason) => panic!("{request:?}: {reason:?}"),
    }
}

/// Every system runs every collective on two nodes, as flows, in the time that its busiest link
/// needs at least, and names that link.
#[test]
fn every_system_runs_every_collective() {
    let data = Data::load(&[]).unwrap();
    let mut runs = 0;
    for (id, entry) in &data.catalog.systems {
        let domain = entry.value.domain.chips;
        let ranks = if domain > 64 { 16 } else { 2 * domain };
        for collective in Collective::ALL {
            let asked = request(id, collective, ranks, Fidelity::Flows);
            let run = run_collective(&asked, &data).unwrap();
            let Ok(found) = &run.rows[0].found else {
                panic!("{id} {collective:?}: {:?}", run.rows[0].found);
            };
            let busiest = found.busiest.unwrap();
            assert!(
                busiest.share > 0.2 && busiest.share <= 1.0 + 1e-9,
                "{id}: {busiest:?}"
            );
            assert!(found.time > Seconds::ZERO);
            runs += 1;
        }
    }
    assert!(runs > 150, "{runs}");
}

/// What the fidelities say of one large exchange on one node and on two: the same wires, so that
/// they differ by what each leaves out alone.
#[test]
fn fidelities_are_about_the_same_wires() {
    let data = Data::load(&[]).unwrap();
    for (system, ranks) in [
        ("hgx-h100", 8),
        ("hgx-h100", 12),
        ("hgx-h100", 16),
        ("gb200-nvl72", 8),
        ("gb200-nvl72", 80),
        ("mi300x-8", 2),
        ("mi300x-8", 8),
        ("deepseek-2048", 16),
    ] {
        let at = |fidelity| {
            time(
                &request(system, Collective::AllToAll, ranks, fidelity),
                &data,
            )
        };
        let times = Fidelity::ALL.map(at).map(Seconds::get);
        let flows = times[2];
        for time in times {
            assert!(
                (time / flows - 1.0).abs() < 0.25,
                "{system} {ranks}: {times:?}"
            );
        }
        // Headers and queues.
        assert!(times[3] > flows && times[3] < flows * 1.06, "{times:?}");
    }
}

/// Failed cables never make the exchange faster, and a few of many slow it little.
#[test]
fn failed_cables_slow_an_exchange() {
    let data = Data::load(&[]).unwrap();
    let mut asked = request("hgx-h100", Collective::AllToAll, 512, Fidelity::Flows);
    asked.sizes = vec![Bytes::new(16.0 * MIB)];
    let whole = time(&asked, &data);
    asked.damage = vec![parse_failed("cable:1%").unwrap()];
    asked.seed = 3;
    let run = run_collective(&asked, &data).unwrap();
    let found = run.rows[0].found.as_ref().unwrap();
    assert!(
        found.time > whole && found.time < whole * 1.5,
        "{:?} {whole:?}",
        found.time
    );
    let mut mesh = request("mi300x-8", Collective::AllToAll, 8, Fidelity::Flows);
    mesh.damage = vec![parse_failed("cable:50%").unwrap()];
    let run = run_collective(&mesh, &data).unwrap();
    assert_eq!(run.rows[0].found.as_ref().unwrap_err().key, "cut-off-chips");
}

/// What fails stands beside the whole network: two of 8 spines leave 6/8 of the uplinks, which an
/// exchange between all nodes fills; at half rate, 7/8. A chip without its card is cut off, and no
/// more parts fail than there are.
#[test]
fn failed_and_slow_parts_stand_beside_the_whole_network() {
    let data = Data::load(&[]).unwrap();
    let with = |damage| {
        let mut asked = request("hgx-h100", Collective::AllToAll, 512, Fidelity::Flows);
        asked.algorithm = Some(Algorithm::Direct);
        asked.damage = vec![damage];
        run_collective(&asked, &data).unwrap()
    };
    let slower = |damage| {
        let run = with(damage);
        run.rows[0].found.as_ref().unwrap().time / run.rows[0].whole.unwrap()
    };
    let (failed, slow) = ("spine:2", "spine:2:0.5");
    let failed = slower(parse_failed(failed).unwrap());
    assert!((1.1..=8.0 / 6.0 + 1e-9).contains(&failed), "{failed}");
    let slow = slower(parse_slow(slow).unwrap());
    assert!(slow > 1.0 && slow < failed, "{slow} {failed}");
    let key = |text| {
        let run = with(parse_failed(text).unwrap());
        run.rows[0].found.as_ref().unwrap_err().key
    };
    assert_eq!(key("card"), "cut-off-chips");
    assert_eq!(key("plane:2"), "too-few-parts");
    let run = with(parse_failed("leaf").unwrap());
    assert!(run.rows[0].whole.is_some() && run.rows[0].found.is_err());
}

/// In an exchange by classes each domain counts, not the first alone.
#[test]
fn a_cut_off_domain_cuts_a_large_exchange_off() {
    let data = Data::load(&[]).unwrap();
    let mut asked = request("hgx-h100", Collective::AllToAll, 16_384, Fidelity::Flows);
    asked.damage = vec![parse_failed("domain-switch:90%").unwrap()];
    let run = run_collective(&asked, &data).unwrap();
    assert_eq!(run.rows[0].found.as_ref().unwrap_err().key, "cut-off");
}

/// A named algorithm is run; one that cannot, or is too large, is a row with the reason.
#[test]
fn what_cannot_be_run_has_a_reason() {
    let data = Data::load(&[]).unwrap();
    let mut asked = request("hgx-h100", Collective::AllToAll, 16, Fidelity::Flows);
    asked.algorithm = Some(Algorithm::RailAligned);
    let run = run_collective(&asked, &data).unwrap();
    let found = run.rows[0].found.as_ref().unwrap();
    assert_eq!(
        found.algorithm.map(|(it, _)| it),
        Some(Algorithm::RailAligned)
    );
    let key = |asked: &CollectiveRequest| {
        let run = run_collective(asked, &data).unwrap();
        run.rows[0].found.as_ref().unwrap_err().key
    };
    asked.algorithm = Some(Algorithm::Ring);
    assert_eq!(key(&asked), "no-algorithm");
    asked.collective = Collective::AllReduce;
    asked.ranks = 4096;
    assert_eq!(key(&asked), "too-many-transfers");
    let broadcast = request("hgx-h100", Collective::Broadcast, 16, Fidelity::Calibrated);
    assert_eq!(key(&broadcast), "no-broadcast-formula");
    let mut large = request("hgx-h100", Collective::AllToAll, 64, Fidelity::Packets);
    large.sizes = vec![Bytes::new(64.0 * 1024.0 * MIB)];
    assert_eq!(key(&large), "too-many-packets");
}

const OUTPUT: &str = "\
# nccl-tests version 2.17.1
# Collective test starting: all_reduce_perf
#  Rank  0 Group  0 Pid  1 on     host-a device  0 [0x07] NVIDIA H200
#  Rank  1 Group  0 Pid  2 on     host-a device  1 [0x0a] NVIDIA H200
        1024           256     float     sum      -1    12.04    0.09    0.09      0    11.98    0.09    0.09      0
     1048576        262144     float     sum      -1    20.00   52.43   52.43      0    20.10   52.17   52.17      0
  1073741824     268435456     float     sum      -1  4000.00  268.44  268.44      0  4001.00  268.37  268.37      0
";

fn imported(output: &str, system: &str, ranks: Option<u64>) -> Data {
    let data = Data::load(&[]).unwrap();
    let run = NcclRun::parse("out.txt", output).unwrap();
    let from = Import {
        system: system.to_owned(),
        file: "out.txt".to_owned(),
        collective: Some("all-reduce".to_owned()),
        ranks,
    };
    let first = import(&from, &run, &data, (None, None)).unwrap();
    // A second import of the same takes the place of the first.
    let files = first.files.clone();
    let again = (Some(files[0].1.clone()), Some(files[1].1.clone()));
    assert_eq!(import(&from, &run, &data, again).unwrap().files, files);
    Data::load(&files).unwrap()
}

/// What was measured on a system is what is predicted of it, inside a domain and over several, and
/// moves what was not measured the same way.
#[test]
fn imports_calibrate_their_system() {
    let inside = imported(OUTPUT, "hgx-h200", None);
    let at = |data: &Data, system: &str, ranks, size: f64| {
        let mut asked = request(system, Collective::AllReduce, ranks, Fidelity::Calibrated);
        asked.sizes = vec![Bytes::new(size)];
        time(&asked, data).get() * 1e6
    };
    for (size, measured) in [(1024.0, 12.04), (MIB, 20.0), (1024.0 * MIB, 4000.0)] {
        let found = at(&inside, "hgx-h200", 2, size);
        assert!((found / measured - 1.0).abs() < 1e-6, "{size}: {found}");
    }
    let plain = Data::load(&[]).unwrap();
    assert!(
        (at(&inside, "hgx-h100", 2, MIB) - at(&plain, "hgx-h100", 2, MIB)).abs() < 1e-9,
        "other systems stay"
    );
    let lines = OUTPUT.lines().filter(|line| !line.contains("Rank"));
    let output: String = lines.map(|line| format!("{line}\n")).collect();
    let wide = imported(&output, "hgx-h200", Some(64));
    let found = at(&wide, "hgx-h200", 64, MIB);
    assert!((found / 20.0 - 1.0).abs() < 1e-6, "{found}");
    let ratio = 20.0 / at(&plain, "hgx-h200", 64, MIB);
    let other = at(&wide, "hgx-h200", 128, MIB) / at(&plain, "hgx-h200", 128, MIB);
    // A doubling of the domains away the logarithm of the ratio counts half.
    assert!(
        (other * other / ratio - 1.0).abs() < 1e-6,
        "{other} {ratio}"
    );
}

/// A GOAL file has each transfer as a send and a receive.
#[test]
fn goal_files_hold_every_transfer() {
    let data = Data::load(&[]).unwrap();
    let mut asked = request("hgx-h100", Collective::AllReduce, 16, Fidelity::Flows);
    asked.algorithm = Some(Algorithm::HierarchicalRing);
    let text = collective_goal(&asked, &data).unwrap();
    assert!(text.starts_with("num_ranks 16\n"));
    let count = |word: &str| text.matches(word).count();
    // Inside: 2 x 8 x 7 for each half; between: 8 rails x 2 steps x 2 chips.
    assert_eq!((count(": send "), count(": recv ")), (256, 256));
}

fn shared(traffic: &[&str]) -> chokepoint_engine::ShareRun {
    let data = Data::load(&[]).unwrap();
    let request = ShareRequest {
        system: "hgx-h100".to_owned(),
        chips: 16,
        traffic: traffic
            .iter()
            .map(|text| parse_traffic(text).unwrap())
            .collect(),
        damage: Vec::new(),
        seed: 0,
    };
    run_share(&request, &data).unwrap()
}

/// Two exchanges that keep each card busy share it by their flows: an all-to-all has 8 flows over
/// each card, a send to the chip 8 places on one, so that the send gets a ninth while both run. The
/// all-to-all carries 8/16 of its 64 MiB over a card, the send 64 MiB; with T the time of 64 MiB at
/// the card's rate alone the all-to-all ends at 9/8 T/2 and the send at 3/2 T. What stays inside
/// nodes is untouched.
#[test]
fn traffic_shares_what_it_has_in_common() {
    let run = shared(&["all-to-all:64 MiB:16x1", "send-receive:64 MiB:2x8"]);
    let found: Vec<_> = run
        .rows
        .iter()
        .map(|row| row.found.as_ref().unwrap())
        .collect();
    let card = 64.0 * MIB / (50e9 * 0.88);
    let near = |time: Seconds, expected: f64| (time.get() / expected - 1.0).abs() < 0.02;
    assert!(
        near(found[0].alone, card / 2.0) && near(found[1].alone, card),
        "{found:?}"
    );
    assert!(near(found[0].together, card * 9.0 / 16.0), "{found:?}");
    assert!(near(found[1].together, card * 1.5), "{found:?}");
    let apart = shared(&["all-reduce:64 MiB:8x1", "all-reduce:64 MiB:2x8"]);
    for row in &apart.rows {
        let found = row.found.as_ref().unwrap();
        assert_eq!(found.alone, found.together);
    }
    assert_eq!(apart.rows[0].groups, 2);
}

/// All-to-all by classes is what its cards take: S (n - 8) / n at a card's rate, and a path's latency.
#[test]
fn large_exchanges_run_by_classes() {
    let data = Data::load(&[]).unwrap();
    let asked = request("hgx-h100", Collective::AllToAll, 16_384, Fidelity::Flows);
    let found = time(&asked, &data).get();
    let card = 64.0 * MIB * (16_376.0 / 16_384.0) / (50e9 * 0.88);
    assert!(found > card && found < card + 10e-6, "{found} {card}");
    let mut worn = asked.clone();
    worn.damage = vec![parse_failed("cable:1%").unwrap()];
    assert!(time(&worn, &data).get() > found);
}
