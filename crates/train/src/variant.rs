//! Layers under one choice of recomputation and overlap: arithmetic on a table of layer costs.

use chokepoint_fabric::Group;
use chokepoint_model::Recompute;
use chokepoint_units::{Bytes, Seconds};

use crate::layer::{LayerBase, LayerTable};
use crate::parts::COMPUTE;
use crate::stage::{MAX_KINDS, Stage};
use crate::{Part, Parts, Plan, TensorOverlap};

/// Share of a chip's processors that overlapped tensor-parallel traffic takes from the
/// multiplications beside it (Megatron-Bridge performance guide: 16 of 132 by default).
const TENSOR_PROCESSORS: f64 = 16.0 / 132.0;
/// Share of a chip's processors that overlapped expert traffic takes from all compute
/// (DeepSeek-V3 section 3.2.2: 20 of 132).
const EXPERT_PROCESSORS: f64 = 20.0 / 132.0;

/// The wires inside a domain, which its switches or links make up.
const INSIDE: usize = 0;
/// The wires between domains.
const BETWEEN: usize = 1;

/// The wires that hold a group's traffic up: those between domains for a group that spans several.
pub(crate) fn wires(group: Group, domain: u64) -> usize {
    if group.split(domain).1 > 1 {
        BETWEEN
    } else {
        INSIDE
    }
}

/// One pass of a layer or an end.
#[derive(Default)]
struct Pass {
    parts: Parts,
    /// Time for which its traffic, exposed or hidden, keeps wires busy.
    busy: [Seconds; 2],
}

/// The wires of each kind of traffic.
#[derive(Clone, Copy)]
struct Wires {
    tensor: usize,
    context: usize,
    expert: usize,
}

impl Wires {
    /// Time for which the traffic keeps the wires of each kind busy.
    fn busy(self, tensor: Seconds, context: Seconds, expert: Seconds) -> [Seconds; 2] {
        let mut busy = [Seconds::ZERO; 2];
        busy[self.tensor] += tensor;
        busy[self.context] += context;
        busy[self.expert] += expert;
        busy
    }
}

impl Pass {
    /// A pass whose traffic nothing hides.
    fn exposed(parts: Parts, wires: Wires) -> Self {
        let of = |part| parts.get(part);
        let traffic = (of(Part::TensorParallel), of(Part::ContextParallel));
        Self {
            parts,
            busy: wires.busy(traffic.0, traffic.1, of(Part::ExpertParallel)),
        }
    }
}

/// Times of some work for one micro-batch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Times {
    pub forward: f64,
    pub backward: f64,
    /// Of the backward: gradients of weights.
    pub gradient: f64,
    /// Of forward and backward: time in which the layers' traffic leaves the wires inside a domain
    /// free, and those between domains.
    pub free: [(f64, f64); 2],
}

impl Times {
    fn of(forward: &Pass, backward: &Pass, gradient: Seconds) -> Self {
        let free = |wires: usize| {
            let of = |pass: &Pass| (pass.parts.total() - pass.busy[wires]).max(Seconds::ZERO);
            (of(forward).get(), of(backward).get())
        };
        Self {
            forward: forward.parts.total().get(),
            backward: backward.parts.total().get(),
            gradient: gradient.get(),
            free: [free(INSIDE), free(BETWEEN)],
        }
    }

    pub(crate) fn add(&mut self, other: &Self, times: f64) {
        self.forward += other.forward * times;
        self.backward += other.backward * times;
        self.gradient += other.gradient * times;
        for (free, other) in self.free.iter_mut().zip(&other.free) {
            free.0 += other.0 * times;
            free.1 += other.1 * times;
        }
    }

    pub(crate) fn total(&self) -> f64 {
        self.forward + self.backward
    }
}

/// Costs of one choice of recomputation and overlap.
pub(crate) struct Variant {
    /// Times by kind of layer.
    pub times: [Times; MAX_KINDS],
    /// Of the embedding and of the head.
    pub first: Times,
    pub last: Times,
    /// Activations kept of one micro-batch by kind of layer.
    pub activations: [Bytes; MAX_KINDS],
    /// Activations of the one layer that full recomputation rebuilds at a time.
    pub working_set: Bytes,
}

