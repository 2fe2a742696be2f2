//! What the benchmarks of the plan search have in common.

use chokepoint_engine::model::{Architecture, Recompute};
use chokepoint_engine::units::NumberFormat;
use chokepoint_engine::{Data, SystemParts, system_parts};
use chokepoint_train::{
    Case, ContextExchange, Offload, Schedule, Sharding, Software, Space, TensorExchange,
    TensorOverlap, Workload,
};

/// Everything that a case refers to.
pub struct Setup {
    pub architecture: Architecture,
    pub parts: SystemParts,
    pub workload: Workload,
    pub software: Software,
    pub chips: u64,
}

impl Setup {
    /// A model and a system of the catalogue.
    pub fn new(model: &str, system: &str, chips: u64, sequence: u64, batch: u64) -> Self {
        let data = Data::load(&[]).unwrap();
        let formats = vec![NumberFormat::Fp8, NumberFormat::Bf16];
        Self {
            architecture: data.model(model).unwrap(),
            parts: system_parts(&data.catalog, system).unwrap(),
            workload: Workload::pretraining(sequence, batch, 1e12, formats),
            software: Software::CURRENT,
            chips,
        }
    }

    /// Megatron-1T on 4,096 A100, batch 4,096, as Calculon computes it.
    pub fn calculon() -> Self {
        Self {
            software: Software {
                fused_attention: false,
                ..Software::CURRENT
            },
            ..Self::new("megatron-1t", "dgx-a100", 4096, 2048, 4096)
        }
    }

    /// The case.
    pub fn case(&self) -> Case<'_> {
        Case {
            architecture: &self.architecture,
            workload: &self.workload,
            software: &self.software,
            chip: self.parts.spec.as_ref().unwrap(),
            fabric: &self.parts.fabric,
            chips: self.chips,
        }
    }
}

/// What Calculon enumerates; `offload` with its second tier of memory.
pub fn calculon(case: &Case, offload: bool) -> Space {
    let powers = |most: u64| (0..=most.ilog2()).map(|n| 1 << n).collect::<Vec<u64>>();
    let bits: &[bool] = if offload { &[false, true] } else { &[false] };
    let mut offloads = Vec::new();
    for &weights in bits {
        for &activations in bits {
            for &optimizer in bits {
                offloads.push(Offload {
                    weights,
                    activations,
                    optimizer,
                });
            }
        }
    }
    Space {
        tensor: powers(32),
        context: vec![1],
        expert: vec![1],
        expert_tensor: vec![false],
        pipeline: powers(128),
        most_virtual: 128,
        micro_batches: powers(case.workload.global_batch),
        recompute: vec![Recompute::None, Recompute::Selective, Recompute::Full],
        schedules: vec![Schedule::OneForwardOneBackward],
        exchanges: TensorExchange::ALL.to_vec(),
        tensor_overlaps: TensorOverlap::ALL.to_vec(),
        contexts: vec![ContextExchange::Ring],
        expert_overlaps: vec![false],
        shardings: vec![Sharding::None, Sharding::Optimizer],
        data_overlaps: vec![true, false],
        offloads,
        balanced: vec![false],
        whole_batches: false,
        all_chips: true,
    }
}
