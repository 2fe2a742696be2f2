//! Time of one iteration of an instance: chunks of prompts, and the next tokens of sequences.

use chokepoint_chip::{KernelClass, PowerDraw, Precision};
use chokepoint_fabric::{Dispatch, Group};
use chokepoint_model::{
    ElementwiseKind, FeedForward, Operator, Shard, head_operators, layer_operators, mtp_operators,
};
use chokepoint_units::{Bytes, NumberFormat, PartName, Seconds};

use crate::{Batch, Case, Layout};

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
    /// Handover between pipeline stages.
    Pipeline,
    /// Drafting tokens.
    Draft,
    /// Host work that the chip waits for.
    Host,
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
        Self::Pipeline,
        Self::Draft,
        Self::Host,
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
            Self::Pipeline => "pipeline_transfer",
            Self::Draft => "draft",
            Self::Host => "host_gap",
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

/// An instance ready to run iterations.
#[derive(Debug, Clone, Copy)]
pub struct Instance<'a> {
    /// What is served, and on what.
    pub case: &'a Case<'a>,
    /// How it is spread.
    pub layout: Layout,
    /// Number formats.
    pub precision: Precision,
}

impl Instance<'_> {
    /// Time from the start of a batch to its tokens.
    ///
    /// The sum of all layers' operators and communication, the head, handovers between stages, drafts
    /// and what the host adds. With several stages another batch of the same size is in each, so that
    /// an instance finishes one batch in a `pp`-th of this time; where layers do not divide, all wait for
    /// the stage with the most.
    ///
    /// Two-batch overlap, where the engine has it and it is faster: the batch runs as two halves, each
    /// half's exchange of experts under the other's computation (`DeepEP`; `SGLang` large-scale expert
    /// parallelism): max(C + s E, E) for computation C and exchange E, which takes the share s of the
    /// processors in kernels for throughput and none in those for few tokens. What starts and ends the
    /// pipe of halves is not counted: one of some sixty layers.
    #[must_use]
    pub fn iteration(&self, batch: &Batch) -> Iteration {
        let chip = self.chip(batch);
        let chip = if self.case.software.two_batches && self.layout.dp > 1 {
            let halves = self
                .chip(&batch.half())
                .of_two_batches(self.processors_taken(batch));
            if halves.total() < chip.total() {
                halves
            } else {
                chip
            }
        } else {
            chip
        };
        self.with_host(chip, batch)
    }

    /// Share of the chip's processors that exchange tokens.
    fn processors_taken(&self, batch: &Batch) -> f64 {
        match self.case.chip.processors() {
            Some(all) if !batch.only_decodes() => {
                (self.case.software.exchange_processors / all).min(1.0)
            }
            _ => 0.0,
        }
    }

    fn shard(&self) -> Shard {
        Shard::serving(self.layout.tp, self.layout.ep)
            .with_expert_tensor(self.layout.etp)
            .with_imbalance(self.imbalance())
    }

    /// Load of the busiest expert rank over the mean, which cannot be more than the ranks.
    fn imbalance(&self) -> f64 {
        self.case.workload.imbalance.min(self.layout.ep as f64)
    }

    /// Operators and communication of all layers, the head and drafts.
    fn chip(&self, batch: &Batch) -> Work {
        let architecture = self.case.architecture;
        let (shard, phase) = (self.shard(), batch.phase());
        let mut sum = Sum::new(self);
        for (kind, layers) in architecture.layer_counts() {
            for operator in layer_operators(architecture, kind, phase, &shard) {
                sum.operator(&operator, None, layers as f64);
            }
            let block = &architecture.kinds[kind].feed_forward;
            sum.communication(block, batch, layers as f64);
        }
        sum.unequal_stages();
        for operator in head_operators(architecture, phase, &shard) {
            sum.operator(&operator, Some(Part::Head), 1.0);
        }
        sum.handovers(batch);
        sum.drafts(batch, &shard);
        sum.work
    }

    /// Adds what the host takes longer than the chip, or all of its work where it does not overlap.
    ///
    /// What is fitted as host work of prompts also stands for kernels that the curves miss: the chip draws
    /// on as in its kernels (ML.ENERGY on H100 and B200: with idle power there, powers come out a fifth
    /// too low).
    ///
    /// Without a captured graph each kernel of a decode is started by the host, which the chip waits
    /// for when it is faster; an iteration with prompts has host work of its own for each kernel.
    fn with_host(&self, work: Work, batch: &Batch) -> Iteration {
        let software = self.case.software;
        let busy = work.total();
        let starts = if !batch.only_decodes() {
            software.prompt_start * work.kernels
        } else if batch.decodes <= software.graph_sequences {
            Seconds::ZERO
        } else {
            (software.kernel_start * work.kernels - busy).max(Seconds::ZERO)
        };
        let host = software.host + software.host_per_sequence * batch.sequences();
        let waits = if software.host_overlapped {
            starts.max(host - busy)
        } else {
            host + starts
        };
        let mut iteration = work.iteration;
        iteration.parts.put(Part::Host, waits);
        if batch.only_decodes() {
            iteration.draw.waiting += waits;
        } else {
            iteration.draw = iteration.draw * ((busy + waits) / busy);
        }
        let total = iteration.total().get();
        iteration.spread = libm::sqrt(work.variance) / total;
        iteration
    }
}

