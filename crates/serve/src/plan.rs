//! A serving plan: instances, how each is spread, and what each does.

use std::fmt;

use chokepoint_chip::Precision;

use crate::{Case, Instance};

/// How one instance is spread over its chips.
///
/// Layers are cut into `pp` stages. In each, attention runs on `tp` chips of each of `dp` groups;
/// experts are spread over all of them, whole on `ep` of them or each split over `etp`
/// (DeepSeek-V3 section 3.4). A dense model has `dp` = 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Tensor parallelism of attention and dense layers.
    pub tp: u64,
    /// Pipeline parallelism.
    pub pp: u64,
    /// Data parallelism of attention.
    pub dp: u64,
    /// Expert parallelism; 1 for a dense model.
    pub ep: u64,
    /// Chips that share each expert; `ep x etp = tp x dp` for a mixture.
    pub etp: u64,
}

impl Layout {
    /// Tensor parallelism alone, as a dense model has it; a mixture has each expert split.
    #[must_use]
    pub const fn tensor(tp: u64) -> Self {
        Self {
            tp,
            pp: 1,
            dp: 1,
            ep: 1,
            etp: tp,
        }
    }

    /// Attention on `tp` chips of each of `dp` groups, whole experts over all of them.
    #[must_use]
    pub const fn expert(tp: u64, dp: u64) -> Self {
        Self {
            tp,
            pp: 1,
            dp,
            ep: tp * dp,
            etp: 1,
        }
    }

    /// Chips of one instance.
    #[must_use]
    pub const fn chips(&self) -> u64 {
        self.tp * self.pp * self.dp
    }
}

/// Instances of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// How many.
    pub instances: u64,
    /// How each is spread.
    pub layout: Layout,
    /// Sequences of a batch of each attention group; there are as many batches in flight as stages.
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
    /// Number formats of linear layers and cache.
    pub precision: Precision,
}

impl Plan {
    /// Chips that the plan occupies.
    #[must_use]
    pub fn chips(&self) -> u64 {
        self.decode.chips() + self.prefill.map_or(0, |pool| pool.chips())
    }

    /// An instance of the plan with one of its layouts.
    pub(crate) const fn instance<'a>(&self, case: &'a Case<'a>, layout: &Layout) -> Instance<'a> {
        Instance {
            case,
            layout: *layout,
            precision: self.precision,
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tp={}", self.tp)?;
        if self.dp > 1 {
            write!(f, " dp={}", self.dp)?;
        }
        if self.pp > 1 {
            write!(f, " pp={}", self.pp)?;
        }
        if self.ep > 1 {
            write!(f, " ep={}", self.ep)?;
        }
        if self.ep > 1 && self.etp > 1 {
            write!(f, " etp={}", self.etp)?;
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
            "{}x[{} batch={}] ",
            decode.instances, decode.layout, decode.batch
        )?;
        let Precision {
            attention,
            feed_forward,
            experts,
            inputs,
            cache,
        } = self.precision;
        if attention == feed_forward && attention == experts {
            write!(f, "{attention}")?;
        } else {
            write!(
                f,
                "attention={attention} ffn={feed_forward} experts={experts}"
            )?;
        }
        if inputs.bits() > self.precision.narrowest().bits() {
            write!(f, " inputs={inputs}")?;
        }
        write!(f, " kv={cache}")
    }
}
