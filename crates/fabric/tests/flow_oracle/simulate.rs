//! A schedule run by the book: all rates anew at each end and each start.

use chokepoint_fabric::flow::{Flows, Overlay, capacity, choice};
use chokepoint_fabric::network::Network;
use chokepoint_fabric::schedule::Schedule;

use crate::oracle::rates;

/// Arrival of each transfer, in seconds.
pub fn simulate(
    network: &impl Network,
    schedule: &Schedule,
    overlay: &Overlay,
    seed: u64,
) -> Vec<f64> {
    let transfers = schedule.transfers();
    let capacity = capacity(network.links(), overlay);
    let paths: Vec<Vec<u32>> = transfers
        .iter()
        .map(|it| {
            let mut path = Vec::new();
            network.route(it.from, it.to, choice(seed, it.from, it.to), &mut path);
            path
        })
        .collect();
    let latency = |flow: usize| -> f64 {
        let path = paths[flow].iter();
        path.map(|link| network.links()[*link as usize].latency.get())
            .sum()
    };
    let mut left: Vec<f64> = transfers.iter().map(|it| it.size.get()).collect();
    let mut arrival: Vec<Option<f64>> = vec![None; transfers.len()];
    let mut now = 0.0;
    while arrival.contains(&None) {
        let start = |flow: usize, arrival: &[Option<f64>]| -> Option<f64> {
            let awaited = schedule.after(flow as u32).iter();
            let last = awaited
                .map(|it| arrival[*it as usize])
                .try_fold(0.0_f64, |last, it| Some(last.max(it?)));
            Some(last? + schedule.start.get())
        };
        let open: Vec<usize> = (0..transfers.len())
            .filter(|it| arrival[*it].is_none())
            .collect();
        let mut running = Vec::new();
        let mut flows = Flows::new();
        let mut next = f64::INFINITY;
        for flow in open {
            match start(flow, &arrival) {
                Some(time) if time <= now * (1.0 + 1e-13) => {
                    running.push(flow);
                    flows.push(&paths[flow]);
                }
                Some(time) => next = next.min(time),
                None => {}
            }
        }
        let rates = rates(&capacity, &flows);
        let end = |at: usize| {
            if left[running[at]] == 0.0 {
                now
            } else {
                now + left[running[at]] / rates[at]
            }
        };
        next = (0..running.len()).map(end).fold(next, f64::min);
        let ends: Vec<f64> = (0..running.len()).map(end).collect();
        for (at, flow) in running.iter().enumerate() {
            if ends[at] <= next * (1.0 + 1e-13) {
                arrival[*flow] = Some(next + latency(*flow));
            } else {
                left[*flow] -= rates[at] * (next - now);
            }
        }
        now = next;
    }
    arrival.into_iter().flatten().collect()
}
