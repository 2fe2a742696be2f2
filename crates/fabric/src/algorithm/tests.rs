use std::collections::BTreeSet;

use chokepoint_units::{Bytes, Seconds};

use super::builder::{Builder, Then};
use super::{Algorithm, Collective, Dispatching, Ranks, build, dispatch, uneven_all_to_all};

const SIZE: Bytes = Bytes::new(1e6);

/// Ranks of some domains, the switches of which follow the chips.
fn ranks(inside: u32, domains: u32) -> Ranks {
    let number = inside * domains;
    let switches = (number..number + domains).collect();
    Ranks::new((0..number).collect(), inside, switches).unwrap()
}

fn built(what: (Collective, Algorithm), ranks: &Ranks, slices: u32) -> Option<Builder<'_>> {
    build(what, ranks, SIZE, slices, Seconds::ZERO)
}

/// What a vertex has of each unit of the message: whose contributions.
type Held = Vec<BTreeSet<u32>>;

/// What every rank is sure to have when all has arrived, and whether nothing was summed twice.
///
/// A transfer carries what its sender has for sure when it starts: what it began with and what the
/// transfers that it waits for, and those that these wait for, brought it. Order of arrival beyond
/// that is nobody's promise.
fn outcome(builder: &Builder, starts: &[Held]) -> Vec<Held> {
    let schedule = builder.schedule();
    let number = schedule.transfers().len();
    let mut before: Vec<BTreeSet<u32>> = Vec::with_capacity(number);
    let mut carried: Vec<Held> = Vec::with_capacity(number);
    for at in 0..number as u32 {
        let mut all = BTreeSet::new();
        for earlier in schedule.after(at) {
            all.insert(*earlier);
            all.extend(&before[*earlier as usize]);
        }
        let transfer = schedule.transfers()[at as usize];
        carried.push(state(
            builder,
            starts,
            &carried,
            transfer.from,
            all.iter().copied(),
        ));
        before.push(all);
    }
    (0..starts.len() as u32)
        .map(|vertex| state(builder, starts, &carried, vertex, 0..number as u32))
        .collect()
}

/// What a vertex holds once some transfers, in order, are through.
fn state(
    builder: &Builder,
    starts: &[Held],
    carried: &[Held],
    vertex: u32,
    through: impl Iterator<Item = u32>,
) -> Held {
    let mut held = starts[vertex as usize].clone();
    for at in through {
        if builder.schedule().transfers()[at as usize].to != vertex {
            continue;
        }
        let (part, then) = builder.moved[at as usize];
        for unit in part.first as usize..(part.first + part.count) as usize {
            let brought = &carried[at as usize][unit];
            match then {
                Then::Sum => {
                    assert!(held[unit].is_disjoint(brought), "summed twice: {at}");
                    held[unit].extend(brought);
                }
                Then::Copy => {
                    assert!(held[unit].is_subset(brought), "copied over: {at}");
                    held[unit].clone_from(brought);
                }
            }
        }
    }
    held
}

/// Every vertex's start where each rank contributes everywhere.
fn contributions(ranks: &Ranks, units: usize) -> Vec<Held> {
    let own = (0..ranks.number()).map(|rank| vec![BTreeSet::from([rank]); units]);
    let switches = (0..ranks.domains()).map(|_| vec![BTreeSet::new(); units]);
    own.chain(switches).collect()
}

fn units(builder: &Builder) -> usize {
    builder.whole().count as usize
}

/// Which rank ends with the whole sum of each unit of a reduce-scatter; one alone, all as much.
fn owners(algorithm: Algorithm, ranks: &Ranks, slices: u32) -> Vec<u32> {
    let builder = built((Collective::ReduceScatter, algorithm), ranks, slices).unwrap();
    let ends = outcome(&builder, &contributions(ranks, units(&builder)));
    let number = ranks.number() as usize;
    let mut count = vec![0; number];
    let owners: Vec<u32> = (0..units(&builder))
        .map(|unit| {
            let whole = (0..number).filter(|rank| ends[*rank][unit].len() == number);
            let owner: Vec<usize> = whole.collect();
            assert_eq!(owner.len(), 1, "{algorithm:?} unit {unit} of {ranks:?}");
            count[owner[0]] += 1;
            owner[0] as u32
        })
        .collect();
    assert!(count.iter().all(|it| *it == count[0]), "{count:?}");
    owners
}

fn shapes() -> impl Iterator<Item = Ranks> {
    let shapes = [
        (2, 1),
        (3, 1),
        (4, 1),
        (5, 1),
        (8, 1),
        (1, 4),
        (2, 2),
        (2, 3),
        (3, 2),
        (4, 2),
    ];
    shapes
        .into_iter()
        .map(|(inside, domains)| ranks(inside, domains))
}

