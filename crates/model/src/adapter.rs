//! Low-rank adapters beside frozen linear layers.

use crate::operator::{ElementwiseKind, GemmClass, Operator};
use crate::{Architecture, Attention, LayerKind, Phase, Shard};

/// What adapters of a rank beside the query-key-value and the output projection add to a layer:
/// for each, a product down to the rank and one up from it (Hu et al. 2021, `LoRA`), and adding the
/// result. Backward holds data and weight gradients of both products.
///
/// Latent attention has none: no such fine-tuning is published to check it against.
///
/// # Panics
/// When there is no such kind.
#[must_use]
pub fn adapter_operators(
    architecture: &Architecture,
    kind: usize,
    phase: Phase,
    shard: &Shard,
    rank: u64,
) -> Vec<Operator> {
    let Attention::Grouped {
        heads,
        kv_heads,
        head_dim,
        ..
    } = architecture.kinds[kind].attention
    else {
        return Vec::new();
    };
    let (hidden, rank, dim) = (architecture.hidden as f64, rank as f64, head_dim as f64);
    let rows = phase.sizes(shard).rows;
    let own = heads as f64 / shard.tp as f64;
    let inputs = (own + 2.0 * shard.kv_heads(kv_heads as f64)) * dim;
    let mut forward = Vec::new();
    for (from, to) in [(hidden, inputs), (own * dim, hidden)] {
        forward.push(Operator::gemm(GemmClass::Attention, rows, rank, from));
        forward.push(Operator::gemm(GemmClass::Attention, rows, to, rank));
        forward.push(Operator::elementwise(
            ElementwiseKind::Residual,
            2.0 * rows * to,
            rows * to,
        ));
    }
    if matches!(phase, Phase::Backward { .. }) {
        crate::layer::backward(&forward)
    } else {
        forward
    }
}

impl Architecture {
    /// Parameters of adapters of a rank beside the query-key-value and the output projection of
    /// every layer of the main model; latent attention has none ([`adapter_operators`]).
    #[must_use]
    pub fn adapter_parameters(&self, rank: u64) -> u64 {
        let of = |kind: &LayerKind| match kind.attention {
            Attention::Grouped {
                heads,
                kv_heads,
                head_dim,
                ..
            } => {
                let (own, inputs) = (heads * head_dim, (heads + 2 * kv_heads) * head_dim);
                rank * (self.hidden + inputs + own + self.hidden)
            }
            Attention::Latent { .. } => 0,
        };
        self.layer_counts()
            .map(|(kind, count)| count * of(&self.kinds[kind]))
            .sum()
    }
}
