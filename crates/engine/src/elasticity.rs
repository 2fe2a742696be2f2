//! Which resource binds: the elasticity of a rate to each resource.
//!
//! Elasticity = relative change of the rate over relative change of the resource, at a fixed plan
//! (memory capacity: with the plan searched again). The largest is the chokepoint. No formula of
//! its own: the one evaluation with one resource scaled.

use chokepoint_chip::{ChipScale, ChipSpec};
use chokepoint_fabric::{Fabric, FabricScale};

use crate::row::Resource;

/// Relative step of a resource.
const STEP: f64 = 0.02;
/// Relative step of memory capacity, whose effect is not smooth.
const CAPACITY_STEP: f64 = 0.10;

/// Elasticities, largest first; resources of equal elasticity in the order of their keys.
///
/// `fixed` gives the rate of the best plan on a changed chip and fabric, `searched` the rate of
/// the then best plan.
pub(crate) fn elasticities(
    chip: &ChipSpec,
    fabric: &Fabric,
    rate: f64,
    fixed: impl Fn(&ChipSpec, &Fabric) -> f64,
    searched: impl Fn(&ChipSpec, &Fabric) -> f64,
) -> Vec<(Resource, f64)> {
    let more = 1.0 + STEP;
    let less = 1.0 / more;
    let of_chip = |scale: ChipScale| fixed(&chip.scaled(scale), fabric);
    let of_fabric = |scale: FabricScale| fixed(chip, &fabric.scaled(scale));
    let roomier = chip.scaled(ChipScale { capacity: 1.0 + CAPACITY_STEP, ..ChipScale::default() });
    let changed = [
        (Resource::Compute, of_chip(ChipScale { compute: more, ..ChipScale::default() }), STEP),
        (Resource::MemoryBandwidth, of_chip(ChipScale { bandwidth: more, ..ChipScale::default() }), STEP),
        (Resource::MemoryCapacity, searched(&roomier, fabric), CAPACITY_STEP),
        (Resource::ScaleUpBandwidth, of_fabric(FabricScale { domain_bandwidth: more, ..FabricScale::default() }), STEP),
        (Resource::ScaleOutBandwidth, of_fabric(FabricScale { out_bandwidth: more, ..FabricScale::default() }), STEP),
        (Resource::NetworkLatency, of_fabric(FabricScale { latency: less, ..FabricScale::default() }), STEP),
        (Resource::KernelLaunch, of_chip(ChipScale { launch: less, ..ChipScale::default() }), STEP),
    ];
    let mut found: Vec<(Resource, f64)> = changed
        .into_iter()
        .map(|(resource, changed, step)| (resource, libm::log(changed / rate) / libm::log1p(step)))
        .collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    found
}