/// Every algorithm of every reducing or copying collective leaves every rank with what the
/// collective promises, whatever the order in which transfers that do not wait for one another
/// arrive.
#[test]
fn collectives_do_what_they_promise() {
    let mut done = 0;
    for ranks in shapes() {
        let number = ranks.number() as usize;
        for algorithm in Algorithm::ALL {
            for slices in [1, 2] {
                let find = |collective| built((collective, algorithm), &ranks, slices);
                if let Some(builder) = find(Collective::AllReduce) {
                    let ends = outcome(&builder, &contributions(&ranks, units(&builder)));
                    let all = ends[..number].iter().flatten();
                    assert!(
                        all.into_iter().all(|it| it.len() == number),
                        "{algorithm:?} {ranks:?}"
                    );
                    done += 1;
                }
                if let Some(builder) = find(Collective::AllGather) {
                    let owners = owners(algorithm, &ranks, slices);
                    let mut starts = vec![
                        vec![BTreeSet::new(); owners.len()];
                        number + ranks.domains() as usize
                    ];
                    for (unit, owner) in owners.iter().enumerate() {
                        starts[*owner as usize][unit].insert(*owner);
                    }
                    let ends = outcome(&builder, &starts);
                    for end in &ends[..number] {
                        let right = end.iter().zip(&owners);
                        assert!(
                            right.into_iter().all(|(has, owner)| has.contains(owner)),
                            "{algorithm:?} {ranks:?}"
                        );
                    }
                    done += 1;
                }
                if let Some(builder) = find(Collective::Broadcast) {
                    let mut starts = vec![
                        vec![BTreeSet::new(); units(&builder)];
                        number + ranks.domains() as usize
                    ];
                    starts[0] = vec![BTreeSet::from([0]); units(&builder)];
                    let ends = outcome(&builder, &starts);
                    assert!(
                        ends[..number].iter().flatten().all(|it| it.contains(&0)),
                        "{algorithm:?} {ranks:?}"
                    );
                    done += 1;
                }
            }
        }
    }
    assert!(done > 150, "{done}");
}

/// Bytes that each rank sends and gets.
fn traffic(builder: &Builder) -> (Vec<f64>, Vec<f64>) {
    let vertices = (builder.ranks.number() + builder.ranks.domains()) as usize;
    let (mut out, mut into) = (vec![0.0; vertices], vec![0.0; vertices]);
    for transfer in builder.schedule().transfers() {
        out[transfer.from as usize] += transfer.size.get();
        into[transfer.to as usize] += transfer.size.get();
    }
    (out, into)
}

/// Bandwidth-optimal algorithms send 2 (n-1)/n S for an all-reduce (Patarasuk and Yuan 2009,
/// theorem 1) and half of it for its halves; over a switch that sums, (n+1)/n S and 1/n S + S.
#[test]
fn ranks_send_what_the_papers_count() {
    use Algorithm as A;
    use Collective as C;
    let size = SIZE.get();
    for (what, shape, expected) in [
        ((C::AllReduce, A::Ring), (8, 1), 2.0 * 7.0 / 8.0),
        ((C::AllGather, A::Ring), (8, 1), 7.0 / 8.0),
        ((C::ReduceScatter, A::Direct), (8, 1), 7.0 / 8.0),
        ((C::AllReduce, A::RecursiveHalving), (8, 1), 2.0 * 7.0 / 8.0),
        ((C::AllReduce, A::InSwitch), (8, 1), 9.0 / 8.0),
        ((C::ReduceScatter, A::InSwitch), (8, 1), 1.0),
        ((C::AllReduce, A::HierarchicalRing), (4, 2), 2.0 * 7.0 / 8.0),
        ((C::AllToAll, A::Direct), (4, 2), 7.0 / 8.0),
        ((C::SendReceive, A::Direct), (4, 2), 1.0),
    ] {
        let ranks = ranks(shape.0, shape.1);
        let builder = built(what, &ranks, 1).unwrap();
        let (out, _) = traffic(&builder);
        for sent in &out[..8] {
            assert!((sent / size - expected).abs() < 1e-9, "{what:?}: {sent}");
        }
    }
}

/// Rings leave a domain on the rail on which they enter the next: between an even number of domains
/// no transfer changes rails.
#[test]
fn rings_keep_to_their_rails() {
    let ranks = ranks(4, 4);
    let builder = built((Collective::AllReduce, Algorithm::Ring), &ranks, 1).unwrap();
    let between = builder
        .schedule()
        .transfers()
        .iter()
        .filter(|it| it.from / 4 != it.to / 4);
    let mut rails = [0.0; 4];
    for transfer in between {
        assert_eq!(transfer.from % 4, transfer.to % 4);
        rails[(transfer.from % 4) as usize] += transfer.size.get();
    }
    assert!(
        rails.iter().all(|it| (it / rails[0] - 1.0).abs() < 1e-9),
        "{rails:?}"
    );
}

