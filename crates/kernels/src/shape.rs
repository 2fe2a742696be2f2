//! Shapes of measured work, and the operators of the model that they are.

use chokepoint_catalog::EngineKernel;
use chokepoint_chip::{ChipSpec, Precision};
use chokepoint_model::{AttentionPhase, ElementwiseKind, GemmClass, GemmPass, Operator};
use chokepoint_units::{NumberFormat, Ops, Seconds};

/// Width of a latent cache that scores use, and of the part that values use (DeepSeek-V2, section
/// 2.1: 512 and 64 rotary).
const LATENT: [f64; 2] = [576.0, 512.0];

/// The shape of measured work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    /// A plain product.
    Product { rows: u32, columns: u32, depth: u32 },
    /// A module of routed experts: both products, gated, with permutation and combination.
    Experts {
        tokens: u32,
        hidden: u32,
        inner: u32,
        choices: u32,
        experts: u32,
    },
    /// A grouped product: rows of all groups together, each with its own weights.
    Grouped {
        rows: u32,
        columns: u32,
        depth: u32,
        groups: u32,
    },
    /// Causal attention of prompts.
    Prefill {
        batch: u32,
        query: u32,
        heads: u32,
        kv_heads: u32,
        key: u32,
        value: u32,
    },
    /// Attention of one query token of each sequence, heads of 128.
    Decode {
        batch: u32,
        keys: u32,
        heads: u32,
        kv_heads: u32,
    },
    /// The same over a latent cache.
    Latent { batch: u32, keys: u32, heads: u32 },
}

/// Width of a head in decoding.
const HEAD: f64 = 128.0;

impl Shape {
    /// The class of kernels.
    pub(crate) const fn class(&self) -> EngineKernel {
        match self {
            Self::Product { .. } => EngineKernel::Gemm,
            Self::Experts { .. } | Self::Grouped { .. } => EngineKernel::GroupedGemm,
            Self::Prefill { .. } => EngineKernel::Prefill,
            Self::Decode { .. } => EngineKernel::Decode,
            Self::Latent { .. } => EngineKernel::LatentDecode,
        }
    }

    /// Rows as engines' factors count them: of one group, query tokens, sequences.
    pub(crate) fn rows(&self) -> f64 {
        match *self {
            Self::Product { rows, .. } => f64::from(rows),
            Self::Experts { .. } => self.rows_of_expert(),
            Self::Grouped { rows, groups, .. } => f64::from(rows) / f64::from(groups.max(1)),
            Self::Prefill { query, .. } => f64::from(query),
            Self::Decode { batch, .. } | Self::Latent { batch, .. } => f64::from(batch),
        }
    }

    fn rows_of_expert(&self) -> f64 {
        match *self {
            Self::Experts {
                tokens,
                choices,
                experts,
                ..
            } => {
                let rows = f64::from(tokens) * f64::from(choices);
                rows / f64::from(experts).min(rows)
            }
            _ => 0.0,
        }
    }

    /// The operators that it is made of.
    pub(crate) fn operators(&self) -> Vec<Operator> {
        match *self {
            Self::Product {
                rows,
                columns,
                depth,
            } => {
                let sizes = [rows, columns, depth].map(f64::from);
                vec![product(GemmClass::FeedForward, sizes, 1.0)]
            }
            Self::Experts {
                tokens,
                hidden,
                inner,
                choices,
                experts,
            } => expert_module([tokens, hidden, inner, choices, experts].map(f64::from)),
            Self::Grouped {
                rows,
                columns,
                depth,
                groups,
            } => {
                let sizes = [rows, columns, depth].map(f64::from);
                vec![product(GemmClass::Expert, sizes, f64::from(groups))]
            }
            Self::Prefill {
                batch,
                query,
                heads,
                kv_heads,
                key,
                value,
            } => vec![prompts(batch, query, [heads, kv_heads], [key, value])],
            Self::Decode {
                batch,
                keys,
                heads,
                kv_heads,
            } => {
                let heads = [heads, kv_heads].map(f64::from);
                let elements = 2.0 * HEAD * heads[1];
                vec![decode(batch, keys, heads, [HEAD, HEAD], elements)]
            }
            Self::Latent { batch, keys, heads } => {
                vec![decode(
                    batch,
                    keys,
                    [f64::from(heads), 1.0],
                    LATENT,
                    LATENT[0],
                )]
            }
        }
    }
}

