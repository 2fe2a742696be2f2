//! What attention costs beyond its operator where it is no fused kernel.

use crate::operator::{ElementwiseKind, Operator};
use crate::{Architecture, Phase, Shard};

/// The traffic of the score matrix through memory when attention runs as separate kernels, as
/// Megatron-LM did before `FlashAttention`: to be added to [`crate::layer_operators`], of which
/// the fused operator counts none. Empty in serving, whose engines all fuse.
///
/// Of each of the a x s x s scores (the whole square) a fused softmax with mask between two matrix
/// products reads and writes, forward: product out 1, softmax in 1 and out 1, product in 1;
/// dropout in 1 and out 1 and a byte of mask. Backward: gradient of the product out 1,
/// probabilities for the value gradient in 1, softmax in 2 and out 1, query and key gradients in
/// 2; dropout in 1, out 1 and the mask. Elements are 16 bits, the mask is half of one. Derived
/// from the kernels; the masked half of the products is not counted.
///
/// # Panics
/// When there is no such kind.
#[must_use]
pub fn unfused_attention_operators(
    architecture: &Architecture,
    kind: usize,
    phase: Phase,
    shard: &Shard,
) -> Vec<Operator> {
    const MASK: f64 = 0.5;
    let dropout = if architecture.dropout { 1.0 } else { 0.0 };
    let (read, written) = match phase {
        Phase::Forward { .. } => (2.0 + dropout, 2.0 + dropout * (1.0 + MASK)),
        Phase::Backward { .. } => (5.0 + dropout * (1.0 + MASK), 2.0 + dropout),
        Phase::Prefill { .. } | Phase::Decode { .. } | Phase::Mixed { .. } => return Vec::new(),
    };
    let sizes = phase.sizes(shard);
    let heads = architecture.kinds[kind].attention.heads() as f64 / shard.tp as f64;
    let scores = heads * sizes.rows * sizes.new;
    vec![Operator::elementwise(
        ElementwiseKind::Scores,
        read * scores,
        written * scores,
    )]
}