impl LayerTable {
    /// The layers under one choice of recomputation and overlap.
    pub(crate) fn variant(&self, plan: &Plan) -> Variant {
        let ends = &self.ends;
        let wires = self.wires(plan);
        let [first, last] = [&ends.first, &ends.last].map(|end| {
            let of = |parts: &Parts| Pass::exposed(*parts, wires);
            (of(&end.0), of(&end.1))
        });
        let mut variant = Variant {
            times: [Times::default(); MAX_KINDS],
            first: Times::of(&first.0, &first.1, Seconds::ZERO),
            last: Times::of(&last.0, &last.1, ends.last_gradient),
            activations: [Bytes::ZERO; MAX_KINDS],
            working_set: Bytes::ZERO,
        };
        for (kind, layer) in self.layers.iter().take(MAX_KINDS).enumerate() {
            let (forward, backward) = layer.passes(plan, wires);
            variant.times[kind] = Times::of(&forward, &backward, layer.weight_gradient);
            variant.activations[kind] = layer.activations[plan.recompute as usize];
            variant.working_set = variant
                .working_set
                .max(layer.activations[Recompute::None as usize]);
        }
        variant
    }

    /// The wires of the layers' traffic.
    fn wires(&self, plan: &Plan) -> Wires {
        let of = |size, stride| wires(Group { size, stride }, self.domain);
        Wires {
            tensor: of(plan.tp, 1),
            context: of(plan.cp, plan.tp),
            expert: of(plan.ep, plan.etp),
        }
    }
}

/// Forward and backward of a stage for one micro-batch, by part; `head` is its share of the
/// vocabulary head.
pub(crate) fn stage_parts(table: &LayerTable, plan: &Plan, stage: &Stage, head: f64) -> Parts {
    let mut parts = Parts::default();
    let wires = table.wires(plan);
    for (layer, count) in table.layers.iter().zip(&stage.counts) {
        if *count > 0 {
            let (forward, backward) = layer.passes(plan, wires);
            parts += (forward.parts + backward.parts) * f64::from(*count);
        }
    }
    if stage.first {
        parts += table.ends.first.0 + table.ends.first.1;
    }
    parts + (table.ends.last.0 + table.ends.last.1) * head
}

impl LayerBase {
    /// Forward and backward of one layer with what stays exposed of its communication, and the
    /// time that the chip waits for the host.
    ///
    /// Only compute covers, and each second of it once: what hides tensor- or context-parallel
    /// traffic does not hide expert traffic too. The host runs ahead of the chip, so that it delays
    /// a pass only by what starting all its kernels takes longer than running them.
    fn passes(&self, plan: &Plan, wires: Wires) -> (Pass, Pass) {
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
        let (ahead, behind) = self.context[plan.context as usize];
        covering += add_hidden(plan, ahead, &mut forward);
        covering += add_hidden(plan, behind + ahead * full, &mut backward);
        let traffic = (
            self.expert_forward,
            self.expert_backward + self.expert_forward * full,
        );
        if plan.overlap_ep {
            let cover = (compute - covering).max(Seconds::ZERO);
            let lost = |hidden: Seconds| {
                if plan.schedule.pairs() {
                    compute * (EXPERT_PROCESSORS / (1.0 - EXPERT_PROCESSORS))
                } else {
                    hidden * EXPERT_PROCESSORS
                }
            };
            add_overlapped_experts(traffic, cover, lost, &mut forward, &mut backward);
        } else {
            forward.put(Part::ExpertParallel, traffic.0);
            backward.put(Part::ExpertParallel, traffic.1);
        }
        let launch = (self.launch.0, self.launch.1 + self.launch.0 * full);
        let passes = [
            (&mut forward, launch.0, self.wait.0),
            (&mut backward, launch.1, self.wait.1),
        ];
        for (pass, launch, wait) in passes {
            let gap = (launch - pass.total()).max(Seconds::ZERO);
            pass.put(Part::HostGap, gap + wait);
        }
        let busy = |times: f64, context: Seconds, expert: Seconds| {
            wires.busy(self.tensor * times, context, expert)
        };
        (
            Pass {
                parts: forward,
                busy: busy(1.0, ahead, traffic.0),
            },
            Pass {
                parts: backward,
                busy: busy(1.0 + full, behind + ahead * full, traffic.1),
            },
        )
    }

