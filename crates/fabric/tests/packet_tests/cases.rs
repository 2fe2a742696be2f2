//! Packets against times worked by hand.
//!
//! With s the time of a full packet on a link and l a link's latency, a message of P packets over
//! h links arrives after (P + h - 1) s + h l: the first packet takes h (s + l), and each other
//! follows s behind.

use crate::support::{LeafSpine, PACKET, PAYLOAD, RATE, at_once, checked, microseconds, star};
use chokepoint_fabric::network::{Level, Routing, Tree};
use chokepoint_fabric::packet::{Balance, Options, PacketError, run};
use chokepoint_fabric::schedule::{Schedule, Transfer};
use chokepoint_units::{Bandwidth, Bytes, Seconds};

/// Time of a packet at 400 Gb/s and a link's latency, in microseconds.
const S: f64 = 0.0832;
const L: f64 = 0.8;

fn assert_time(time: Seconds, expected: f64) {
    let time = microseconds(time);
    assert!((time - expected).abs() < 1e-6, "{time} us, not {expected}");
}

/// A tree of a number of levels, two vertices under each switch: 2^levels chips.
fn deep(levels: u32) -> Tree {
    let level = Level {
        children: 2,
        parents: 1,
        rate: Bandwidth::new(RATE),
        latency: Seconds::new(0.8e-6),
    };
    Tree::new(1 << levels, vec![level; levels as usize], Routing::Single).unwrap()
}

#[test]
fn one_message_takes_its_packets_and_its_path() {
    for levels in [1, 2, 3, 5, 17] {
        let network = deep(levels);
        let far = (1 << levels) - 1;
        for packets in [1_u32, 2, 100] {
            let schedule = at_once([(0, far, f64::from(packets) * PAYLOAD)]);
            let result = checked(&network, &schedule, &Options::default());
            let links = f64::from(2 * levels);
            let expected = (f64::from(packets) + links - 1.0) * S + links * L;
            assert_time(result.makespan, expected);
            assert_eq!(result.hops, u64::from(packets * 2 * levels));
        }
    }
}

/// With w packets under way and a round trip of R = h (s + l) + h (l + header), the k-th window
/// starts k R after the first.
#[test]
fn a_small_window_sends_once_a_round_trip() {
    let options = Options {
        window: Some(Bytes::new(10.0 * PACKET)),
        ..Options::default()
    };
    let schedule = at_once([(0, 1, 50.0 * PAYLOAD)]);
    let result = checked(&star(2, 0.8e-6), &schedule, &options);
    let header = 64.0 * 20e-6;
    let round_trip = 2.0 * (S + L) + 2.0 * (L + header);
    assert_time(
        result.makespan,
        4.0 * round_trip + (10.0 + 1.0) * S + 2.0 * L,
    );
}

/// The slower link decides, before or after the faster: P s of it and one packet of the other.
#[test]
fn the_slowest_link_decides() {
    let level = |children, rate| Level {
        children,
        parents: 1,
        rate: Bandwidth::new(rate),
        latency: Seconds::new(0.8e-6),
    };
    let levels = vec![level(2, RATE), level(2, RATE / 4.0)];
    let network = Tree::new(4, levels, Routing::Single).unwrap();
    let result = checked(
        &network,
        &at_once([(0, 3, 100.0 * PAYLOAD)]),
        &Options::default(),
    );
    // Up at s, up at 4 s, then down at 4 s right behind, down at s.
    assert_time(result.makespan, S + 100.0 * 4.0 * S + 4.0 * S + S + 4.0 * L);
    assert_eq!(result.links[2].bytes, Bytes::new(0.0));
    let busiest = &result.links[result.busiest().unwrap() as usize];
    assert!((microseconds(busiest.busy) - 400.0 * S).abs() < 1e-6);
}

/// N messages of P packets to one chip: its link is busy from the first arrival, N P s on end. The
/// queue is longest when the last packets come, all N P less the P - 1 that have left.
#[test]
fn incast_keeps_the_last_link_busy() {
    for senders in [2_u32, 8, 31] {
        for packets in [1_u32, 20, 300] {
            let to_zero = (1..=senders).map(|it| (it, 0, f64::from(packets) * PAYLOAD));
            let network = star(32, 0.8e-6);
            let options = Options {
                window: Some(Bytes::new(300.0 * PACKET)),
                ..Options::default()
            };
            let result = checked(&network, &at_once(to_zero), &options);
            let all = f64::from(senders * packets);
            assert_time(result.makespan, S + L + all * S + L);
            let busiest = &result.links[result.busiest().unwrap() as usize];
            let queue = f64::from(senders * packets - (packets - 1)) * PACKET;
            assert_eq!(busiest.longest_queue, Bytes::new(queue));
        }
    }
}

