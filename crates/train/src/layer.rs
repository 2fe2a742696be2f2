//! Costs of one layer, and of the ends of the model, for one micro-batch on one chip.
//!
//! Computed once for each (tensor, context, expert and expert tensor parallelism, micro-batch,
//! format, exchange); variants of recomputation and overlap are arithmetic on them (`variant`).

mod traffic;

use chokepoint_chip::{KernelClass, KernelTime, Precision};
use chokepoint_model::{
    ActivationPolicy, Architecture, FeedForward, GemmPass, Operator, Phase, Recompute, Shard,
    activation_bytes_per_layer, adapter_operators, embedding_activation_bytes, embedding_operators,
    head_activation_bytes, head_operators, layer_operators, logit_gradient_bytes,
    mtp_activation_bytes, mtp_operators, recomputed_operators, unfused_attention_operators,
};
use chokepoint_units::{Bytes, NumberFormat, Seconds};

use crate::slowdown::Slowdowns;
use crate::{Case, ContextExchange, Part, Parts, Plan, TensorExchange, Trained};

/// Costs of all kinds of layers and of both ends.
pub(crate) struct LayerTable {
    pub layers: Vec<LayerBase>,
    pub ends: Ends,
    /// Whether embedding and head are one matrix, held twice only when on two stages.
    pub tied: bool,
    /// Parameters of that matrix on one chip.
    pub tied_parameters: f64,
    /// Whether there are layers of multi-token prediction behind the last.
    pub predicts_further: bool,
    /// Key-value heads on one chip, of the kind that has fewest.
    pub least_kv_heads: u64,
    /// Chips of a scale-up domain.
    pub domain: u64,
    /// How much longer traffic takes than alone.
    pub slowdowns: Slowdowns,
}

/// Costs of one kind of layer.
#[derive(Default)]
pub(crate) struct LayerBase {
    /// Parameters on one chip that data parallelism replicates over (dp x cp).
    pub dense_parameters: f64,
    /// Parameters of routed experts on one chip.
    pub expert_parameters: f64,
    pub forward: Parts,
    pub backward: Parts,
    /// Of the backward: gradients of weights, which no other stage waits for.
    pub weight_gradient: Seconds,
    /// Forward work repeated in the backward pass, by recomputation.
    pub again: [Seconds; Recompute::ALL.len()],
    /// Tensor-parallel traffic of one pass.
    pub tensor: Seconds,
    pub expert_forward: Seconds,
    pub expert_backward: Seconds,
    /// Context-parallel traffic by exchange: (forward, backward).
    pub context: [(Seconds, Seconds); ContextExchange::ALL.len()],
    /// Host time to start the kernels: (forward, backward).
    pub launch: (Seconds, Seconds),
    /// Host time that nothing hides: (forward, backward).
    pub wait: (Seconds, Seconds),
    /// Kept of one micro-batch, by recomputation.
    pub activations: [Bytes; Recompute::ALL.len()],
}

/// Costs of the embedding (first stage) and the vocabulary head with extra prediction layers
/// (last stage).
#[derive(Clone, Default)]
pub(crate) struct Ends {
    pub first: (Parts, Parts),
    pub last: (Parts, Parts),
    pub last_gradient: Seconds,
    pub first_parameters: f64,
    pub last_parameters: f64,
    pub last_expert_parameters: f64,
    pub first_activations: Bytes,
    pub last_activations: Bytes,
}

/// Costs of all kinds of layers and of both ends for one way to spread a layer: what a plan says
/// of tensor, context and expert parallelism, exchanges, micro-batch and format.
pub(crate) fn layer_table(case: &Case, plan: &Plan) -> LayerTable {
    with_spread(case, plan, |spread| spread.table(spread.ends()))
}

/// The same with the ends of a table that differs in expert parallelism at most, which they do not
/// depend on without multi-token prediction.
pub(crate) fn layer_table_with_ends(case: &Case, plan: &Plan, ends: &Ends) -> LayerTable {
    if case.architecture.mtp_layers > 0 {
        return layer_table(case, plan);
    }
    with_spread(case, plan, |spread| spread.table(ends.clone()))
}

pub(crate) fn with_spread<T>(case: &Case, plan: &Plan, work: impl FnOnce(&Spread) -> T) -> T {
    let shard = Shard::training(plan.tp, plan.cp, plan.ep)
        .with_expert_tensor(plan.etp)
        .with_sequence_parallel(plan.tensor.splits_sequence())
        .with_imbalance(case.workload.imbalance);
    let mut architecture = case.architecture.clone();
    architecture.vocabulary = padded_vocabulary(architecture.vocabulary, plan.tp);
    let spread = Spread {
        case,
        architecture: &architecture,
        shard,
        batch: plan.micro_batch as f64,
        format: plan.format,
        exchange: plan.tensor,
    };
    work(&spread)
}

