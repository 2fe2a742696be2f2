//! A training plan: how a model is spread over chips.

use std::fmt;

use chokepoint_fabric::Group;
use chokepoint_model::Recompute;
use chokepoint_units::NumberFormat;

use crate::schedule::ScheduleError;
use crate::stage::MAX_KINDS;
use crate::{
    Case, ContextExchange, Offload, Placement, Schedule, Sharding, TensorExchange, TensorOverlap,
};

/// How a training run is spread over chips.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Tensor parallelism.
    pub tp: u64,
    /// Context parallelism.
    pub cp: u64,
    /// Expert parallelism; lies, with expert tensor parallelism, within tensor x context x data
    /// parallelism.
    pub ep: u64,
    /// Expert tensor parallelism: chips that share each routed expert.
    pub etp: u64,
    /// Pipeline stages.
    pub pp: u64,
    /// Virtual stages of each pipeline rank.
    pub vp: u64,
    /// Data parallelism.
    pub dp: u64,
    /// Sequences in one micro-batch.
    pub micro_batch: u64,
    /// What is computed again in the backward pass.
    pub recompute: Recompute,
    /// Pipeline schedule.
    pub schedule: Schedule,
    /// Number format of the linear layers.
    pub format: NumberFormat,
    /// What tensor-parallel chips exchange.
    pub tensor: TensorExchange,
    /// Tensor-parallel traffic under the matrix multiplications beside it.
    pub overlap_tp: TensorOverlap,
    /// How context-parallel chips see each other's keys and values.
    pub context: ContextExchange,
    /// Expert traffic runs under the compute of another micro-batch.
    pub overlap_ep: bool,
    /// What data-parallel chips split among them.
    pub sharding: Sharding,
    /// Chips among which that is split; 0 for all that hold the same weights. Fewer keep copies
    /// (hybrid sharding, HSDP).
    pub shard: u64,
    /// Gradients are reduced and weights gathered under compute.
    pub overlap_dp: bool,
    /// What waits in the host's memory.
    pub offload: Offload,
    /// The vocabulary head is split over all pipeline stages (Yeung et al. 2024,
    /// arXiv 2411.05288) instead of lying on the last.
    pub split_vocabulary: bool,
    /// Layers are dealt out so that the slowest stage is as fast as can be, heads counted, instead
    /// of evenly.
    pub balanced: bool,
}

/// Why a plan makes no sense for a case, whatever its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanError {
    /// A degree is zero.
    ZeroDegree,
    /// The model has more kinds of layers than a stage counts.
    TooManyKinds,
    /// More chips than there are.
    TooManyChips,
    /// Attention heads are not a multiple of tensor parallelism.
    Heads,
    /// Experts are not a multiple of expert parallelism, or the model has none.
    Experts,
    /// Expert (x expert tensor) parallelism does not divide tensor x context x data parallelism.
    ExpertGroup,
    /// Expert tensor parallelism is neither 1 nor tensor parallelism.
    ExpertTensor,
    /// More pipeline chunks than layers, of which those of the embedding and the head need none.
    TooFewLayers,
    /// The sequence is not a multiple of context x tensor parallelism, which split it.
    Sequence,
    /// Expert traffic has no other micro-batch to run under ([`Plan::check`]).
    Overlap,
    /// The schedule does not go with the pipeline.
    Schedule(ScheduleError),
    /// Hybrid sharding needs groups that divide the chips with the same weights.
    Shard,
    /// All-to-all context parallelism has more ranks than key-value heads.
    ContextHeads,
    /// Nothing to keep in the host's memory where activations are recomputed in full, or the chip
    /// has no known host link.
    Offload,
    /// Splitting the vocabulary or balancing layers needs a pipeline of one chunk a rank.
    Split,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroDegree => "every degree of parallelism must be at least 1",
            Self::TooManyKinds => "the model has more than 8 kinds of layers",
            Self::TooManyChips => "tp x cp x pp x dp exceeds the chips",
            Self::Heads => "tp does not divide the attention heads",
            Self::Experts => "ep does not divide the routed experts",
            Self::ExpertGroup => "ep x etp does not divide tp x cp x dp",
            Self::ExpertTensor => "etp is neither 1 nor tp",
            Self::TooFewLayers => "pp x vp exceeds the layers",
            Self::Sequence => "cp x tp does not divide the sequence",
            Self::Overlap => {
                "overlap of expert traffic needs at least two micro-batches, no full \
                 recomputation, and in a pipeline virtual stages or dualpipe"
            }
            Self::Schedule(error) => return error.fmt(f),
            Self::Shard => "shard does not divide cp x dp",
            Self::ContextHeads => "cp exceeds the key-value heads that all-to-all splits",
            Self::Offload => {
                "offload needs a host link whose bandwidth is known, and activations that are kept"
            }
            Self::Split => "split-vocabulary and balanced need vp = 1 and cyclic stages",
        })
    }
}

impl Plan {
    /// One chip, one sequence at a time, nothing split, recomputed or hidden.
    #[must_use]
    pub const fn one(format: NumberFormat) -> Self {
        Self {
            tp: 1,
            cp: 1,
            ep: 1,
            etp: 1,
            pp: 1,
            vp: 1,
            dp: 1,
            micro_batch: 1,
            recompute: Recompute::None,
            schedule: Schedule::OneForwardOneBackward,
            format,
            tensor: TensorExchange::Sequence,
            overlap_tp: TensorOverlap::None,
            context: ContextExchange::Ring,
            overlap_ep: false,
            sharding: Sharding::Optimizer,
            shard: 0,
            overlap_dp: true,
            offload: Offload::NONE,
            split_vocabulary: false,
            balanced: false,
        }
    }

