//! Choices of a training plan beside its degrees of parallelism.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What tensor-parallel chips exchange around the blocks of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TensorExchange {
    /// An all-reduce behind each block; norms and residuals are computed on every chip
    /// (Shoeybi et al. 2019).
    AllReduce,
    /// The same, and a pipeline boundary is passed in parts and gathered on arrival
    /// (scatter-gather, Narayanan et al. 2021 section 4.1).
    ScatteredTransfers,
    /// Sequence parallelism: a gathering before and a reduce-scatter behind each block; the
    /// gathered input is kept for the backward pass (Korthikanti et al. 2022 section 4.2.2).
    SequenceKept,
    /// Sequence parallelism that keeps its part of the input and gathers it again in the backward
    /// pass, beside the data gradient (same section; Megatron-LM).
    Sequence,
}

impl TensorExchange {
    /// All choices.
    pub const ALL: [Self; 4] = [
        Self::AllReduce,
        Self::ScatteredTransfers,
        Self::SequenceKept,
        Self::Sequence,
    ];

    /// Name in files and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AllReduce => "all-reduce",
            Self::ScatteredTransfers => "scattered-transfers",
            Self::SequenceKept => "sequence-kept",
            Self::Sequence => "sequence",
        }
    }

    /// Whether the chips split the tokens between blocks.
    #[must_use]
    pub const fn splits_sequence(self) -> bool {
        matches!(self, Self::SequenceKept | Self::Sequence)
    }
}

/// How tensor-parallel traffic runs beside the multiplications next to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TensorOverlap {
    /// It does not.
    None,
    /// In as many steps as there are ranks, passed around a ring; one is exposed.
    Ring,
    /// In four chunks, of which one is exposed (Megatron-Bridge performance guide, `num_splits`).
    Pipelined,
}

impl TensorOverlap {
    /// All choices.
    pub const ALL: [Self; 3] = [Self::None, Self::Ring, Self::Pipelined];

    /// Name in files and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ring => "ring",
            Self::Pipelined => "pipelined",
        }
    }

    /// Share of the traffic that stays exposed among a number of ranks.
    #[must_use]
    pub fn exposed(self, ranks: u64) -> f64 {
        match self {
            Self::None => 1.0,
            Self::Ring => 1.0 / ranks.max(1) as f64,
            Self::Pipelined => 0.25,
        }
    }
}

/// How context-parallel chips see the keys and values of one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContextExchange {
    /// Passed around a ring under attention (Ring Attention, Liu et al. 2023; Megatron-LM).
    Ring,
    /// Gathered before attention, gradients scattered behind it (Llama 3 report section 3.3.2).
    AllGather,
    /// Heads instead of tokens are split during attention: an all-to-all on each side of it, as
    /// many ranks as key-value heads at most (`DeepSpeed` Ulysses, Jacobs et al. 2023).
    AllToAll,
}

impl ContextExchange {
    /// All choices.
    pub const ALL: [Self; 3] = [Self::Ring, Self::AllGather, Self::AllToAll];

    /// Name in files and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::AllGather => "all-gather",
            Self::AllToAll => "all-to-all",
        }
    }
}

/// What data-parallel chips split among them instead of each holding it
/// (`ZeRO`, Rajbhandari et al. 2020 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharding {
    /// Nothing: gradients are summed by an all-reduce.
    None,
    /// The optimizer's state (stage 1; the distributed optimizer of Megatron-LM).
    Optimizer,
    /// Gradients too (stage 2).
    Gradients,
    /// Weights too (stage 3, FSDP).
    Parameters,
}

impl Sharding {
    /// All choices, from the least split to the most.
    pub const ALL: [Self; 4] = [
        Self::None,
        Self::Optimizer,
        Self::Gradients,
        Self::Parameters,
    ];

    /// Name in files and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Optimizer => "optimizer",
            Self::Gradients => "gradients",
            Self::Parameters => "parameters",
        }
    }
}

/// What lies in the host's memory while it is not needed, moved over the chip's host link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub struct Offload {
    /// Weights of layers that are not being computed.
    pub weights: bool,
    /// Kept activations.
    pub activations: bool,
    /// Optimizer state, updated on the chip.
    pub optimizer: bool,
}

impl Offload {
    /// Nothing.
    pub const NONE: Self = Self {
        weights: false,
        activations: false,
        optimizer: false,
    };

    /// Whether anything is moved.
    #[must_use]
    pub const fn any(self) -> bool {
        self.weights || self.activations || self.optimizer
    }
}

impl fmt::Display for Offload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.weights, "weights"),
            (self.activations, "activations"),
            (self.optimizer, "optimizer"),
        ];
        let mut first = true;
        for (_, name) in parts.iter().filter(|(on, _)| *on) {
            if !first {
                f.write_str("+")?;
            }
            f.write_str(name)?;
            first = false;
        }
        if first { f.write_str("none") } else { Ok(()) }
    }
}

/// A word that names no choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWord {
    /// The word.
    pub word: String,
    /// What would have been understood.
    pub known: Vec<&'static str>,
}

fn find<T: Copy>(word: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, UnknownWord> {
    let found = all.iter().copied().find(|choice| name(*choice) == word);
    found.ok_or_else(|| UnknownWord {
        word: word.to_owned(),
        known: all.iter().map(|choice| name(*choice)).collect(),
    })
}

impl FromStr for TensorExchange {
    type Err = UnknownWord;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        find(word, &Self::ALL, Self::name)
    }
}

impl FromStr for TensorOverlap {
    type Err = UnknownWord;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        find(word, &Self::ALL, Self::name)
    }
}

impl FromStr for ContextExchange {
    type Err = UnknownWord;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        find(word, &Self::ALL, Self::name)
    }
}

impl FromStr for Sharding {
    type Err = UnknownWord;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        find(word, &Self::ALL, Self::name)
    }
}

impl FromStr for Offload {
    type Err = UnknownWord;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let mut offload = Self::NONE;
        for part in word.split('+') {
            match part {
                "none" => {}
                "weights" => offload.weights = true,
                "activations" => offload.activations = true,
                "optimizer" => offload.optimizer = true,
                _ => {
                    return Err(UnknownWord {
                        word: part.to_owned(),
                        known: vec!["none", "weights", "activations", "optimizer"],
                    });
                }
            }
        }
        Ok(offload)
    }
}