/// Inner ranks of one of two trees are leaves of the other, so that every rank sends and gets about
/// twice the message at most (Sanders, Speck and Träff 2009).
#[test]
fn two_trees_share_the_load() {
    let ranks = ranks(16, 1);
    let load = |algorithm| {
        let builder = built((Collective::AllReduce, algorithm), &ranks, 1).unwrap();
        let (out, _) = traffic(&builder);
        out.iter()
            .fold(0.0_f64, |most, it| most.max(it / SIZE.get()))
    };
    assert!((load(Algorithm::Tree) - 3.0).abs() < 1e-9);
    assert!(load(Algorithm::DoubleTree) <= 2.0 + 1e-9);
}

/// PXN: what crosses domains is as much as straight, on as many messages as there are pairs of
/// domains for each rail, none of which changes rails.
#[test]
fn rail_aligned_exchange_keeps_to_rails() {
    let ranks = ranks(4, 3);
    let crossing = |algorithm| {
        let builder = built((Collective::AllToAll, algorithm), &ranks, 1).unwrap();
        let all = builder.schedule().transfers().to_vec();
        let cross: Vec<_> = all
            .into_iter()
            .filter(|it| it.from / 4 != it.to / 4)
            .collect();
        cross
    };
    let (straight, aligned) = (
        crossing(Algorithm::Direct),
        crossing(Algorithm::RailAligned),
    );
    let sum = |all: &[crate::schedule::Transfer]| all.iter().map(|it| it.size.get()).sum::<f64>();
    assert!((sum(&straight) / sum(&aligned) - 1.0).abs() < 1e-9);
    assert_eq!((straight.len(), aligned.len()), (12 * 8, 12 * 2));
    assert!(aligned.iter().all(|it| it.from % 4 == it.to % 4));
}

/// 2 domains of 2 ranks, 100 tokens of 10 bytes, a token hits a rank with chance 1/2 and a domain
/// with 3/4: a rank sends its peer 750 bytes and the peer forwards 500 to its neighbour.
#[test]
fn dispatch_goes_once_to_each_domain() {
    let ranks = ranks(2, 2);
    let mut how = Dispatching {
        tokens: 100.0,
        token: Bytes::new(10.0),
        hits: vec![0.5; 4],
        domains: vec![0.75; 2],
        once_a_domain: true,
    };
    let sizes = |schedule: &crate::schedule::Schedule| -> Vec<(u32, u32, f64)> {
        let all = schedule.transfers().iter();
        all.filter(|it| it.from == 0 || it.to == 3)
            .map(|it| (it.from, it.to, it.size.get()))
            .collect()
    };
    let once = dispatch(&ranks, Seconds::ZERO, &how).unwrap();
    // From 0 to its neighbour and to its peer; into 3 from its neighbour for its own tokens and for
    // those of 0, and from its peer; from 0 to its neighbour for the tokens of 2.
    assert_eq!(
        sizes(&once),
        [
            (0, 1, 500.0),
            (2, 3, 500.0),
            (0, 2, 750.0),
            (2, 3, 500.0),
            (1, 3, 750.0),
            (0, 1, 500.0)
        ]
    );
    how.once_a_domain = false;
    let straight = dispatch(&ranks, Seconds::ZERO, &how).unwrap();
    assert_eq!(straight.transfers().len(), 12);
    assert!(
        straight
            .transfers()
            .iter()
            .all(|it| it.size == Bytes::new(500.0))
    );
}

#[test]
fn uneven_exchange_sends_what_is_asked() {
    let ranks = ranks(3, 1);
    let size = |from: u32, to: u32| Bytes::new(f64::from(from * 10 + to));
    let schedule = uneven_all_to_all(&ranks, Seconds::ZERO, size).unwrap();
    let sum: f64 = schedule.transfers().iter().map(|it| it.size.get()).sum();
    assert!((sum - (1.0 + 2.0 + 10.0 + 12.0 + 20.0 + 21.0)).abs() < 1e-12);
}

/// What an algorithm cannot do is refused, and no more.
#[test]
fn algorithms_know_their_collectives() {
    use Algorithm as A;
    use Collective as C;
    let (node, three, pod) = (ranks(4, 1), ranks(3, 1), ranks(4, 2));
    let can = |what, ranks: &Ranks| built(what, ranks, 1).is_some();
    assert!(!can((C::ReduceScatter, A::RecursiveHalving), &three));
    assert!(can((C::AllReduce, A::RecursiveHalving), &three));
    assert!(!can((C::AllReduce, A::InSwitch), &pod));
    assert!(!can((C::AllReduce, A::HierarchicalRing), &node));
    assert!(!can((C::AllToAll, A::RailAligned), &node));
    assert!(!can((C::AllToAll, A::Ring), &node));
    let blind = Ranks::new((0..4).collect(), 4, Vec::new()).unwrap();
    assert!(!can((C::AllReduce, A::InSwitch), &blind));
    assert!(Ranks::new((0..5).collect(), 4, Vec::new()).is_none());
}
