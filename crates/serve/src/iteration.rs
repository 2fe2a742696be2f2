//! Time of one iteration of an instance: a batch of prompts, or one token of each sequence.

use chokepoint_chip::{Bound, KernelClass, PowerDraw, Precision};
use chokepoint_fabric::{Dispatch, Group};
use chokepoint_model::{FeedForward, Operator, Phase, Shard, head_operators, layer_operators};
use chokepoint_units::{Bytes, NumberFormat, PartName, Seconds};

use crate::{Case, Layout};

/// Parts of an iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Part {
    /// Plain matrix multiplications.
    Gemm,
    /// Expert matrix multiplications.
    ExpertGemm,
    /// Attention.
    Attention,
    /// Elementwise work bound by memory.
    Elementwise,
    /// Vocabulary head and sampling.
    Head,
    /// Tensor-parallel communication.
    TensorParallel,
    /// Expert dispatch and combine.
    ExpertParallel,
}

impl PartName for Part {
    const ALL: &'static [Self] = &[
        Self::Gemm,
        Self::ExpertGemm,
        Self::Attention,
        Self::Elementwise,
        Self::Head,
        Self::TensorParallel,
        Self::ExpertParallel,
    ];

    fn index(self) -> usize {
        self as usize
    }

    fn key(self) -> &'static str {
        match self {
            Self::Gemm => "gemm",
            Self::ExpertGemm => "expert_gemm",
            Self::Attention => "attention",
            Self::Elementwise => "elementwise",
            Self::Head => "head",
            Self::TensorParallel => "tensor_parallel",
            Self::ExpertParallel => "expert_parallel",
        }
    }
}

/// Seconds by part of an iteration.
pub type Parts = chokepoint_units::Parts<Part>;

/// One iteration.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Iteration {
    /// Its time by part.
    pub parts: Parts,
    /// Its time by kind of work, for power.
    pub draw: PowerDraw,
    /// Relative half-width of the 80% interval of its time.
    pub spread: f64,
}

impl Iteration {
    /// Its whole time.
    #[must_use]
    pub fn total(&self) -> Seconds {
        self.parts.total()
    }
}

/// One token of each of `batch` sequences on every attention group.
pub(crate) fn decode(
    case: &Case,
    layout: &Layout,
    format: NumberFormat,
    batch: u64,
    context: f64,
) -> Iteration {
    run(
        case,
        layout,
        format,
        Phase::Decode {
            batch: batch as f64,
            context,
        },
        batch as f64,
    )
}

/// `batch` whole prompts on every attention group.
pub(crate) fn prefill(case: &Case, layout: &Layout, format: NumberFormat, batch: u64) -> Iteration {
    let new_tokens = case.workload.input as f64;
    let phase = Phase::Prefill {
        batch: batch as f64,
        new_tokens,
        past: 0.0,
    };
    run(case, layout, format, phase, batch as f64 * new_tokens)
}

/// Operators and communication of all layers and the head; `rows` tokens on each attention group.
fn run(case: &Case, layout: &Layout, format: NumberFormat, phase: Phase, rows: f64) -> Iteration {
    let architecture = case.architecture;
    let shard = Shard::serving(layout.tp, layout.ep).with_imbalance(case.workload.imbalance);
    let mut sum = Sum {
        case,
        format,
        iteration: Iteration::default(),
        variance: 0.0,
    };
    for kind in 0..architecture.kinds.len() {
        let count = architecture
            .layers
            .iter()
            .filter(|layer| **layer == kind)
            .count() as f64;
        for operator in layer_operators(architecture, kind, phase, &shard) {
            sum.operator(&operator, None, count);
        }
        let block = &architecture.kinds[kind].feed_forward;
        sum.communication(layout, block, phase, rows, count);
    }
    for operator in head_operators(architecture, phase, &shard) {
        sum.operator(&operator, Some(Part::Head), 1.0);
    }
    let total = sum.iteration.total().get();
    sum.iteration.spread = libm::sqrt(sum.variance) / total;
    sum.iteration
}

struct Sum<'a> {
    case: &'a Case<'a>,
    format: NumberFormat,
    iteration: Iteration,
    /// Sum of squares of the half-widths of classes, in square seconds.
    variance: f64,
}

impl Sum<'_> {
    fn operator(&mut self, operator: &Operator, part: Option<Part>, count: f64) {
        let chip = self.case.chip;
        let precision = Precision::uniform(self.format, self.case.workload.cache_format);
        let time = chip.operator(operator, &precision);
        let all = time.total * count;
        let part = part.unwrap_or(match time.class {
            KernelClass::Gemm => Part::Gemm,
            KernelClass::GroupedGemm => Part::ExpertGemm,
            KernelClass::Prefill | KernelClass::Decode => Part::Attention,
            KernelClass::Stream => Part::Elementwise,
        });
        self.iteration.parts.put(part, all);
        match time.bound {
            Bound::Compute => self.iteration.draw.compute += all,
            Bound::Memory | Bound::Launch => self.iteration.draw.memory += all,
        }
        let half = all.get() * chip.spread(time.class, self.format);
        self.variance += half * half;
    }

    /// Summing the outputs of attention and dense networks over tensor parallelism (two
    /// all-reduces; Megatron-LM), and dispatch and combine of experts. With data-parallel attention
    /// the all-reduce of attention is a reduce-scatter before dispatch and an all-gather after
    /// combine; shared experts are split and have their own. Without it experts end in the same
    /// all-reduce as a dense network. Decode has few tokens and takes the kernels for that
    /// (`DeepEP`, `SGLang`).
    fn communication(
        &mut self,
        layout: &Layout,
        block: &FeedForward,
        phase: Phase,
        rows: f64,
        count: f64,
    ) {
        let (fabric, architecture) = (self.case.fabric, self.case.architecture);
        let (tensor, expert) = (Group::adjacent(layout.tp), Group::adjacent(layout.ep));
        let bytes = Bytes::new(rows * architecture.hidden as f64 * 2.0);
        let mut reduces = 2.0;
        if let FeedForward::Moe {
            top_k,
            node_groups,
            shared_intermediate,
            ..
        } = block
            && layout.dp > 1
        {
            let once = |format| {
                let dispatch = Dispatch {
                    tokens: rows / layout.tp as f64 * self.case.workload.imbalance,
                    token: Dispatch::token_bytes(architecture.hidden, format),
                    top_k: *top_k,
                    groups: node_groups.map(|limit| (limit.groups, limit.top_groups)),
                };
                match phase {
                    Phase::Decode { .. } => fabric.dispatch_low_latency(expert, dispatch),
                    _ => fabric.dispatch(expert, dispatch),
                }
            };
            let time = once(self.format) + once(NumberFormat::Bf16);
            self.transfer(Part::ExpertParallel, expert, time * count);
            reduces = if *shared_intermediate > 0 { 2.0 } else { 1.0 };
        }
        self.transfer(
            Part::TensorParallel,
            tensor,
            fabric.all_reduce(tensor, bytes) * (reduces * count),
        );
    }

    fn transfer(&mut self, part: Part, group: Group, time: Seconds) {
        self.iteration.parts.put(part, time);
        self.iteration.draw.communication += time;
        let half = time.get() * self.case.fabric.spread(group);
        self.variance += half * half;
    }
}
