//! Progressive filling as the textbook has it: all rates rise together, step by step.

use chokepoint_fabric::flow::Flows;
use chokepoint_units::Bandwidth;

/// Max-min rates, in time of flows times links for each level.
pub fn rates(capacity: &[Bandwidth], flows: &Flows) -> Vec<f64> {
    let number = flows.len() as u32;
    let mut rate = vec![0.0; flows.len()];
    let mut rising: Vec<bool> = (0..number).map(|it| !flows.path(it).is_empty()).collect();
    for flow in 0..flows.len() {
        if !rising[flow] {
            rate[flow] = f64::INFINITY;
        }
    }
    while rising.contains(&true) {
        // Room of each link for each rising flow over it.
        let room: Vec<f64> = (0..capacity.len())
            .map(|link| {
                let (mut left, mut sharers) = (capacity[link].get(), 0.0);
                for flow in 0..number {
                    let visits = flows.path(flow).iter().filter(|it| **it as usize == link);
                    let load = visits.count() as f64 * flows.copies(flow) as f64;
                    if load > 0.0 {
                        left -= load * rate[flow as usize];
                        sharers += if rising[flow as usize] { load } else { 0.0 };
                    }
                }
                if sharers > 0.0 {
                    left.max(0.0) / sharers
                } else {
                    f64::INFINITY
                }
            })
            .collect();
        let step = room.iter().copied().fold(f64::INFINITY, f64::min);
        let top = capacity.iter().map(|it| it.get()).fold(0.0, f64::max);
        for flow in 0..number {
            if rising[flow as usize] {
                rate[flow as usize] += step;
                let full = |link: &u32| room[*link as usize] <= step + 1e-13 * top;
                rising[flow as usize] = !flows.path(flow).iter().any(full);
            }
        }
    }
    rate
}
