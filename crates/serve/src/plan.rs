//! A serving plan: instances, how each is spread, and what each does.

use std::fmt;

use chokepoint_units::NumberFormat;

/// How one instance is spread over its chips.
///
/// Attention runs on `tp` chips of each of `dp` groups; experts are spread over all of them, whole
/// (DeepSeek-V3 section 3.4). A dense model has `dp` = 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Tensor parallelism of attention and dense layers.
    pub tp: u64,
    /// Data parallelism of attention.
    pub dp: u64,
    /// Expert parallelism: `tp x dp`, or 1 for a dense model.
    pub ep: u64,
}

impl Layout {
    /// Chips of one instance.
    #[must_use]
    pub const fn chips(&self) -> u64 {
        self.tp * self.dp
    }
}

/// Instances of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// How many.
    pub instances: u64,
    /// How each is spread.
    pub layout: Layout,
    /// Sequences in flight on each attention group.
    pub batch: u64,
}

impl Pool {
    /// Chips of all instances.
    #[must_use]
    pub const fn chips(&self) -> u64 {
        self.instances * self.layout.chips()
    }
}

/// A serving plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Instances that decode; they prefill too when there is no pool for that.
    pub decode: Pool,
    /// Instances that only prefill (disaggregated serving).
    pub prefill: Option<Pool>,
    /// Number format of weights and linear layers.
    pub format: NumberFormat,
    /// Number format of the key-value cache.
    pub cache_format: NumberFormat,
}

impl Plan {
    /// Chips that the plan occupies.
    #[must_use]
    pub fn chips(&self) -> u64 {
        self.decode.chips() + self.prefill.map_or(0, |pool| pool.chips())
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tp={}", self.tp)?;
        if self.dp > 1 {
            write!(f, " dp={}", self.dp)?;
        }
        if self.ep > 1 {
            write!(f, " ep={}", self.ep)?;
        }
        Ok(())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(prefill) = &self.prefill {
            write!(
                f,
                "prefill {}x[{} batch={}] decode ",
                prefill.instances, prefill.layout, prefill.batch
            )?;
        }
        let decode = &self.decode;
        write!(
            f,
            "{}x[{} batch={}] {} kv={}",
            decode.instances, decode.layout, decode.batch, self.format, self.cache_format
        )
    }
}
