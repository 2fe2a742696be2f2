//! Costs of one layer, and of the ends of the model, for one micro-batch on one chip.
//!
//! Computed once for each (tensor, context, expert parallelism, micro-batch, format); variants of
//! recomputation and overlap are arithmetic on them.

use chokepoint_chip::{KernelClass, KernelTime, Precision};
use chokepoint_fabric::{Dispatch, Group};
use chokepoint_model::{
    ActivationPolicy, Attention, FeedForward, GemmPass, LayerKind, Operator, Phase, Recompute,
    Shard, activation_bytes_per_layer, embedding_activation_bytes, embedding_operators,
    head_activation_bytes, head_operators, layer_operators, mtp_activation_bytes, mtp_operators,
    recomputed_operators,
};
use chokepoint_units::{Bytes, NumberFormat, Seconds};

use crate::memory::WEIGHT_BYTES;
use crate::parts::COMPUTE;
use crate::stage::Stage;
use crate::{Case, Part, Parts, Plan};

/// Share of a layer's tensor-parallel traffic that stays exposed when it is split in four and
/// pipelined with the matrix multiplication beside it (Megatron-Bridge performance guide: one of
/// `num_splits` is exposed, four are best).
const TENSOR_EXPOSED: f64 = 0.25;
/// Share of a chip's processors that overlapped tensor-parallel traffic takes from the
/// multiplications beside it (same guide: 16 of 132 by default).
const TENSOR_PROCESSORS: f64 = 16.0 / 132.0;
/// Share of a chip's processors that overlapped expert traffic takes from all compute
/// (DeepSeek-V3 section 3.2.2: 20 of 132).
const EXPERT_PROCESSORS: f64 = 20.0 / 132.0;

/// Costs of all kinds of layers and of both ends.
pub(crate) struct LayerTable {
    pub layers: Vec<LayerBase>,
    pub ends: Ends,
    /// Whether embedding and head are one matrix, held twice only when on two stages.
    pub tied: bool,
    /// Parameters of that matrix on one chip.
    pub tied_parameters: f64,
}

/// Costs of one kind of layer.
pub(crate) struct LayerBase {
    /// Parameters on one chip that data parallelism replicates over (dp x cp).
    pub dense_parameters: f64,
    /// Parameters of routed experts on one chip.
    pub expert_parameters: f64,
    forward: Parts,
    backward: Parts,
    /// Of the backward: gradients of weights, which no other stage waits for.
    weight_gradient: Seconds,
    /// Forward work repeated in the backward pass, by recomputation.
    again: [Seconds; Recompute::ALL.len()],
    /// Tensor-parallel traffic of one pass.
    tensor: Seconds,
    expert_forward: Seconds,
    expert_backward: Seconds,
    /// Context-parallel traffic of a forward pass.
    context: Seconds,
    /// Kept of one micro-batch, by recomputation.
    activations: [Bytes; Recompute::ALL.len()],
}

/// Costs of the embedding (first stage) and the vocabulary head with extra prediction layers
/// (last stage).
#[derive(Default)]
pub(crate) struct Ends {
    first: (Parts, Parts),
    last: (Parts, Parts),
    last_gradient: Seconds,
    pub first_parameters: f64,
    pub last_parameters: f64,
    pub last_expert_parameters: f64,
    pub first_activations: Bytes,
    pub last_activations: Bytes,
}

/// Costs of one choice of recomputation and overlap.
pub(crate) struct Variant {
    forward: Vec<Parts>,
    backward: Vec<Parts>,
    weight_gradient: Vec<Seconds>,
    totals: Vec<f64>,
    /// Activations kept of one micro-batch by kind of layer.
    pub activations: Vec<Bytes>,
    /// Activations of the one layer that full recomputation rebuilds at a time.
    pub working_set: Bytes,
}

/// Costs of all kinds of layers and of both ends for one way to spread a layer.
pub(crate) fn layer_table(
    case: &Case,
    tp: u64,
    cp: u64,
    ep: u64,
    micro_batch: u64,
    format: NumberFormat,
) -> LayerTable {
    let shard = Shard::training(tp, cp, ep).with_imbalance(case.workload.imbalance);
    let spread = Spread {
        case,
        shard,
        batch: micro_batch as f64,
        format,
    };
    LayerTable {
        layers: (0..case.architecture.kinds.len())
            .map(|kind| spread.layer(kind))
            .collect(),
        ends: spread.ends(),
        tied: case.architecture.tied_embeddings,
        tied_parameters: (case.architecture.vocabulary * case.architecture.hidden) as f64
            / tp as f64,
    }
}