/// What the chips do in an iteration.
#[derive(Debug, Clone, Copy, Default)]
struct Work {
    iteration: Iteration,
    /// Sum of squares of the half-widths of classes, in square seconds.
    variance: f64,
    /// Kernels started.
    kernels: f64,
}

impl Work {
    fn total(&self) -> Seconds {
        self.iteration.total()
    }

    /// Twice this half, with the exchange of experts, which takes a share of the processors, under
    /// computation.
    fn of_two_batches(self, taken: f64) -> Self {
        let mut parts = self.iteration.parts * 2.0;
        let exchange = parts.get(Part::ExpertParallel);
        let computation = parts.total() - exchange;
        let hidden = (exchange * (1.0 - taken)).min(computation);
        parts.put(Part::ExpertParallel, Seconds::ZERO - hidden);
        let mut draw = self.iteration.draw * 2.0;
        draw.communication = draw.communication - hidden;
        Self {
            iteration: Iteration {
                parts,
                draw,
                spread: 0.0,
            },
            variance: self.variance * 4.0,
            kernels: self.kernels * 2.0,
        }
    }
}

struct Sum<'a> {
    instance: &'a Instance<'a>,
    work: Work,
}

impl<'a> Sum<'a> {
    fn new(instance: &'a Instance<'a>) -> Self {
        Self {
            instance,
            work: Work::default(),
        }
    }

    fn operator(&mut self, operator: &Operator, part: Option<Part>, count: f64) {
        let case = self.instance.case;
        let time = case.chip.operator(operator, &self.instance.precision);
        let all = time.total * (count / case.software.rates.of(time.class));
        let part = part.unwrap_or(match time.class {
            KernelClass::Gemm => Part::Gemm,
            KernelClass::GroupedGemm => Part::ExpertGemm,
            KernelClass::Prefill | KernelClass::Decode => Part::Attention,
            KernelClass::Stream => Part::Elementwise,
        });
        let iteration = &mut self.work.iteration;
        iteration.parts.put(part, all);
        iteration.draw += PowerDraw {
            busy: all,
            ..time.draw() * count
        };
        if !is_fused(operator) {
            self.work.kernels += count;
        }
        let half = all.get()
            * case
                .chip
                .spread(time.class, self.instance.precision.feed_forward);
        self.work.variance += half * half;
    }