/// Time of work in a format on a chip with its curves: the project's own formulas.
pub(crate) fn time(chip: &ChipSpec, operators: &[Operator], format: NumberFormat) -> Seconds {
    let precision = Precision::uniform(format, format);
    operators
        .iter()
        .map(|operator| chip.operator(operator, &precision).total)
        .sum()
}

fn product(class: GemmClass, [m, n, k]: [f64; 3], groups: f64) -> Operator {
    Operator::Gemm {
        class,
        pass: GemmPass::Forward,
        m,
        n,
        k,
        groups,
    }
}

/// Two grouped products, and what the module copies: tokens into the order of experts, gate and up
/// halves into one, results back into tokens.
fn expert_module([tokens, hidden, inner, choices, experts]: [f64; 5]) -> Vec<Operator> {
    let rows = tokens * choices;
    let groups = experts.min(rows);
    let copied = Operator::Elementwise {
        what: ElementwiseKind::Residual,
        read: tokens * hidden + 2.0 * rows * inner + rows * hidden,
        written: rows * hidden + rows * inner + tokens * hidden,
        cache: 0.0,
    };
    vec![
        product(GemmClass::Expert, [rows, 2.0 * inner, hidden], groups),
        product(GemmClass::Expert, [rows, hidden, inner], groups),
        copied,
    ]
}

/// Causal attention of prompts, of which products are counted at half.
fn prompts(batch: u32, query: u32, heads: [u32; 2], widths: [u32; 2]) -> Operator {
    let [batch, query] = [batch, query].map(f64::from);
    let (heads, widths) = (heads.map(f64::from), widths.map(f64::from));
    let width = widths[0] + widths[1];
    let elements = batch * query * heads[1] * width;
    let ops = batch * heads[0] * query * query * width;
    let phase = AttentionPhase::Prefill;
    attention(phase, [batch, query], query, heads, widths, elements, ops)
}

/// Attention of one query token of each sequence; `elements` of cache for each token.
fn decode(batch: u32, keys: u32, heads: [f64; 2], widths: [f64; 2], elements: f64) -> Operator {
    let [batch, keys] = [batch, keys].map(f64::from);
    let ops = 2.0 * batch * heads[0] * keys * (widths[0] + widths[1]);
    let cache = batch * keys * elements;
    attention(
        AttentionPhase::Decode,
        [batch, 1.0],
        keys,
        heads,
        widths,
        cache,
        ops,
    )
}

fn attention(
    phase: AttentionPhase,
    [batch, query_tokens]: [f64; 2],
    context: f64,
    [heads, kv_heads]: [f64; 2],
    [qk_dim, value_dim]: [f64; 2],
    cache_elements: f64,
    ops: f64,
) -> Operator {
    Operator::Attention {
        phase,
        batch,
        query_tokens,
        context,
        heads,
        kv_heads,
        qk_dim,
        value_dim,
        causal: phase == AttentionPhase::Prefill,
        window: None,
        ops: Ops::new(ops),
        cache_elements,
    }
}

/// Bytes of cache that decoding reads, without queries and results.
pub(crate) fn cache_bytes(shape: &Shape, format: NumberFormat) -> f64 {
    let (batch, keys, elements) = match *shape {
        Shape::Decode {
            batch,
            keys,
            kv_heads,
            ..
        } => (batch, keys, 2.0 * HEAD * f64::from(kv_heads)),
        Shape::Latent { batch, keys, .. } => (batch, keys, LATENT[0]),
        _ => return 0.0,
    };
    f64::from(batch) * f64::from(keys) * elements * format.stored_bytes()
}
