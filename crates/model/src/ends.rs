//! What lies before the first and after the last layer.

use crate::layer::{backward, layer_operators, norm};
use crate::operator::{ElementwiseKind, GemmClass, Operator};
use crate::{Architecture, Phase, Shard};

/// FP32 logits count as two 16-bit elements.
const LOGIT_ELEMENTS: f64 = 2.0;

/// Looking up the rows of the embedding table, which tensor parallelism splits by vocabulary:
/// each chip touches its share of the rows (Megatron-LM).
#[must_use]
pub fn embedding_operators(
    architecture: &Architecture,
    phase: Phase,
    shard: &Shard,
) -> Vec<Operator> {
    let sizes = phase.sizes(shard);
    let elements = sizes.routed_rows * architecture.hidden as f64;
    directed(
        vec![Operator::elementwise(
            ElementwiseKind::Embedding,
            elements,
            elements,
        )],
        phase,
    )
}

/// Final norm, vocabulary head and softmax. Training computes the logits of every token, serving
/// only of the last of a prompt and of those that decoding computes. Tensor parallelism splits the vocabulary.
#[must_use]
pub fn head_operators(architecture: &Architecture, phase: Phase, shard: &Shard) -> Vec<Operator> {
    let hidden = architecture.hidden as f64;
    let vocabulary = architecture.vocabulary as f64 / shard.tp as f64;
    let sizes = phase.sizes(shard);
    let rows = match phase {
        Phase::Forward { .. } | Phase::Backward { .. } | Phase::Decode { .. } => sizes.rows,
        Phase::Prefill { .. } => sizes.batch,
        Phase::Mixed {
            prompts,
            decodes,
            tokens,
            ..
        } => prompts + decodes * tokens,
    };
    let logits = LOGIT_ELEMENTS * rows * vocabulary;
    let forward = vec![
        norm(&sizes, hidden),
        Operator::gemm(GemmClass::Head, rows, vocabulary, hidden),
        Operator::elementwise(ElementwiseKind::Logits, logits, 0.0),
    ];
    directed(forward, phase)
}

/// One multi-token-prediction module: embedding, two norms, the projection from 2h to h (split by
/// columns), a layer, and the shared head with a norm (DeepSeek-V3 section 2.2). Empty when the
/// model has none; there are [`Architecture::mtp_layers`] of them.
#[must_use]
pub fn mtp_operators(architecture: &Architecture, phase: Phase, shard: &Shard) -> Vec<Operator> {
    let Some(kind) = architecture.mtp_kind() else {
        return Vec::new();
    };
    let hidden = architecture.hidden as f64;
    let sizes = phase.sizes(shard);
    let columns = hidden / shard.tp as f64;
    let join = vec![
        norm(&sizes, hidden),
        norm(&sizes, hidden),
        Operator::gemm(GemmClass::MultiToken, sizes.rows, columns, 2.0 * hidden),
    ];
    let mut operators = embedding_operators(architecture, phase, shard);
    operators.extend(directed(join, phase));
    operators.extend(layer_operators(architecture, kind, phase, shard));
    operators.extend(head_operators(architecture, phase, shard));
    operators
}

/// Forward operators as they are, or their backward work.
fn directed(forward: Vec<Operator>, phase: Phase) -> Vec<Operator> {
    if matches!(phase, Phase::Backward { .. }) {
        backward(&forward)
    } else {
        forward
    }
}
