//! What one chip gets of a layer, and what it does with it.

use serde::Serialize;

/// How one layer is spread over chips.
///
/// Tensor parallelism splits heads and inner widths (Megatron-LM), context parallelism the
/// sequence, expert parallelism the routed experts, expert tensor parallelism the inner width of
/// each of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shard {
    /// Tensor parallelism, t; at least 1.
    pub tp: u64,
    /// Context parallelism, c; at least 1.
    pub cp: u64,
    /// Expert parallelism, e; at least 1.
    pub ep: u64,
    /// Expert tensor parallelism: chips that share each routed expert; at least 1.
    pub etp: u64,
    /// Whether the tensor-parallel chips split the tokens in norms, residuals, router and latent
    /// down-projections (Korthikanti et al. 2022 section 4.2.2) or all do the same work.
    pub sequence_parallel: bool,
    /// Tokens of the busiest expert rank over the mean; 1 is balanced.
    pub imbalance: f64,
}

impl Shard {
    /// One chip.
    pub const SINGLE: Self = Self::training(1, 1, 1);

    /// Training: sequence parallelism wherever there is tensor parallelism, balanced experts.
    #[must_use]
    pub const fn training(tp: u64, cp: u64, ep: u64) -> Self {
        Self {
            tp,
            cp,
            ep,
            etp: 1,
            sequence_parallel: true,
            imbalance: 1.0,
        }
    }

    /// Serving: no sequence parallelism, balanced experts.
    #[must_use]
    pub const fn serving(tp: u64, ep: u64) -> Self {
        Self {
            tp,
            cp: 1,
            ep,
            etp: 1,
            sequence_parallel: false,
            imbalance: 1.0,
        }
    }

    /// The same with routed experts split over a number of chips.
    #[must_use]
    pub const fn with_expert_tensor(self, etp: u64) -> Self {
        Self { etp, ..self }
    }

    /// The same with or without sequence parallelism.
    #[must_use]
    pub const fn with_sequence_parallel(self, sequence_parallel: bool) -> Self {
        Self {
            sequence_parallel,
            ..self
        }
    }

    /// The same with a load of the busiest expert rank over the mean.
    #[must_use]
    pub const fn with_imbalance(self, imbalance: f64) -> Self {
        Self { imbalance, ..self }
    }

    /// Key-value heads on one chip: at least one, so that fewer heads than chips are replicated.
    pub(crate) fn kv_heads(&self, kv_heads: f64) -> f64 {
        (kv_heads / self.tp as f64).max(1.0)
    }

    /// By how much the work between tensor-parallel blocks is split.
    pub(crate) const fn sequence_split(&self) -> f64 {
        if self.sequence_parallel {
            self.tp as f64
        } else {
            1.0
        }
    }
}

/// What is computed. Sizes are per data-parallel replica, before the shard splits them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Training, forward.
    Forward {
        /// Sequences of the micro-batch.
        batch: f64,
        /// Tokens of one sequence.
        sequence: f64,
    },
    /// Training, backward; without what recomputation adds.
    Backward {
        /// Sequences of the micro-batch.
        batch: f64,
        /// Tokens of one sequence.
        sequence: f64,
    },
    /// Serving: prompts, whole or in chunks.
    Prefill {
        /// Prompts.
        batch: f64,
        /// Tokens of each prompt computed now.
        new_tokens: f64,
        /// Tokens of each prompt already in the cache.
        past: f64,
    },
    /// Serving: the next token of each sequence, or several that were drafted and are checked.
    Decode {
        /// Sequences.
        batch: f64,
        /// Tokens that each new token attends to, itself included.
        context: f64,
        /// Tokens of each sequence computed at once.
        tokens: f64,
    },
    /// Serving: chunks of prompts beside the next tokens of other sequences, in one batch.
    Mixed {
        /// Prompts.
        prompts: f64,
        /// Tokens of each prompt computed now.
        new_tokens: f64,
        /// Tokens of each prompt already in the cache.
        past: f64,
        /// Sequences that decode.
        decodes: f64,
        /// Tokens that each of their new tokens attends to, itself included.
        context: f64,
        /// Tokens of each of them computed at once.
        tokens: f64,
    },
}

/// Sizes of one phase on one chip.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Sizes {
    /// Sequences.
    pub batch: f64,
    /// New tokens of each sequence on this chip.
    pub query: f64,
    /// New tokens of each sequence on all context-parallel chips.
    pub new: f64,
    /// Tokens of each sequence in the cache before.
    pub past: f64,
    /// Rows of a matrix multiplication that tensor parallelism splits by columns: all new tokens.
    pub rows: f64,
    /// Rows of the work that sequence parallelism splits.
    pub split_rows: f64,
    /// Rows that this chip sends to experts: its share of the tokens among tensor-parallel chips.
    pub routed_rows: f64,
}

impl Phase {
    /// Sizes on one chip of a shard. Context parallelism splits new tokens, or, in decoding, the
    /// cache.
    pub(crate) fn sizes(self, shard: &Shard) -> Sizes {
        let cp = shard.cp as f64;
        let (batch, new, past, query) = match self {
            Self::Forward { batch, sequence } | Self::Backward { batch, sequence } => {
                (batch, sequence, 0.0, sequence / cp)
            }
            Self::Prefill {
                batch,
                new_tokens,
                past,
            } => (batch, new_tokens, past, new_tokens / cp),
            Self::Decode {
                batch,
                context,
                tokens,
            } => (batch, tokens, (context - tokens).max(0.0), tokens),
            Self::Mixed {
                prompts, decodes, ..
            } => return self.mixed_sizes(prompts + decodes, shard),
        };
        let rows = batch * query;
        Sizes {
            batch,
            query,
            new,
            past,
            rows,
            split_rows: rows / shard.sequence_split(),
            routed_rows: rows / shard.tp as f64,
        }
    }

    /// Sizes of prompts and single tokens together. Those of one sequence are of a prompt; kernels
    /// of attention take them from [`Self::kernels`].
    fn mixed_sizes(self, sequences: f64, shard: &Shard) -> Sizes {
        let [prompts, tokens] = self
            .kernels()
            .map(|part| part.map(|part| part.sizes(shard)));
        let rows = [prompts, tokens]
            .iter()
            .flatten()
            .map(|sizes| sizes.rows)
            .sum();
        let one = prompts.or(tokens).unwrap_or_default();
        Sizes {
            batch: sequences,
            rows,
            split_rows: rows / shard.sequence_split(),
            routed_rows: rows / shard.tp as f64,
            ..one
        }
    }

    /// The phase as attention kernels see it: prompts and single tokens run apart.
    pub(crate) fn kernels(self) -> [Option<Self>; 2] {
        let Self::Mixed {
            prompts,
            new_tokens,
            past,
            decodes,
            context,
            tokens,
        } = self
        else {
            return [Some(self), None];
        };
        let prefill = Self::Prefill {
            batch: prompts,
            new_tokens,
            past,
        };
        let decode = Self::Decode {
            batch: decodes,
            context,
            tokens,
        };
        [
            Some(prefill).filter(|_| prompts > 0.0 && new_tokens > 0.0),
            Some(decode).filter(|_| decodes > 0.0),
        ]
    }
}