    /// Summing the outputs of attention and dense networks over tensor parallelism (two
    /// all-reduces; Megatron-LM), by the engine's own kernel where it is faster, and dispatch and
    /// combine of experts. With data-parallel attention the all-reduce of attention is a
    /// reduce-scatter before dispatch and an all-gather after combine; shared experts are split and
    /// have their own. Without it experts end in the same all-reduce as a dense network. Decode has few
    /// tokens and takes the kernels for that (`DeepEP`, `SGLang`); beside prompts it takes no less.
    fn communication(&mut self, block: &FeedForward, batch: &Batch, count: f64) {
        let Instance { case, layout, .. } = self.instance;
        let (fabric, architecture) = (case.fabric, case.architecture);
        let (tensor, expert) = (Group::adjacent(layout.tp), Group::adjacent(layout.ep));
        let rows = batch.rows();
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
            let dispatch = |rows: f64, format| Dispatch {
                tokens: rows / layout.tp as f64 * self.instance.imbalance(),
                token: Dispatch::token_bytes(architecture.hidden, format),
                top_k: *top_k,
                groups: node_groups.map(|limit| (limit.groups, limit.top_groups)),
            };
            let once = |format| {
                let decodes = dispatch(batch.decodes * batch.checked, format);
                let alone = fabric.dispatch_low_latency(expert, decodes);
                if batch.only_decodes() {
                    alone
                } else {
                    fabric.dispatch(expert, dispatch(rows, format)).max(alone)
                }
            };
            let time = once(self.instance.precision.experts) + once(NumberFormat::Bf16);
            self.transfer(Part::ExpertParallel, expert, time * count);
            reduces = if *shared_intermediate > 0 { 2.0 } else { 1.0 };
        }
        let time = fabric.all_reduce_one_shot(tensor, bytes) * (reduces * count);
        self.transfer(Part::TensorParallel, tensor, time);
    }

    /// Time that stages with fewer layers wait for those with the most, in every round of batches.
    fn unequal_stages(&mut self) {
        let Instance { case, layout, .. } = self.instance;
        let waiting = case.architecture.layers.len() as f64 / layout.pp as f64;
        let over = waiting.ceil() / waiting - 1.0;
        let time = self.work.total() * over;
        self.work.iteration.parts.put(Part::Pipeline, time);
        self.work.iteration.draw.waiting += time;
    }

    /// Hidden states from stage to stage.
    fn handovers(&mut self, batch: &Batch) {
        let Instance { case, layout, .. } = self.instance;
        let stages = Group {
            size: layout.pp,
            stride: layout.tp * layout.dp,
        };
        let bytes = batch.rows() * case.architecture.hidden as f64 * 2.0 / layout.tp as f64;
        let time = case.fabric.send(stages, Bytes::new(bytes)) * (layout.pp - 1) as f64;
        self.transfer(Part::Pipeline, stages, time);
    }

    /// Drafting: each token by a module of the model or by one more layer with a head, on one token of
    /// each sequence. Prompts pass through the first as well, which is not counted, nor is the
    /// communication of drafts.
    fn drafts(&mut self, batch: &Batch, shard: &Shard) {
        let Some(speculation) = self.instance.case.workload.speculation else {
            return;
        };
        if batch.decodes <= 0.0 {
            return;
        }
        let architecture = self.instance.case.architecture;
        let phase = Batch::decodes(batch.decodes, batch.context).phase();
        let mut module = mtp_operators(architecture, phase, shard);
        if module.is_empty() {
            let last = architecture.layers.last().copied().unwrap_or_default();
            module = layer_operators(architecture, last, phase, shard);
            module.extend(head_operators(architecture, phase, shard));
        }
        for operator in module {
            self.operator(&operator, Some(Part::Draft), speculation.drafted as f64);
        }
    }

    fn transfer(&mut self, part: Part, group: Group, time: Seconds) {
        let time = time / self.instance.case.software.rates.communication;
        let iteration = &mut self.work.iteration;
        iteration.parts.put(part, time);
        iteration.draw.communication += time;
        let half = time.get() * self.instance.case.fabric.spread(group);
        self.work.variance += half * half;
    }
}

/// Work that is part of the next kernel.
const fn is_fused(operator: &Operator) -> bool {
    matches!(
        operator,
        Operator::Elementwise {
            what: ElementwiseKind::Residual,
            ..
        }
    )
}