/// One way to spread a layer.
struct Spread<'a> {
    case: &'a Case<'a>,
    shard: Shard,
    batch: f64,
    format: NumberFormat,
}

/// Time of some operators by part, and of the weight gradients and attention among them.
#[derive(Default)]
struct Compute {
    parts: Parts,
    weight_gradient: Seconds,
}

impl Spread<'_> {
    fn forward(&self) -> Phase {
        Phase::Forward {
            batch: self.batch,
            sequence: self.case.workload.sequence as f64,
        }
    }

    fn backward(&self) -> Phase {
        Phase::Backward {
            batch: self.batch,
            sequence: self.case.workload.sequence as f64,
        }
    }

    /// Tokens of the micro-batch on one context-parallel rank.
    fn rows(&self) -> f64 {
        self.batch * self.case.workload.sequence as f64 / self.shard.cp as f64
    }

    fn compute(&self, operators: &[Operator]) -> Compute {
        let chip = self.case.chip;
        let precision = Precision {
            linear: self.format,
            cache: chip.wide_format(),
        };
        let mut sum = Compute::default();
        for operator in operators {
            let KernelTime { total, class, .. } = chip.operator(operator, &precision);
            let total = total / chip.sustained;
            let part = match class {
                KernelClass::Gemm => Part::Gemm,
                KernelClass::GroupedGemm => Part::ExpertGemm,
                KernelClass::Prefill | KernelClass::Decode => Part::Attention,
                KernelClass::Stream => Part::Elementwise,
            };
            sum.parts.put(part, total);
            if matches!(
                operator,
                Operator::Gemm {
                    pass: GemmPass::WeightGradient,
                    ..
                }
            ) {
                sum.weight_gradient += total;
            }
        }
        sum
    }

    fn layer(&self, kind: usize) -> LayerBase {
        let architecture = self.case.architecture;
        let forward = self.compute(&layer_operators(
            architecture,
            kind,
            self.forward(),
            &self.shard,
        ));
        let backward = self.compute(&layer_operators(
            architecture,
            kind,
            self.backward(),
            &self.shard,
        ));
        let layer = &architecture.kinds[kind];
        let held = architecture.layer_parameters_on_chip(kind, &self.shard);
        let tensor = self.tensor(layer);
        let (expert_forward, expert_backward) = self.expert(&layer.feed_forward);
        let context = self.context(&layer.attention);
        let policies = Recompute::ALL.map(|recompute| self.policy(recompute));
        let again = |policy: &ActivationPolicy| {
            let operators =
                recomputed_operators(architecture, kind, self.backward(), &self.shard, policy);
            self.compute(&operators).parts.total()
        };
        let sequence = self.case.workload.sequence as f64;
        let kept = |policy: &ActivationPolicy| {
            activation_bytes_per_layer(
                architecture,
                kind,
                sequence,
                self.batch,
                &self.shard,
                policy,
            )
        };
        LayerBase {
            dense_parameters: held.dense,
            expert_parameters: held.expert,
            weight_gradient: backward.weight_gradient,
            forward: forward.parts,
            backward: backward.parts,
            again: policies.each_ref().map(again),
            tensor,
            expert_forward,
            expert_backward,
            context,
            activations: policies.each_ref().map(kept),
        }
    }

    /// Fused attention; inputs of linear layers are kept in the format of the multiplication
    /// (DeepSeek-V3 section 3.3.3, Transformer Engine).
    fn policy(&self, recompute: Recompute) -> ActivationPolicy {
        let narrow = self.format.bits() < 16;
        let linear_inputs = if narrow {
            self.format
        } else {
            NumberFormat::Bf16
        };
        ActivationPolicy {
            recompute,
            flash: true,
            linear_inputs,
        }
    }

    /// Gathering a block's input over the tensor-parallel group and scattering its output, for the
    /// attention block and for a dense network or shared experts; routed experts take the tokens
    /// as they are split (Korthikanti et al. 2022, section 4.2.2). Latent attention gathers its
    /// latents, which are narrower. The backward pass gathers the inputs once more, which hides
    /// behind the data gradients (same section).
    fn tensor(&self, kind: &LayerKind) -> Seconds {
        let hidden = self.case.architecture.hidden;
        let gathered = match &kind.attention {
            Attention::Grouped { .. } => hidden,
            Attention::Latent {
                q_rank,
                kv_rank,
                rope_dim,
                ..
            } => hidden.min(q_rank.unwrap_or(hidden) + kv_rank + rope_dim),
        };
        let attention = self.gather(gathered) + self.scatter(hidden);
        match kind.feed_forward {
            FeedForward::Moe {
                shared_intermediate: 0,
                ..
            } => attention,
            FeedForward::Dense { .. } | FeedForward::Moe { .. } => {
                attention + self.gather(hidden) + self.scatter(hidden)
            }
        }
    }

    fn gather(&self, width: u64) -> Seconds {
        let bytes = Bytes::new(self.rows() * width as f64 * WEIGHT_BYTES);
        self.case
            .fabric
            .all_gather(Group::adjacent(self.shard.tp), bytes)
    }

    fn scatter(&self, width: u64) -> Seconds {
        let bytes = Bytes::new(self.rows() * width as f64 * WEIGHT_BYTES);
        self.case
            .fabric
            .reduce_scatter(Group::adjacent(self.shard.tp), bytes)
    }

    /// Dispatch and combine: (forward, backward). Tokens go out in the format of the
    /// multiplication, one scale for each 128 elements, and everything else in 16 bits
    /// (DeepSeek-V3 section 3.3.2).
    fn expert(&self, block: &FeedForward) -> (Seconds, Seconds) {
        let FeedForward::Moe {
            top_k, node_groups, ..
        } = block
        else {
            return (Seconds::ZERO, Seconds::ZERO);
        };
        let hidden = self.case.architecture.hidden;
        let once = |format: NumberFormat| {
            let dispatch = Dispatch {
                tokens: self.rows() / self.shard.tp as f64 * self.shard.imbalance,
                token: Dispatch::token_bytes(hidden, format),
                top_k: *top_k,
                groups: node_groups.map(|limit| (limit.groups, limit.top_groups)),
            };
            self.case
                .fabric
                .dispatch(Group::adjacent(self.shard.ep), dispatch)
        };
        let wide = once(NumberFormat::Bf16);
        (once(self.format) + wide, wide + wide)
    }

    /// Passing keys and values around the context-parallel ring: c - 1 hops forward, twice as
    /// much backward (Ring Attention; Megatron-LM `context_parallel.md`).
    fn context(&self, attention: &Attention) -> Seconds {
        let cp = self.shard.cp;
        if cp == 1 {
            return Seconds::ZERO;
        }
        let heads = match attention {
            Attention::Grouped { kv_heads, .. } => {
                (*kv_heads as f64 / self.shard.tp as f64).max(1.0)
            }
            Attention::Latent { heads, .. } => *heads as f64 / self.shard.tp as f64,
        };
        let (qk, value) = attention.head_widths();
        let chunk = Bytes::new(self.rows() * heads * (qk + value) as f64 * WEIGHT_BYTES);
        let ring = Group {
            size: cp,
            stride: self.shard.tp,
        };
        self.case.fabric.send(ring, chunk) * (cp - 1) as f64
    }

    fn ends(&self) -> Ends {
        let architecture = self.case.architecture;
        let (forward, backward) = (self.forward(), self.backward());
        let sequence = self.case.workload.sequence as f64;
        let table = (architecture.vocabulary * architecture.hidden) as f64 / self.shard.tp as f64;
        let positions = (architecture.learned_positions.unwrap_or(0) * architecture.hidden) as f64;
        let mut ends = Ends {
            first: (
                self.compute(&embedding_operators(architecture, forward, &self.shard))
                    .parts,
                self.compute(&embedding_operators(architecture, backward, &self.shard))
                    .parts,
            ),
            first_parameters: table + positions,
            last_parameters: table,
            first_activations: embedding_activation_bytes(
                architecture,
                sequence,
                self.batch,
                &self.shard,
            ),
            last_activations: head_activation_bytes(
                architecture,
                sequence,
                self.batch,
                &self.shard,
            ),
            ..Ends::default()
        };
        let head = self.compute(&head_operators(architecture, backward, &self.shard));
        ends.last.0 = self
            .compute(&head_operators(architecture, forward, &self.shard))
            .parts;
        ends.last.1 = head.parts;
        ends.last_gradient = head.weight_gradient;
        let (gather, scatter) = (
            self.gather(architecture.hidden),
            self.scatter(architecture.hidden),
        );
        ends.first.0.put(Part::TensorParallel, scatter);
        ends.first.1.put(Part::TensorParallel, gather);
        ends.last.0.put(Part::TensorParallel, gather);
        ends.last.1.put(Part::TensorParallel, scatter);
        if let Some(kind) = architecture.mtp_kind() {
            self.add_predictions(&mut ends, kind);
        }
        ends
    }

    /// Multi-token-prediction modules, on the last stage.
    fn add_predictions(&self, ends: &mut Ends, kind: usize) {
        let architecture = self.case.architecture;
        let modules = architecture.mtp_layers as f64;
        let forward = self.compute(&mtp_operators(architecture, self.forward(), &self.shard));
        let backward = self.compute(&mtp_operators(architecture, self.backward(), &self.shard));
        let (expert_forward, expert_backward) = self.expert(&architecture.kinds[kind].feed_forward);
        ends.last.0 += forward.parts * modules;
        ends.last.1 += backward.parts * modules;
        ends.last
            .0
            .put(Part::ExpertParallel, expert_forward * modules);
        ends.last
            .1
            .put(Part::ExpertParallel, expert_backward * modules);
        ends.last_gradient += backward.weight_gradient * modules;
        let held = architecture.layer_parameters_on_chip(kind, &self.shard);
        let joined = (2 * architecture.hidden * architecture.hidden) as f64 / self.shard.tp as f64;
        ends.last_parameters += (held.dense + joined) * modules;
        ends.last_expert_parameters += held.expert * modules;
        let tensor = self.tensor(&architecture.kinds[kind]) + self.gather(architecture.hidden);
        ends.last.0.put(Part::TensorParallel, tensor * modules);
        ends.last.1.put(Part::TensorParallel, tensor * modules);
        let policy = self.policy(Recompute::Selective);
        let again = recomputed_operators(architecture, kind, self.backward(), &self.shard, &policy);
        ends.last.1.put(
            Part::Recompute,
            self.compute(&again).parts.total() * modules,
        );
        let sequence = self.case.workload.sequence as f64;
        ends.last_activations +=
            mtp_activation_bytes(architecture, sequence, self.batch, &self.shard, &policy)
                * modules;
    }
}

