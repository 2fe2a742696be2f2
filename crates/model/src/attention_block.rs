//! The operators of an attention block.

use chokepoint_units::Ops;

use crate::operator::{AttentionPhase, ElementwiseKind, GemmClass, Operator};
use crate::shard::Sizes;
use crate::{Attention, Phase, QkNorm, Shard, mean_context};

/// Appends projections, position, attention and output of one block; without the norm before and
/// the residual after.
pub(crate) fn push_attention(
    into: &mut Vec<Operator>,
    hidden: f64,
    attention: &Attention,
    phase: Phase,
    shard: &Shard,
) {
    let sizes = phase.sizes(shard);
    match *attention {
        Attention::Grouped {
            heads,
            kv_heads,
            head_dim,
            window,
            qk_norm,
            ..
        } => {
            let grouped = Grouped {
                heads: heads as f64 / shard.tp as f64,
                kv_heads: shard.kv_heads(kv_heads as f64),
                dim: head_dim as f64,
                window: window.map(|w| w as f64),
                normed: qk_norm != QkNorm::None,
            };
            grouped.push(into, hidden, phase, shard, &sizes);
        }
        Attention::Latent {
            heads,
            q_rank,
            kv_rank,
            nope_dim,
            rope_dim,
            value_dim,
            ..
        } => {
            let latent = Latent {
                heads: heads as f64 / shard.tp as f64,
                q_rank: q_rank.map(|rank| rank as f64),
                kv_rank: kv_rank as f64,
                nope: nope_dim as f64,
                rope: rope_dim as f64,
                value: value_dim as f64,
            };
            latent.push_inputs(into, hidden, phase, &sizes);
            for kernel in phase.kernels().into_iter().flatten() {
                latent.push_core(into, kernel, shard, &kernel.sizes(shard));
            }
            let width = latent.heads * latent.value;
            into.push(Operator::gemm(
                GemmClass::Attention,
                sizes.rows,
                hidden,
                width,
            ));
        }
    }
}

/// Elements that serving writes to the cache for each row; training writes none.
const fn cached(phase: Phase, elements: f64) -> f64 {
    match phase {
        Phase::Forward { .. } | Phase::Backward { .. } => 0.0,
        Phase::Prefill { .. } | Phase::Decode { .. } | Phase::Mixed { .. } => elements,
    }
}

/// What the core of an attention block computes on one chip.
struct Core {
    heads: f64,
    kv_heads: f64,
    qk_dim: f64,
    value_dim: f64,
    /// Elements of keys and values of one token.
    kv_elements: f64,
    window: Option<f64>,
}

impl Core {
    /// The fused attention kernel of a phase.
    fn operator(&self, phase: Phase, shard: &Shard, sizes: &Sizes) -> Operator {
        let (kind, keys, context) = if let Phase::Decode { context, .. } = phase {
            let seen = self.window.map_or(context, |w| context.min(w)) / shard.cp as f64;
            (AttentionPhase::Decode, seen, seen)
        } else {
            let keys = mean_context(sizes.past, sizes.new, self.window, true);
            let before = self.window.map_or(sizes.past, |w| sizes.past.min(w));
            (AttentionPhase::Prefill, keys, before + sizes.new)
        };
        let pairs = sizes.rows * keys;
        Operator::Attention {
            phase: kind,
            batch: sizes.batch,
            query_tokens: sizes.query,
            context,
            heads: self.heads,
            kv_heads: self.kv_heads,
            qk_dim: self.qk_dim,
            value_dim: self.value_dim,
            causal: true,
            window: self.window,
            ops: Ops::new(2.0 * pairs * self.heads * (self.qk_dim + self.value_dim)),
            cache_elements: sizes.batch * context * self.kv_elements,
        }
    }
}

/// Grouped-query attention on one chip.
struct Grouped {
    heads: f64,
    kv_heads: f64,
    dim: f64,
    window: Option<f64>,
    normed: bool,
}