    /// Tensor-parallel traffic of one pass, `times` over; what of it is hidden. Overlapped, all but
    /// a share hides behind the multiplications, which lose the processors that it takes meanwhile.
    fn add_tensor(&self, plan: &Plan, pass: &mut Parts, times: f64) -> Seconds {
        let traffic = self.tensor * times;
        if plan.overlap_tp == TensorOverlap::None {
            pass.put(Part::TensorParallel, traffic);
            return Seconds::ZERO;
        }
        let exposed = plan.overlap_tp.exposed(plan.tp);
        let hidden = (traffic * (1.0 - exposed)).min(pass.get(Part::Gemm));
        pass.put(Part::TensorParallel, traffic - hidden);
        pass.put(Part::Gemm, hidden * TENSOR_PROCESSORS);
        hidden
    }
}

/// Context-parallel traffic of a pass; what of it is hidden. A ring runs under the attention of
/// the chunks before; gathering and all-to-all run before attention, hidden by nothing.
fn add_hidden(plan: &Plan, traffic: Seconds, pass: &mut Parts) -> Seconds {
    let hidden = if plan.context == crate::ContextExchange::Ring {
        traffic.min(pass.get(Part::Attention))
    } else {
        Seconds::ZERO
    };
    pass.put(Part::ContextParallel, traffic - hidden);
    hidden
}

/// Expert traffic under the compute of another micro-batch: forward and backward of a pair of
/// micro-batches run together (DeepSeek-V3 section 3.2.1), so that the traffic of both passes
/// hides behind the compute of both. The compute loses the processors that the traffic takes: while
/// it lasts, or in `DualPipe`, whose kernels are sized for the processors left to them (same
/// section), throughout.
fn add_overlapped_experts(
    traffic: (Seconds, Seconds),
    cover: Seconds,
    lost: impl Fn(Seconds) -> Seconds,
    forward: &mut Parts,
    backward: &mut Parts,
) {
    let all = traffic.0 + traffic.1;
    let hidden = all.min(cover);
    let exposed = all - hidden;
    let lost = lost(hidden);
    let share = if all > Seconds::ZERO {
        traffic.0 / all
    } else {
        0.0
    };
    forward.put(Part::ExpertParallel, (exposed + lost) * share);
    backward.put(Part::ExpertParallel, (exposed + lost) * (1.0 - share));
}

impl Variant {
    /// Times of a stage for one micro-batch.
    pub(crate) fn stage_times(&self, stage: &Stage, head: f64) -> Times {
        let mut sum = Times::default();
        for (count, times) in stage.counts.iter().zip(&self.times) {
            if *count > 0 {
                sum.add(times, f64::from(*count));
            }
        }
        if stage.first {
            sum.add(&self.first, 1.0);
        }
        if head > 0.0 {
            sum.add(&self.last, head);
        }
        sum
    }

    /// What some layers of each kind keep of one micro-batch.
    pub(crate) fn kept(&self, counts: &[u32; MAX_KINDS]) -> Bytes {
        let layers = counts.iter().zip(&self.activations);
        layers
            .map(|(count, layer)| *layer * f64::from(*count))
            .fold(Bytes::ZERO, |sum, kept| sum + kept)
    }

    /// The whole model for one micro-batch; `counts` layers of each kind.
    pub(crate) fn all_times(&self, counts: &[u32; MAX_KINDS]) -> Times {
        let all = Stage {
            counts: *counts,
            first: true,
            last: true,
        };
        self.stage_times(&all, 1.0)
    }
}