impl LayerTable {
    /// The layers under one choice of recomputation and overlap.
    pub(crate) fn variant(&self, plan: &Plan) -> Variant {
        let mut variant = Variant {
            forward: Vec::with_capacity(self.layers.len()),
            backward: Vec::with_capacity(self.layers.len()),
            weight_gradient: Vec::with_capacity(self.layers.len()),
            totals: Vec::with_capacity(self.layers.len()),
            activations: Vec::with_capacity(self.layers.len()),
            working_set: Bytes::ZERO,
        };
        for layer in &self.layers {
            let (forward, backward) = layer.passes(plan);
            variant
                .totals
                .push((forward.total() + backward.total()).get());
            variant.forward.push(forward);
            variant.backward.push(backward);
            variant.weight_gradient.push(layer.weight_gradient);
            variant
                .activations
                .push(layer.activations[plan.recompute as usize]);
            variant.working_set = variant
                .working_set
                .max(layer.activations[Recompute::None as usize]);
        }
        variant
    }
}

impl LayerBase {
    /// Forward and backward of one layer with what stays exposed of its communication.
    ///
    /// Only compute covers, and each second of it once: what hides tensor- or context-parallel
    /// traffic does not hide expert traffic too.
    fn passes(&self, plan: &Plan) -> (Parts, Parts) {
        let (mut forward, mut backward) = (self.forward, self.backward);
        let full = if plan.recompute == Recompute::Full {
            1.0
        } else {
            0.0
        };
        backward.put(Part::Recompute, self.again[plan.recompute as usize]);
        let compute = forward.sum_of(&COMPUTE) + backward.sum_of(&COMPUTE);
        let mut covering = self.add_tensor(plan, &mut forward, 1.0);
        covering += self.add_tensor(plan, &mut backward, 1.0 + full);
        covering += add_hidden(Part::ContextParallel, self.context, &mut forward);
        covering += add_hidden(
            Part::ContextParallel,
            self.context * (2.0 + full),
            &mut backward,
        );
        let traffic = (
            self.expert_forward,
            self.expert_backward + self.expert_forward * full,
        );
        if plan.overlap_ep {
            let cover = (compute - covering).max(Seconds::ZERO);
            add_overlapped_experts(traffic, cover, &mut forward, &mut backward);
        } else {
            forward.put(Part::ExpertParallel, traffic.0);
            backward.put(Part::ExpertParallel, traffic.1);
        }
        (forward, backward)
    }