impl Grouped {
    fn push(
        &self,
        into: &mut Vec<Operator>,
        hidden: f64,
        phase: Phase,
        shard: &Shard,
        sizes: &Sizes,
    ) {
        let rows = sizes.rows;
        let rotated = rows * (self.heads + self.kv_heads) * self.dim;
        let width = (self.heads + 2.0 * self.kv_heads) * self.dim;
        let kv_elements = 2.0 * self.kv_heads * self.dim;
        into.push(Operator::gemm(GemmClass::Attention, rows, width, hidden));
        if self.normed {
            into.push(Operator::elementwise(
                ElementwiseKind::Norm,
                rotated,
                rotated,
            ));
        }
        into.push(Operator::Elementwise {
            what: ElementwiseKind::Rope,
            read: rotated,
            written: rotated,
            cache: cached(phase, rows * kv_elements),
        });
        let core = Core {
            heads: self.heads,
            kv_heads: self.kv_heads,
            qk_dim: self.dim,
            value_dim: self.dim,
            kv_elements,
            window: self.window,
        };
        for kernel in phase.kernels().into_iter().flatten() {
            into.push(core.operator(kernel, shard, &kernel.sizes(shard)));
        }
        let inner = self.heads * self.dim;
        into.push(Operator::gemm(GemmClass::Attention, rows, hidden, inner));
    }
}

/// Multi-head latent attention on one chip.
struct Latent {
    heads: f64,
    q_rank: Option<f64>,
    kv_rank: f64,
    nope: f64,
    rope: f64,
    value: f64,
}

impl Latent {
    /// Queries and the key-value latent: down-projections on the rows that sequence parallelism
    /// leaves, latent norms, the query up-projection, rotary positions.
    fn push_inputs(&self, into: &mut Vec<Operator>, hidden: f64, phase: Phase, sizes: &Sizes) {
        let down = |n: f64| Operator::gemm(GemmClass::LatentDown, sizes.split_rows, n, hidden);
        let query = self.heads * (self.nope + self.rope);
        if let Some(rank) = self.q_rank {
            into.push(down(rank));
        }
        into.push(down(self.kv_rank + self.rope));
        let normed = sizes.split_rows * (self.q_rank.unwrap_or(0.0) + self.kv_rank);
        into.push(Operator::elementwise(ElementwiseKind::Norm, normed, normed));
        let depth = self.q_rank.unwrap_or(hidden);
        into.push(Operator::gemm(
            GemmClass::Attention,
            sizes.rows,
            query,
            depth,
        ));
        let rotated = sizes.rows * (self.heads + 1.0) * self.rope;
        into.push(Operator::Elementwise {
            what: ElementwiseKind::Rope,
            read: rotated,
            written: rotated,
            cache: cached(phase, sizes.rows * (self.kv_rank + self.rope)),
        });
    }

    /// Attention: absorbed in decoding, expanded otherwise. The expanded form projects up the
    /// latents of past tokens too.
    fn push_core(&self, into: &mut Vec<Operator>, phase: Phase, shard: &Shard, sizes: &Sizes) {
        if matches!(phase, Phase::Decode { .. }) {
            let per_head = |n: f64, k: f64| {
                let rows = sizes.rows * self.heads;
                Operator::grouped(GemmClass::LatentAbsorbed, rows, n, k, self.heads)
            };
            into.push(per_head(self.kv_rank, self.nope));
            let core = Core {
                heads: self.heads,
                kv_heads: 1.0,
                qk_dim: self.kv_rank + self.rope,
                value_dim: self.kv_rank,
                kv_elements: self.kv_rank + self.rope,
                window: None,
            };
            into.push(core.operator(phase, shard, sizes));
            into.push(per_head(self.value, self.kv_rank));
            return;
        }
        let up = self.heads * (self.nope + self.value);
        let rows = sizes.rows + sizes.batch * sizes.past;
        into.push(Operator::gemm(GemmClass::Attention, rows, up, self.kv_rank));
        let core = Core {
            heads: self.heads,
            kv_heads: self.heads,
            qk_dim: self.nope + self.rope,
            value_dim: self.value,
            kv_elements: self.heads * (self.nope + self.rope + self.value),
            window: None,
        };
        into.push(core.operator(phase, shard, sizes));
    }
}