/// A window of one bandwidth-delay product for each sender keeps the last link as busy.
#[test]
fn incast_needs_no_more_than_the_usual_window() {
    let to_zero = (1..32).map(|it| (it, 0, 300.0 * PAYLOAD));
    let result = checked(&star(32, 0.8e-6), &at_once(to_zero), &Options::default());
    assert_time(result.makespan, S + L + 31.0 * 300.0 * S + L);
}

/// Buffers shorter than the queue cost packets, but not the last link's time: what is trimmed is
/// sent again while others keep the link busy.
#[test]
fn incast_into_a_short_buffer_trims_and_recovers() {
    let to_zero: Vec<_> = (1..32).map(|it| (it, 0, 300.0 * PAYLOAD)).collect();
    let network = star(32, 0.8e-6);
    let options = Options {
        buffer: Some(Bytes::new(64.0 * PACKET)),
        ..Options::default()
    };
    let result = checked(&network, &at_once(to_zero.clone()), &options);
    let lossless = S + L + 31.0 * 300.0 * S + L;
    assert!(result.trims > 10_000, "{}", result.trims);
    assert!(microseconds(result.makespan) >= lossless - 1e-6);
    assert!(microseconds(result.makespan) < lossless * 1.01);
    let queues = result.links.iter().map(|it| it.longest_queue);
    assert_eq!(
        queues.fold(Bytes::new(0.0), Bytes::max),
        Bytes::new(64.0 * PACKET)
    );

    // Congestion control sends a tenth of that in vain, and keeps the link as busy.
    let controlled = Options {
        mark: Some(Bytes::new(16.0 * PACKET)),
        ..options
    };
    let controlled = checked(&network, &at_once(to_zero), &controlled);
    assert!(controlled.trims * 10 < result.trims, "{}", controlled.trims);
    assert!(controlled.marks > 0);
    assert!(microseconds(controlled.makespan) < lossless * 1.05);
}

/// DCTCP keeps a link busy where marks start from more than a seventh of its rate times the round
/// trip (Alizadeh et al. 2010, equation 13; windows there are no whole packets): 3.4 us hold 41
/// packets, so six. Half of it costs nothing but the start; marks from the first packet that waits
/// empty the queue again and again.
#[test]
fn marks_from_a_seventh_of_the_pipe_keep_a_link_busy() {
    let both = |mark: Option<f64>| {
        let options = Options {
            mark: mark.map(|packets| Bytes::new(packets * PACKET)),
            ..Options::default()
        };
        let schedule = at_once([(1, 0, 4000.0 * PAYLOAD), (2, 0, 4000.0 * PAYLOAD)]);
        let result = checked(&star(3, 0.8e-6), &schedule, &options);
        microseconds(result.makespan) / (S + L + 8000.0 * S + L)
    };
    assert!((both(None) - 1.0).abs() < 1e-9);
    assert!(both(Some(20.0)) < 1.01, "{}", both(Some(20.0)));
    assert!(both(Some(6.0)) < 1.04, "{}", both(Some(6.0)));
    assert!(both(Some(0.0)) > 1.2, "{}", both(Some(0.0)));
}

/// Eighteen ports, as of a chip on an `NVSwitch` domain: in turn each takes its share, a packet of
/// each at once, with a window for all eighteen. At random a port stays idle now and then, or two
/// packets meet at a port down.
#[test]
fn a_message_fills_all_ports_of_a_chip() {
    let level = Level {
        children: 72,
        parents: 18,
        rate: Bandwidth::new(RATE),
        latency: Seconds::new(0.3e-6),
    };
    let network = Tree::new(72, vec![level], Routing::Single).unwrap();
    let time = |balance| {
        let options = Options {
            balance,
            ..Options::default()
        };
        let result = checked(&network, &at_once([(3, 60, 1800.0 * PAYLOAD)]), &options);
        microseconds(result.makespan)
    };
    let even = 100.0 * S + S + 2.0 * 0.3;
    assert!((time(Balance::Rotate) - even).abs() < 1e-6);
    let random = time(Balance::Random);
    assert!(
        random > even && random < 1.15 * even,
        "{random}, not {even}"
    );
    let one = 1800.0 * S + S + 2.0 * 0.3;
    assert!((time(Balance::Message) - one).abs() < 1e-6);
}

/// Four chips of a leaf send through its one uplink, at a quarter each.
#[test]
fn an_oversubscribed_uplink_is_shared() {
    let network = LeafSpine {
        chips: 8,
        leaf: 4,
        spines: 1,
        latency: [0.8e-6; 2],
    };
    let across = (0..4).map(|it| (it, it + 4, 100.0 * PAYLOAD));
    let result = checked(&network.build(), &at_once(across), &Options::default());
    assert_time(result.makespan, S + 400.0 * S + 2.0 * S + 4.0 * L);
    let first = result
        .finish
        .iter()
        .copied()
        .fold(result.makespan, Seconds::min);
    // They take turns, so the first ends three packets before the last.
    assert_time(first, S + 397.0 * S + 2.0 * S + 4.0 * L);
}

