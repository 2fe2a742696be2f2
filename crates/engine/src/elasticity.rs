//! Which resource binds: the elasticity of a rate to each resource.
//!
//! Elasticity = relative change of the rate over relative change of the resource. The largest is
//! the chokepoint. No formula of its own: the one evaluation with one resource scaled, at the
//! fixed plan where the effect is smooth (training), with the plan searched again for memory
//! capacity, and with batches and pools adapted under the latency targets in serving.

use chokepoint_chip::{ChipScale, ChipSpec};
use chokepoint_fabric::{Fabric, FabricScale};

use crate::row::Resource;

/// Relative step of a resource at a fixed plan.
pub(crate) const FIXED_STEP: f64 = 0.02;
/// Relative step of a resource when the plan is searched again, whose effect is not smooth.
pub(crate) const SEARCHED_STEP: f64 = 0.10;

/// Elasticities, largest first; resources of equal elasticity in the order of their keys.
///
/// `rate_with` gives the rate on a changed chip and fabric; `step` is the relative change of a
/// resource that it is asked for.
pub(crate) fn elasticities(
    chip: &ChipSpec,
    fabric: &Fabric,
    rate: f64,
    step: impl Fn(Resource) -> f64,
    rate_with: impl Fn(Resource, &ChipSpec, &Fabric) -> f64,
) -> Vec<(Resource, f64)> {
    let of = |resource: Resource| {
        let step = step(resource);
        let (more, less) = (1.0 + step, 1.0 / (1.0 + step));
        let (mut on_chip, mut on_fabric) = (ChipScale::default(), FabricScale::default());
        match resource {
            Resource::Compute => on_chip.compute = more,
            Resource::MemoryBandwidth => on_chip.bandwidth = more,
            Resource::MemoryCapacity => on_chip.capacity = more,
            Resource::ScaleUpBandwidth => on_fabric.domain_bandwidth = more,
            Resource::ScaleOutBandwidth => on_fabric.out_bandwidth = more,
            Resource::NetworkLatency => on_fabric.latency = less,
            Resource::KernelLaunch => on_chip.launch = less,
            Resource::WideAreaBandwidth => {}
        }
        let changed = rate_with(resource, &chip.scaled(on_chip), &fabric.scaled(on_fabric));
        (resource, libm::log(changed / rate) / libm::log1p(step))
    };
    let mut found: Vec<(Resource, f64)> = Resource::ALL.into_iter().map(of).collect();
    rank(&mut found);
    found
}

/// Largest first.
pub(crate) fn rank(found: &mut [(Resource, f64)]) {
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
}
