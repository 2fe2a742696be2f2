//! The space of plans that a search covers.

use chokepoint_model::Recompute;

use crate::{Case, ContextExchange, Offload, Schedule, Sharding, TensorExchange, TensorOverlap};

/// Largest tensor parallelism; beyond it no published run goes.
const MOST_TENSOR: u64 = 64;
/// Shortest share of a sequence worth splitting off for context parallelism, tokens.
const LEAST_CONTEXT: u64 = 2048;
/// Largest micro-batch.
const MOST_MICRO_BATCH: u64 = 8;
/// Most virtual stages of a rank.
const MOST_VIRTUAL: u64 = 12;

/// Choices of which a search takes every combination that makes sense for the case.
#[derive(Debug, Clone, PartialEq)]
pub struct Space {
    /// Degrees of tensor parallelism.
    pub tensor: Vec<u64>,
    /// Degrees of context parallelism.
    pub context: Vec<u64>,
    /// Degrees of expert parallelism.
    pub expert: Vec<u64>,
    /// Whether routed experts may be split over the tensor-parallel chips.
    pub expert_tensor: Vec<bool>,
    /// Pipeline depths.
    pub pipeline: Vec<u64>,
    /// Most virtual stages of a rank. Only those are taken that leave all chunks equal but for a
    /// first, or a first and last, that are a layer lighter: what Megatron-Core runs
    /// (`account-for-embedding-in-pipeline-split`, `account-for-loss-in-pipeline-split`), and where
    /// the closed form of interleaving holds.
    pub most_virtual: u64,
    /// Sequences of a micro-batch.
    pub micro_batches: Vec<u64>,
    /// Recomputation.
    pub recompute: Vec<Recompute>,
    /// Schedules.
    pub schedules: Vec<Schedule>,
    /// Tensor-parallel exchanges.
    pub exchanges: Vec<TensorExchange>,
    /// Overlaps of tensor-parallel traffic, where there is any.
    pub tensor_overlaps: Vec<TensorOverlap>,
    /// Context-parallel exchanges, where there is any.
    pub contexts: Vec<ContextExchange>,
    /// Overlap of expert traffic, where there is any.
    pub expert_overlaps: Vec<bool>,
    /// Sharding, each splitting more than the one before.
    pub shardings: Vec<Sharding>,
    /// Overlap of data-parallel traffic.
    pub data_overlaps: Vec<bool>,
    /// What waits in the host's memory, nothing first.
    pub offloads: Vec<Offload>,
    /// Layers dealt evenly, or balanced, over stages of one chunk.
    pub balanced: Vec<bool>,
    /// Whether the replicas' micro-batches must be filled by the batch.
    pub whole_batches: bool,
    /// Whether data parallelism must fill all chips; otherwise fewer replicas are tried where they
    /// reach the same number of micro-batches.
    pub all_chips: bool,
}

/// 1, 2, 4 ... up to a limit.
fn powers_of_two(limit: u64) -> Vec<u64> {
    std::iter::successors(Some(1_u64), |n| Some(n * 2))
        .take_while(|n| *n <= limit)
        .collect()
}

impl Space {
    /// All that mainstream frameworks run.
    ///
    /// Left out because another choice is never slower and never larger: exposed tensor- or
    /// data-parallel traffic, keeping gathered inputs, tensor parallelism without sequence
    /// parallelism, sharding nothing. Left out because no published run has them: ZB-H2 and ZB-V,
    /// whose ranks step before all gradients are known, splitting the vocabulary. Without the
    /// host's memory.
    #[must_use]
    pub fn of(case: &Case) -> Self {
        let architecture = case.architecture;
        let heads = architecture.kinds.iter().map(|kind| kind.attention.heads());
        let widest = heads.min().unwrap_or(1).min(MOST_TENSOR).min(case.chips);
        let experts = architecture.experts().unwrap_or(1);
        let layers = architecture.layers.len() as u64;
        Self {
            tensor: powers_of_two(widest),
            context: powers_of_two((case.workload.sequence / LEAST_CONTEXT).max(1)),
            expert: (1..=experts)
                .filter(|ep| experts.is_multiple_of(*ep))
                .collect(),
            expert_tensor: if experts > 1 {
                vec![false, true]
            } else {
                vec![false]
            },
            pipeline: (1..=layers.min(case.chips)).collect(),
            most_virtual: MOST_VIRTUAL,
            micro_batches: powers_of_two(MOST_MICRO_BATCH.min(case.workload.global_batch)),
            recompute: Recompute::ALL.to_vec(),
            schedules: vec![
                Schedule::OneForwardOneBackward,
                Schedule::ZeroBubbleH1,
                Schedule::DualPipe,
                Schedule::DualPipeV,
            ],
            exchanges: vec![TensorExchange::Sequence],
            tensor_overlaps: vec![TensorOverlap::Pipelined],
            contexts: ContextExchange::ALL.to_vec(),
            expert_overlaps: vec![false, true],
            shardings: vec![
                Sharding::Optimizer,
                Sharding::Gradients,
                Sharding::Parameters,
            ],
            data_overlaps: vec![true],
            offloads: vec![Offload::NONE],
            balanced: vec![false, true],
            whole_batches: false,
            all_chips: false,
        }
    }

    /// The same with optimizer state, activations or both in the host's memory.
    #[must_use]
    pub fn with_offload(mut self) -> Self {
        let offload = |activations, optimizer| Offload {
            weights: false,
            activations,
            optimizer,
        };
        self.offloads = vec![
            Offload::NONE,
            offload(false, true),
            offload(true, false),
            offload(true, true),
        ];
        self
    }
}
