//! Memory of the key-value cache.

use chokepoint_units::{Bytes, NumberFormat};

use crate::{Architecture, Attention, Shard};

impl Attention {
    /// Elements that the cache holds for one token of one layer: 2 g d, or the latent and its
    /// rotary key.
    #[must_use]
    pub const fn cache_elements_per_token(&self) -> u64 {
        match self {
            Self::Grouped {
                kv_heads, head_dim, ..
            } => 2 * *kv_heads * *head_dim,
            Self::Latent {
                kv_rank, rope_dim, ..
            } => *kv_rank + *rope_dim,
        }
    }

    /// Cache of one token of one layer on one of `tp` chips. Key-value heads are spread while
    /// there are enough and replicated below one a chip; a latent cache is whole on each chip.
    #[must_use]
    pub fn cache_bytes_per_token(&self, format: NumberFormat, tp: u64) -> Bytes {
        let elements = match self {
            Self::Grouped {
                kv_heads, head_dim, ..
            } => 2.0 * Shard::serving(tp, 1).kv_heads(*kv_heads as f64) * *head_dim as f64,
            Self::Latent { .. } => self.cache_elements_per_token() as f64,
        };
        Bytes::new(elements * format.stored_bytes())
    }

    /// Cache of one layer for a sequence of `tokens` on one of `tp` chips: a window keeps no more
    /// tokens than it shows.
    #[must_use]
    pub fn cache_bytes(&self, format: NumberFormat, tp: u64, tokens: f64) -> Bytes {
        let kept = self.window().map_or(tokens, |w| tokens.min(w as f64));
        self.cache_bytes_per_token(format, tp) * kept
    }
}

impl Architecture {
    /// Cache of one token in all layers of the main model, unsharded, as if no layer had a window.
    #[must_use]
    pub fn kv_bytes_per_token(&self, format: NumberFormat) -> Bytes {
        self.layer_counts()
            .map(|(kind, count)| {
                self.kinds[kind].attention.cache_bytes_per_token(format, 1) * count as f64
            })
            .sum()
    }

    /// Cache of a sequence of `tokens` in all layers on one of `tp` chips, windows counted.
    #[must_use]
    pub fn kv_bytes(&self, format: NumberFormat, tp: u64, tokens: f64) -> Bytes {
        self.layer_counts()
            .map(|(kind, count)| {
                self.kinds[kind].attention.cache_bytes(format, tp, tokens) * count as f64
            })
            .sum()
    }
}
