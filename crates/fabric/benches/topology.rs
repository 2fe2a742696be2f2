//! Time to lay and survey networks of up to 100,000 chips.

#![expect(clippy::unwrap_used, reason = "a benchmark ends on a broken catalogue")]

#[path = "../../../tests/support/shared.rs"]
mod shared;

use chokepoint_fabric::network::Routing;
use chokepoint_fabric::topology::{SystemNetwork, survey};
use divan::Bencher;

fn main() {
    divan::main();
}

const CASES: [(&str, u64); 4] = [
    ("hgx-h100", 65_536),
    ("deepseek-2048", 100_000),
    ("gb200-nvl72", 65_520),
    ("cloudmatrix384", 30_720),
];

#[divan::bench(args = CASES)]
fn lay_and_survey(bencher: Bencher, (id, chips): (&str, u64)) {
    let catalog = shared::catalog();
    let system = catalog.system(id).unwrap();
    let network = catalog.network(&system.scale_out.network).unwrap();
    let wiring = system.domain.wiring.as_ref().unwrap();
    let link = catalog.link(&wiring.link).unwrap();
    bencher.bench(|| {
        let laid = SystemNetwork::new(system, Some(link), network, chips, Routing::Spray);
        laid.map(|laid| survey(&laid).len())
    });
}