/// Rows of the embedding table with those that make it a multiple of 128 on each tensor-parallel
/// chip (Megatron-LM `make-vocab-size-divisible-by`).
const fn padded_vocabulary(rows: u64, tp: u64) -> u64 {
    rows.next_multiple_of(128 * tp)
}

/// One way to spread a layer.
pub(crate) struct Spread<'a> {
    case: &'a Case<'a>,
    /// The model with its vocabulary padded.
    architecture: &'a Architecture,
    shard: Shard,
    batch: f64,
    format: NumberFormat,
    exchange: TensorExchange,
}

/// Time of some operators by part, and of the weight gradients among them.
#[derive(Default)]
struct Compute {
    parts: Parts,
    weight_gradient: Seconds,
    /// Host time to start them.
    launch: Seconds,
}

impl Spread<'_> {
    fn table(&self, ends: Ends) -> LayerTable {
        let architecture = self.architecture;
        let rows = architecture.vocabulary * architecture.hidden;
        LayerTable {
            layers: (0..architecture.kinds.len())
                .map(|kind| self.layer(kind))
                .collect(),
            ends,
            tied: architecture.tied_embeddings,
            tied_parameters: rows as f64 / self.shard.tp as f64,
            predicts_further: architecture.mtp_layers > 0,
            least_kv_heads: architecture
                .kinds
                .iter()
                .map(|kind| (kind.attention.kv_heads() / self.shard.tp).max(1))
                .min()
                .unwrap_or(1),
            domain: self.case.fabric.domain,
            slowdowns: Slowdowns::NONE,
        }
    }

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

    /// Time of some operators, with the casts that a narrow format takes, at the rate that the chip
    /// and the software sustain.
    fn compute(&self, operators: &[Operator]) -> Compute {
        let chip = self.case.chip;
        let precision = Precision::uniform(self.format, chip.wide_format());
        let sustained = chip.sustained(self.format).share;
        let rates = &self.case.software.rates;
        let mut sum = Compute::default();
        for operator in operators {
            let KernelTime {
                mut total, class, ..
            } = chip.operator(operator, &precision);
            if !self.case.software.fused_attention {
                total = total * self.unaligned(operator);
            }
            let total = total / (sustained * rates.of(class));
            sum.parts.put(part_of(class), total);
            if is_weight_gradient(operator) {
                sum.weight_gradient += total;
            }
            let cast = self.cast(operator);
            if cast > Bytes::ZERO {
                let time = chip.stream(cast).total / (sustained * rates.elementwise);
                sum.parts.put(Part::Elementwise, time);
            }
            sum.launch += self.case.software.launch;
        }
        sum
    }

    /// How much longer the products of attention that is no fused kernel take for heads whose width
    /// is no multiple of 8 elements: 16-byte alignment is what tensor cores need (NVIDIA, matrix
    /// multiplication performance guide), without it two operations are packed in a lane of the
    /// FP32 units. A fused kernel pads its heads.
    ///
    /// BLOOM's design sweep on A100: 73 to 83 of 100 of the speed with heads of 150 or 108 against
    /// 144.
    fn unaligned(&self, operator: &Operator) -> f64 {
        let Operator::Attention { qk_dim, .. } = operator else {
            return 1.0;
        };
        let chip = self.case.chip;
        let rates = (chip.peak(chip.wide_format()), chip.peak(NumberFormat::Fp32));
        match rates {
            (Some(tensor), Some(vector)) if qk_dim % 8.0 != 0.0 => {
                (tensor / (vector * 2.0)).max(1.0)
            }
            _ => 1.0,
        }
    }

    /// Bytes moved to cast the 16-bit input of a product in a narrow format, beyond what the product
    /// itself holds. The gradient of the output is cast once for both gradients, the input once for
    /// forward and weight gradient.
    fn cast(&self, operator: &Operator) -> Bytes {
        let Operator::Gemm {
            class, pass, m, k, ..
        } = operator
        else {
            return Bytes::ZERO;
        };
        if self.format.bits() >= 16 || !class.narrow() || *pass == GemmPass::WeightGradient {
            return Bytes::ZERO;
        }
        Bytes::new(m * k * self.case.workload.scaling.cast_bytes())
    }

    fn layer(&self, kind: usize) -> LayerBase {
        let architecture = self.architecture;
        let forward = self.pass(kind, self.forward());
        let backward = self.pass(kind, self.backward());
        let layer = &architecture.kinds[kind];
        let held = architecture.layer_parameters_on_chip(kind, &self.shard);
        let tensor = self.tensor(layer);
        let (expert_forward, expert_backward) = self.expert(&layer.feed_forward);
        let context = ContextExchange::ALL.map(|how| self.context(&layer.attention, how));
        let mixture = match layer.feed_forward {
            FeedForward::Moe { experts, .. } => {
                let local = experts as f64 / self.shard.ep as f64;
                self.case.software.expert_launch * local
            }
            FeedForward::Dense { .. } => Seconds::ZERO,
        };
        let wait = self.case.software.layer_wait;
        // Backward starts two products for each of forward.
        let launch = (
            forward.launch + mixture / 3.0,
            backward.launch + mixture * (2.0 / 3.0),
        );
        let policies = Recompute::ALL.map(|recompute| self.policy(recompute));
        let whole = forward.parts.total();
        let again = |policy: &ActivationPolicy| {
            match policy.recompute {
                Recompute::None => return Seconds::ZERO,
                Recompute::Full => return whole,
                Recompute::Selective | Recompute::Modules => {}
            }
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
            launch,
            wait: (wait / 3.0, wait * (2.0 / 3.0)),
            activations: policies.each_ref().map(kept),
        }
    }

    /// One pass of a layer, with the scores of attention that is no fused kernel and the adapters
    /// beside frozen attention projections.
    fn pass(&self, kind: usize, phase: Phase) -> Compute {
        let (architecture, shard) = (self.architecture, &self.shard);
        let frozen = !self.case.workload.trains_weights();
        let mut operators = layer_operators(architecture, kind, phase, shard);
        if !self.case.software.fused_attention {
            operators.extend(unfused_attention_operators(
                architecture,
                kind,
                phase,
                shard,
            ));
        }
        operators.retain(|operator| !(frozen && is_weight_gradient(operator)));
        if let Trained::Adapters { rank } = self.case.workload.trained {
            operators.extend(adapter_operators(architecture, kind, phase, shard, rank));
        }
        self.compute(&operators)
    }

    /// Inputs of linear layers are kept in the format of the multiplication
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
            flash: self.case.software.fused_attention,
            linear_inputs,
            regather: self.exchange != TensorExchange::SequenceKept,
            frozen: !self.case.workload.trains_weights(),
        }
    }

    fn ends(&self) -> Ends {
        let architecture = self.architecture;
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
            ) + logit_gradient_bytes(
                architecture,
                sequence,
                self.batch,
                &self.shard,
            ),
            ..Ends::default()
        };
        let frozen = !self.case.workload.trains_weights();
        let mut operators = head_operators(architecture, backward, &self.shard);
        operators.retain(|operator| !(frozen && is_weight_gradient(operator)));
        let head = self.compute(&operators);
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
        if frozen {
            // Nothing before the first layer is trained.
            ends.first.1 = Parts::default();
        } else {
            ends.first.1.put(Part::TensorParallel, gather);
        }
        ends.last.0.put(Part::TensorParallel, gather);
        ends.last.1.put(Part::TensorParallel, scatter);
        if let Some(kind) = architecture.mtp_kind() {
            self.add_predictions(&mut ends, kind);
        }
        ends
    }

    /// Multi-token-prediction modules, on the last stage.
    fn add_predictions(&self, ends: &mut Ends, kind: usize) {
        let architecture = self.architecture;
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

const fn is_weight_gradient(operator: &Operator) -> bool {
    matches!(
        operator,
        Operator::Gemm {
            pass: GemmPass::WeightGradient,
            ..
        }
    )
}

/// The part of a step that a class of kernels belongs to.
const fn part_of(class: KernelClass) -> Part {
    match class {
        KernelClass::Gemm => Part::Gemm,
        KernelClass::GroupedGemm => Part::ExpertGemm,
        KernelClass::Prefill | KernelClass::Decode => Part::Attention,
        KernelClass::Stream => Part::Elementwise,
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
            forward: time(forward),
            backward: time(input_gradient + weight_gradient),
            weight_gradient: Seconds::new(weight_gradient),
            ..LayerBase::default()
        };
        Self {
            layers: vec![layer],
            ends: Ends::default(),
            tied: false,
            tied_parameters: 0.0,
            predicts_further: false,
            least_kv_heads: 1,
            domain: 1,
            slowdowns: Slowdowns::NONE,
        }
    }
}
