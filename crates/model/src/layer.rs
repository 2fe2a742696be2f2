//! The operators of one layer.

use crate::attention_block::push_attention;
use crate::feed_forward_block::push_feed_forward;
use crate::operator::{ElementwiseKind, GemmClass, Operator};
use crate::shard::Sizes;
use crate::{ActivationPolicy, Architecture, Attention, Phase, Recompute, Shard};

/// More operators than any layer has forward.
const MOST_OPERATORS: usize = 24;

/// The operators that one chip runs for one layer of a kind, an index into
/// [`Architecture::kinds`], in order.
///
/// Backward holds for each linear layer a data and a weight gradient (each as many operations as
/// forward), attention at 2.5 times its forward operations (`FlashAttention`-2), and elementwise
/// work; what recomputation adds is [`recomputed_operators`]. Decoding with latent attention uses
/// the absorbed form, everything else the expanded one. Communication is no operator.
///
/// # Panics
/// When there is no such kind.
#[must_use]
pub fn layer_operators(
    architecture: &Architecture,
    kind: usize,
    phase: Phase,
    shard: &Shard,
) -> Vec<Operator> {
    let forward = forward(architecture, kind, phase, shard);
    if !matches!(phase, Phase::Backward { .. }) {
        return forward;
    }
    backward(&forward)
}

/// The backward work of forward operators, last first.
pub(crate) fn backward(forward: &[Operator]) -> Vec<Operator> {
    let mut operators = Vec::with_capacity(2 * forward.len());
    for operator in forward.iter().rev() {
        operator.push_backward(&mut operators);
    }
    operators
}

fn forward(architecture: &Architecture, kind: usize, phase: Phase, shard: &Shard) -> Vec<Operator> {
    let layer = &architecture.kinds[kind];
    let hidden = architecture.hidden as f64;
    let sizes = phase.sizes(shard);
    let mut operators = Vec::with_capacity(MOST_OPERATORS);
    operators.push(norm(&sizes, hidden));
    push_attention(&mut operators, hidden, &layer.attention, phase, shard);
    operators.push(residual(&sizes, hidden));
    operators.push(norm(&sizes, hidden));
    push_feed_forward(&mut operators, hidden, &layer.feed_forward, &sizes, shard);
    operators.push(residual(&sizes, hidden));
    operators
}

/// A norm of the residual stream.
pub(crate) fn norm(sizes: &Sizes, hidden: f64) -> Operator {
    let elements = sizes.split_rows * hidden;
    Operator::elementwise(ElementwiseKind::Norm, elements, elements)
}

fn residual(sizes: &Sizes, hidden: f64) -> Operator {
    let elements = sizes.split_rows * hidden;
    Operator::elementwise(ElementwiseKind::Residual, 2.0 * elements, elements)
}

/// Forward operators that the backward pass of one layer runs again, for what
/// [`crate::activation_bytes_per_layer`] does not keep under the same policy.
///
/// Full: all of them. Modules: the selective ones, all norms and activation functions. Selective: the attention core where its scores would be kept (a fused kernel
/// recomputes them itself, which its backward counts), and for latent attention the norms of the
/// latents and the up-projections.
///
/// # Panics
/// When there is no such kind.
#[must_use]
pub fn recomputed_operators(
    architecture: &Architecture,
    kind: usize,
    phase: Phase,
    shard: &Shard,
    policy: &ActivationPolicy,
) -> Vec<Operator> {
    let (Phase::Backward { batch, sequence } | Phase::Forward { batch, sequence }) = phase else {
        return Vec::new();
    };
    let forward_phase = Phase::Forward { batch, sequence };
    match policy.recompute {
        Recompute::None => Vec::new(),
        Recompute::Full => forward(architecture, kind, forward_phase, shard),
        Recompute::Modules => {
            let selective = ActivationPolicy {
                recompute: Recompute::Selective,
                ..*policy
            };
            let mut operators = recomputed_operators(architecture, kind, phase, shard, &selective);
            let is_norm = |operator: &Operator| {
                matches!(
                    operator,
                    Operator::Elementwise {
                        what: ElementwiseKind::Norm,
                        ..
                    }
                )
            };
            operators.retain(|operator| !is_norm(operator));
            let forward = forward(architecture, kind, forward_phase, shard);
            operators.extend(forward.into_iter().filter(|operator| {
                let Operator::Elementwise { what, .. } = operator else {
                    return false;
                };
                matches!(what, ElementwiseKind::Norm | ElementwiseKind::Activation)
            }));
            operators
        }
        Recompute::Selective => {
            let attention = &architecture.kinds[kind].attention;
            let hidden = architecture.hidden as f64;
            let mut operators = Vec::with_capacity(MOST_OPERATORS);
            push_attention(&mut operators, hidden, attention, forward_phase, shard);
            let latent = matches!(attention, Attention::Latent { .. });
            // The output projection, last, is not run again.
            operators.pop();
            operators.retain(|operator| match operator {
                Operator::Attention { .. } => !policy.flash,
                Operator::Gemm { class, .. } => latent && *class == GemmClass::Attention,
                Operator::Elementwise { .. } => latent,
            });
            operators
        }
    }
}
