//! How much longer a step's traffic takes than alone: beside other traffic, or on a damaged network.

use crate::Part;
use crate::layer::LayerTable;

/// Kinds of traffic of a training step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum TrafficKind {
    /// Of tensor parallelism.
    Tensor,
    /// Of context parallelism.
    Context,
    /// Dispatch and combine of experts.
    Expert,
    /// Between pipeline stages.
    Pipeline,
    /// Gradients and weights between data-parallel chips.
    Data,
}

impl TrafficKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Tensor,
        Self::Context,
        Self::Expert,
        Self::Pipeline,
        Self::Data,
    ];

    /// Its name in output: that of its exposed part of a step.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Tensor => "tensor_parallel",
            Self::Context => "context_parallel",
            Self::Expert => "expert_parallel",
            Self::Pipeline => "pipeline_transfer",
            Self::Data => "data_parallel",
        }
    }
}

/// Times by kind of traffic over those alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slowdowns([f64; TrafficKind::ALL.len()]);

impl Slowdowns {
    /// All as fast as alone.
    pub const NONE: Self = Self([1.0; TrafficKind::ALL.len()]);

    /// That of a kind.
    #[must_use]
    pub const fn of(&self, kind: TrafficKind) -> f64 {
        self.0[kind as usize]
    }

    /// Raises that of a kind to at least a factor; nothing is faster than alone.
    pub fn raise(&mut self, kind: TrafficKind, factor: f64) {
        let own = &mut self.0[kind as usize];
        *own = own.max(factor);
    }
}

impl LayerTable {
    /// The same with slower traffic.
    pub(crate) fn slowed(mut self, slowdowns: &Slowdowns) -> Self {
        let [tensor, context, expert] = [
            TrafficKind::Tensor,
            TrafficKind::Context,
            TrafficKind::Expert,
        ]
        .map(|kind| slowdowns.of(kind));
        for layer in &mut self.layers {
            layer.tensor = layer.tensor * tensor;
            layer.expert_forward = layer.expert_forward * expert;
            layer.expert_backward = layer.expert_backward * expert;
            for (forward, backward) in &mut layer.context {
                (*forward, *backward) = (*forward * context, *backward * context);
            }
        }
        let ends = &mut self.ends;
        for (forward, backward) in [&mut ends.first, &mut ends.last] {
            for parts in [forward, backward] {
                for (part, factor) in [
                    (Part::TensorParallel, tensor),
                    (Part::ContextParallel, context),
                    (Part::ExpertParallel, expert),
                ] {
                    parts.put(part, parts.get(part) * (factor - 1.0));
                }
            }
        }
        self.slowdowns = *slowdowns;
        self
    }
}
