//! Schedules as GOAL, the text format that `LogGOPSim` and htsim read through `txt2bin` (Hoefler,
//! Siebert and Lumsdaine 2009): for each rank sends, receives and which of them wait for which.

use std::fmt::Write as _;

use crate::algorithm::Ranks;
use crate::schedule::Schedule;

/// A schedule as GOAL, its transfers' numbers as tags; absent where a switch takes part, which GOAL
/// does not know, or a transfer waits for something between others.
///
/// Sizes are rounded up to whole bytes. What starts a transfer is left to the reader, whose model of
/// overheads it is.
#[must_use]
pub fn goal(schedule: &Schedule, ranks: &Ranks) -> Option<String> {
    let number = ranks.number();
    let mut lines: Vec<String> = vec![String::new(); number as usize];
    let all = schedule.transfers();
    let largest = all
        .iter()
        .flat_map(|it| [it.from, it.to])
        .max()
        .unwrap_or(0);
    let mut places = vec![None; largest as usize + 1];
    for rank in 0..number {
        if let Some(place) = places.get_mut(ranks.chip(rank) as usize) {
            *place = Some(rank);
        }
    }
    for (at, transfer) in all.iter().enumerate() {
        let from = places[transfer.from as usize]?;
        let to = places[transfer.to as usize]?;
        let bytes = libm::ceil(transfer.size.get()) as u64;
        let lines_of = &mut lines[from as usize];
        writeln!(lines_of, "s{at}: send {bytes}b to {to} tag {at}").ok()?;
        for awaited in schedule.after(at as u32) {
            let earlier = all[*awaited as usize];
            let which = match transfer.from {
                from if from == earlier.to => 'r',
                from if from == earlier.from => 's',
                _ => return None,
            };
            writeln!(lines_of, "s{at} requires {which}{awaited}").ok()?;
        }
        writeln!(
            lines[to as usize],
            "r{at}: recv {bytes}b from {from} tag {at}"
        )
        .ok()?;
    }
    let mut text = format!("num_ranks {number}\n");
    for (rank, lines) in lines.iter().enumerate() {
        write!(text, "rank {rank} {{\n{lines}}}\n").ok()?;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use chokepoint_units::{Bytes, Seconds};

    use super::goal;
    use crate::algorithm::{Algorithm, Collective, Ranks, schedule};

    fn text(what: (Collective, Algorithm), switches: Vec<u32>) -> Option<String> {
        let ranks = Ranks::new(vec![0, 1], 2, switches).unwrap();
        let schedule = schedule(what, &ranks, Bytes::new(8.0), 1, Seconds::ZERO).unwrap();
        goal(&schedule, &ranks)
    }

    /// Two ranks exchange halves, and the sums.
    #[test]
    fn a_ring_of_two_is_two_exchanges() {
        let expected = "\
num_ranks 2
rank 0 {
s0: send 4b to 1 tag 0
r1: recv 4b from 1 tag 1
s2: send 4b to 1 tag 2
s2 requires r1
r3: recv 4b from 1 tag 3
}
rank 1 {
r0: recv 4b from 0 tag 0
s1: send 4b to 0 tag 1
r2: recv 4b from 0 tag 2
s3: send 4b to 0 tag 3
s3 requires r0
}
";
        let what = (Collective::AllReduce, Algorithm::Ring);
        assert_eq!(text(what, Vec::new()).as_deref(), Some(expected));
    }

    #[test]
    fn switches_are_no_ranks() {
        assert!(text((Collective::AllReduce, Algorithm::InSwitch), vec![2]).is_none());
    }
}