    /// Tensor-parallel traffic of one pass, `times` over; what of it is hidden. Overlapped, all but
    /// a share hides behind the multiplications, which lose the processors that it takes meanwhile.
    fn add_tensor(&self, plan: &Plan, pass: &mut Parts, times: f64) -> Seconds {
        let traffic = self.tensor * times;
        if !plan.overlap_tp {
            pass.put(Part::TensorParallel, traffic);
            return Seconds::ZERO;
        }
        let hidden = (traffic * (1.0 - TENSOR_EXPOSED)).min(pass.get(Part::Gemm));
        pass.put(Part::TensorParallel, traffic - hidden);
        pass.put(Part::Gemm, hidden * TENSOR_PROCESSORS);
        hidden
    }
}

/// Traffic of a pass that runs under its attention; what of it is hidden.
fn add_hidden(part: Part, traffic: Seconds, pass: &mut Parts) -> Seconds {
    let hidden = traffic.min(pass.get(Part::Attention));
    pass.put(part, traffic - hidden);
    hidden
}

/// Expert traffic under the compute of another micro-batch: forward and backward of a pair of
/// micro-batches run together (DeepSeek-V3 section 3.2.1), so that the traffic of both passes
/// hides behind the compute of both; the compute loses the processors that the traffic takes.
fn add_overlapped_experts(
    traffic: (Seconds, Seconds),
    cover: Seconds,
    forward: &mut Parts,
    backward: &mut Parts,
) {
    let all = traffic.0 + traffic.1;
    let hidden = all.min(cover);
    let exposed = all - hidden;
    let lost = hidden * EXPERT_PROCESSORS;
    let share = if all > Seconds::ZERO {
        traffic.0 / all
    } else {
        0.0
    };
    forward.put(Part::ExpertParallel, (exposed + lost) * share);
    backward.put(Part::ExpertParallel, (exposed + lost) * (1.0 - share));
}