    /// Chips that hold the same dense weights, both copies of a bidirectional pipeline counted.
    #[must_use]
    pub const fn replicas(&self) -> u64 {
        self.schedule.copies() * self.dp * self.cp
    }

    /// Chips that hold the same routed experts.
    #[must_use]
    pub const fn expert_replicas(&self) -> u64 {
        let replicas = self.replicas() * self.tp / (self.ep * self.etp);
        if replicas == 0 { 1 } else { replicas }
    }

    /// Of a number of chips with the same weights, those among which state is split.
    pub(crate) fn shards(&self, replicas: u64) -> u64 {
        if self.shard == 0 {
            replicas
        } else {
            self.shard.min(replicas)
        }
    }

    /// Chips that hold the stages of one pipeline.
    pub(crate) const fn stages(&self) -> Group {
        Group {
            size: self.pp,
            stride: self.tp * self.cp * self.dp,
        }
    }

    /// Chips that the plan occupies.
    #[must_use]
    pub const fn chips(&self) -> u64 {
        self.tp
            .saturating_mul(self.cp)
            .saturating_mul(self.pp)
            .saturating_mul(self.dp)
    }

    /// Micro-batches of one step on one replica; the last may be partly empty.
    #[must_use]
    pub const fn micro_batches(&self, global_batch: u64) -> u64 {
        global_batch.div_ceil(self.dp.saturating_mul(self.micro_batch))
    }

    /// Whether the plan makes sense for a case.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, case: &Case) -> Result<(), PlanError> {
        let degrees = [
            self.tp,
            self.cp,
            self.ep,
            self.etp,
            self.pp,
            self.vp,
            self.dp,
            self.micro_batch,
        ];
        if degrees.contains(&0) {
            return Err(PlanError::ZeroDegree);
        }
        if self.chips() > case.chips {
            return Err(PlanError::TooManyChips);
        }
        self.check_spread(case)?;
        if !(self.tp * self.cp * self.dp).is_multiple_of(self.ep * self.etp) {
            return Err(PlanError::ExpertGroup);
        }
        // The chunks of the embedding and of the head may hold no layer.
        let chunks = self.pp.saturating_mul(self.vp);
        if chunks > case.architecture.layers.len() as u64 + 2
            || self.pp > case.architecture.layers.len() as u64
        {
            return Err(PlanError::TooFewLayers);
        }
        let micro_batches = self.micro_batches(case.workload.global_batch);
        if self.overlap_ep && (micro_batches < 2 || !self.can_overlap_experts()) {
            return Err(PlanError::Overlap);
        }
        self.check_techniques(case)?;
        self.schedule
            .check(self.pp, self.vp, micro_batches)
            .map_err(PlanError::Schedule)
    }

    /// Whether a layer can be spread as the plan says, whatever the pipeline.
    pub(crate) fn check_spread(&self, case: &Case) -> Result<(), PlanError> {
        let architecture = case.architecture;
        if architecture.kinds.len() > MAX_KINDS {
            return Err(PlanError::TooManyKinds);
        }
        if !architecture
            .kinds
            .iter()
            .all(|kind| kind.attention.heads().is_multiple_of(self.tp))
        {
            return Err(PlanError::Heads);
        }
        if self.ep > 1
            && !architecture
                .experts()
                .is_some_and(|experts| experts.is_multiple_of(self.ep))
        {
            return Err(PlanError::Experts);
        }
        if self.etp > 1 && (self.etp != self.tp || architecture.experts().is_none()) {
            return Err(PlanError::ExpertTensor);
        }
        if !case
            .workload
            .sequence
            .is_multiple_of(self.cp.saturating_mul(self.tp))
        {
            return Err(PlanError::Sequence);
        }
        Ok(())
    }

    /// Whether weights are gathered for every micro-batch; in a pipeline they stay so all the step.
    pub(crate) const fn regathers(&self) -> bool {
        matches!(self.sharding, Sharding::Parameters) && self.pp == 1
    }

    /// Whether gradients are exchanged for every micro-batch.
    pub(crate) const fn exchanges_each_time(&self) -> bool {
        matches!(self.sharding, Sharding::Gradients | Sharding::Parameters) && self.pp == 1
    }

    /// Whether expert traffic can run under another micro-batch: the layer is not recomputed whole,
    /// and the pipeline interleaves or pairs micro-batches, or there is none (Megatron-LM
    /// `overlap-moe-expert-parallel-comm`).
    pub(crate) const fn can_overlap_experts(&self) -> bool {
        let interleaved = matches!(self.schedule, Schedule::OneForwardOneBackward) && self.vp > 1;
        let pairs = self.pp == 1 || interleaved || self.schedule.pairs();
        pairs && !matches!(self.recompute, Recompute::Full)
    }

    pub(crate) fn check_techniques(&self, case: &Case) -> Result<(), PlanError> {
        if self.shard > 0 && !(self.dp * self.cp).is_multiple_of(self.shard) {
            return Err(PlanError::Shard);
        }
        let heads = case
            .architecture
            .kinds
            .iter()
            .map(|kind| kind.attention.kv_heads() / self.tp)
            .min()
            .unwrap_or(1);
        if self.cp > 1 && self.context == ContextExchange::AllToAll && self.cp > heads.max(1) {
            return Err(PlanError::ContextHeads);
        }
        let recomputed = self.offload.activations && self.recompute == Recompute::Full;
        if self.offload.any() && (case.chip.host.is_none() || recomputed) {
            return Err(PlanError::Offload);
        }
        let cyclic = self.vp == 1 && self.schedule.placement() == Placement::Cyclic;
        if (self.split_vocabulary || self.balanced) && !(cyclic && self.pp > 1) {
            return Err(PlanError::Split);
        }
        Ok(())
    }
}