/// A leaf's chips to those of another leaf: each in turn over all spines, nothing collides for
/// longer than a packet of each; on one path each, the fullest uplink decides.
#[test]
fn paths_in_turn_share_evenly_and_hashed_ones_do_not() {
    let network = LeafSpine::full(32, 16, 0.8e-6).build();
    let across: Vec<_> = (0..16).map(|it| (it, it + 16, 320.0 * PAYLOAD)).collect();
    let with = |balance| {
        let options = Options {
            balance,
            ..Options::default()
        };
        checked(&network, &at_once(across.clone()), &options)
    };
    let alone = 323.0 * S + 4.0 * L;
    let rotated = with(Balance::Rotate);
    assert!(microseconds(rotated.makespan) < alone + 2.0 * 16.0 * S);
    // 16 messages of 320 packets over 16 uplinks: 320 packets on each.
    assert!(
        rotated.links[32..64]
            .iter()
            .all(|it| it.bytes == Bytes::new(0.0) || it.bytes == Bytes::new(320.0 * PACKET))
    );
    let hashed = with(Balance::Message);
    let messages = hashed.links[32..64]
        .iter()
        .map(|it| it.bytes.get() / (320.0 * PACKET))
        .fold(0.0, f64::max);
    assert!(messages >= 2.0);
    let fullest = S + messages * 320.0 * S + 2.0 * S + 4.0 * L;
    assert!((microseconds(hashed.makespan) - fullest).abs() < messages * S);
}

/// Each chip to all others at once, in turns: the n - 1 messages of P packets leave one after
/// another, (n - 1) P s, and those that arrive meet no queue.
#[test]
fn all_to_all_in_a_star_keeps_every_link_busy() {
    let network = star(16, 0.8e-6);
    let schedule = crate::support::all_to_all(16, 10.0 * PAYLOAD);
    let result = checked(&network, &schedule, &Options::default());
    assert_time(result.makespan, 150.0 * S + S + 2.0 * L);
}

/// Both of two arrivals are waited for, then the time to start; nothing to send is a header.
#[test]
fn transfers_wait_for_what_they_need() {
    let mut schedule = Schedule::new(Seconds::new(5e-6));
    let transfer = |from, to, packets: f64| Transfer {
        from,
        to,
        size: Bytes::new(packets * PAYLOAD),
    };
    let short = schedule.add(transfer(0, 1, 1.0), &[]);
    let long = schedule.add(transfer(2, 3, 50.0), &[]);
    let itself = schedule.add(transfer(3, 3, 9.0), &[long]);
    let both = schedule.add(transfer(1, 2, 0.0), &[short, long]);
    let result = checked(&star(4, 0.8e-6), &schedule, &Options::default());
    let time = |it: u32| result.finish[it as usize];
    assert_time(time(short), 5.0 + 2.0 * S + 2.0 * L);
    assert_time(time(long), 5.0 + 51.0 * S + 2.0 * L);
    assert_time(time(itself), 10.0 + 51.0 * S + 2.0 * L);
    let header = 64.0 * 20e-6;
    assert_time(time(both), 10.0 + 51.0 * S + 2.0 * L + 2.0 * (header + L));
    assert_eq!(result.packets, 52);
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let network = star(2, 0.8e-6);
    let one = at_once([(0, 1, PAYLOAD)]);
    let refused = |options: Options| run(&network, &one, &options).unwrap_err();
    let usual = Options::default();
    let payload_bytes = 0;
    assert_eq!(
        refused(Options {
            payload_bytes,
            ..usual
        }),
        PacketError::Packet
    );
    let window = Some(Bytes::new(PACKET - 1.0));
    assert_eq!(refused(Options { window, ..usual }), PacketError::Window);
    let buffer = Some(Bytes::new(f64::NAN));
    assert_eq!(refused(Options { buffer, ..usual }), PacketError::Buffer);
    let mark = Some(Bytes::new(-1.0));
    assert_eq!(refused(Options { mark, ..usual }), PacketError::Mark);
    let negative = at_once([(0, 1, 1.0), (0, 1, -1.0)]);
    assert_eq!(
        run(&network, &negative, &usual).unwrap_err(),
        PacketError::Transfer(1)
    );
    let none = Schedule::new(Seconds::new(0.0));
    assert!(run(&network, &none, &usual).unwrap().finish.is_empty());
    let late = Schedule::new(Seconds::new(-1.0));
    assert_eq!(
        run(&network, &late, &usual).unwrap_err(),
        PacketError::Start
    );
    let error = PacketError::Transfer(1).to_string();
    assert_eq!(error, "transfer 1 must have a size from 0 to 2^32 packets");
}