impl Variant {
    /// Forward, backward and, of the backward, weight gradients of a stage for one micro-batch.
    pub(crate) fn stage(&self, table: &LayerTable, stage: &Stage) -> (Parts, Parts, Seconds) {
        let (mut forward, mut backward) = (Parts::default(), Parts::default());
        let mut gradient = Seconds::ZERO;
        for (kind, &count) in stage.counts.iter().take(self.totals.len()).enumerate() {
            if count > 0 {
                let count = f64::from(count);
                forward += self.forward[kind] * count;
                backward += self.backward[kind] * count;
                gradient += self.weight_gradient[kind] * count;
            }
        }
        if stage.first {
            forward += table.ends.first.0;
            backward += table.ends.first.1;
        }
        if stage.last {
            forward += table.ends.last.0;
            backward += table.ends.last.1;
            gradient += table.ends.last_gradient;
        }
        (forward, backward, gradient)
    }

    /// Forward and backward of the slowest stage for one micro-batch.
    pub(crate) fn slowest(&self, table: &LayerTable, stages: &[Stage]) -> Seconds {
        let mut slowest = 0.0_f64;
        for stage in stages {
            let mut total: f64 = stage
                .counts
                .iter()
                .zip(&self.totals)
                .map(|(count, total)| f64::from(*count) * total)
                .sum();
            if stage.first {
                total += (table.ends.first.0.total() + table.ends.first.1.total()).get();
            }
            if stage.last {
                total += (table.ends.last.0.total() + table.ends.last.1.total()).get();
            }
            slowest = slowest.max(total);
        }
        Seconds::new(slowest)
    }

    /// Forward and backward of the whole model for one micro-batch.
    pub(crate) fn whole(&self, table: &LayerTable, layers: &[usize]) -> Seconds {
        let (first, last) = (&table.ends.first, &table.ends.last);
        let ends = first.0.total() + first.1.total() + last.0.total() + last.1.total();
        let layers: f64 = layers
            .iter()
            .filter_map(|kind| self.totals.get(*kind))
            .sum();
        ends + Seconds::new(layers)
    }
}

#[cfg(test)]
impl LayerTable {
    /// One kind of layer with the given times and nothing else, for hand-worked schedules.
    pub(crate) fn of_times(forward: f64, input_gradient: f64, weight_gradient: f64) -> Self {
        let time = |seconds| {
            let mut parts = Parts::default();
            parts.put(Part::Gemm, Seconds::new(seconds));
            parts
        };
        let layer = LayerBase {
            dense_parameters: 0.0,
            expert_parameters: 0.0,
            forward: time(forward),
            backward: time(input_gradient + weight_gradient),
            weight_gradient: Seconds::new(weight_gradient),
            again: [Seconds::ZERO; Recompute::ALL.len()],
            tensor: Seconds::ZERO,
            expert_forward: Seconds::ZERO,
            expert_backward: Seconds::ZERO,
            context: Seconds::ZERO,
            activations: [Bytes::ZERO; Recompute::ALL.len()],
        };
        Self {
            layers: vec![layer],
            ends: Ends::default(),
            tied: false,
            tied_parameters: 0.0,
        }
    }
}
