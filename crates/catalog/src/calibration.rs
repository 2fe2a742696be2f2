//! Efficiency curves: fitted on published measurements, per chip and operator class only.

use std::collections::BTreeMap;

use chokepoint_units::{Bandwidth, Bytes, NumberFormat, Power, Seconds};
use serde::Deserialize;

use crate::{EngineKernel, EngineKernels, Figure};

/// A calibration file: the curves of one chip.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Version of this schema.
    pub schema: u32,
    /// Id; the file's name.
    pub id: String,
    /// How it was fitted, on what, with what error.
    pub method: String,
    /// Source id of the measurements.
    pub source: String,
    /// Date of the measurements or of the fit.
    pub as_of: String,
    /// Plain matrix multiplication by format.
    pub gemm: BTreeMap<NumberFormat, GemmCurve>,
    /// Grouped (expert) matrix multiplication by format.
    pub grouped_gemm: BTreeMap<NumberFormat, GemmCurve>,
    /// Attention over many query tokens: prefill and training, by format.
    pub attention_prefill: BTreeMap<NumberFormat, PrefillCurve>,
    /// Attention of one query token over a cache, by format of the cache.
    pub attention_decode: BTreeMap<NumberFormat, DecodeCurve>,
    /// The same over a latent cache that all heads share, by format of the cache; where there is
    /// none, the curve of `attention_decode` counts.
    #[serde(default)]
    pub attention_decode_latent: BTreeMap<NumberFormat, DecodeCurve>,
    /// Share of peak memory bandwidth that elementwise kernels reach.
    pub stream: f64,
    /// Share of the rate of a kernel benchmark that kernels keep inside a whole training step, by
    /// format of the linear layers: clocks under a power cap over minutes, gaps between kernels,
    /// stragglers. Fitted on published step times of this chip; low and high hold 80% of them. A
    /// format without one takes the nearest in width.
    pub sustained: BTreeMap<NumberFormat, Figure<f64>>,
    /// Power by kind of work.
    pub power: PowerCurve,
    /// The all-reduce kernel of serving engines, where it was measured.
    #[serde(default)]
    pub one_shot: Option<OneShot>,
    /// Collectives inside the scale-up domain.
    #[serde(default)]
    pub collective: Vec<CollectiveCurve>,
    /// How the curves are fitted again from published tables; none: they are not from tables.
    #[serde(default)]
    pub refit: Option<Refit>,
    /// How the kernels of serving engines differ from the curves, by the engine's name.
    #[serde(default)]
    pub engine: BTreeMap<String, EngineKernels>,
}

impl Calibration {
    /// Time of an engine's kernel over that of the curve; 1 for an engine or format that was not
    /// measured. Rows: [`EngineKernels`].
    #[must_use]
    pub fn engine_factor(
        &self,
        engine: &str,
        class: EngineKernel,
        format: NumberFormat,
        rows: f64,
    ) -> f64 {
        let kernels = self.engine.get(engine);
        kernels.map_or(1.0, |kernels| kernels.factor(class, format, rows))
    }
}

/// What `calibrate kernels` fits the curves from and what it leaves as it is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refit {
    /// Id of the chip that was measured.
    pub chip: String,
    /// Folder of its tables under `systems/data`.
    pub tables: String,
    /// Package that the tables came with.
    pub package: String,
    /// Date of the fit.
    pub date: String,
    /// What the tables do not decide, as "class" or "class.coefficient"; `method` says why.
    #[serde(default)]
    pub held: Vec<String>,
    /// What is not used: tables as "file/engine", factors as "class/engine"; `method` says why.
    #[serde(default)]
    pub left_out: Vec<String>,
}

/// A product in tiles: t = launch + quantisation + |compute, memory|, the norm of the two times that
/// overlap in part.
///
/// compute = waves x 2 x 64 x 64 x (depth + prologue) / (peak of one processor x `compute`);
/// memory = bytes / (bandwidth x `memory`). Waves, splitting and the norm: `chip`, `ChipSpec::gemm`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GemmCurve {
    /// Share of the dense peak that full tiles of endless depth reach.
    pub compute: f64,
    /// Share of the memory bandwidth reached when memory binds.
    pub memory: f64,
    /// Fixed time of a kernel.
    pub launch: Seconds,
    /// Depth that filling the pipeline and writing the result of a tile cost.
    pub prologue: f64,
    /// Smallest depth of a piece when idle processors share the depth of a tile; none: they idle.
    #[serde(default)]
    pub split: Option<f64>,
    /// Share of the bandwidth at which inputs are first narrowed from 16 bits; none: not counted.
    #[serde(default)]
    pub quantise: Option<f64>,
    /// Median absolute relative error of the fit on measurements it has not seen.
    pub median_error: f64,
    /// 90th percentile of it.
    pub p90_error: f64,
}

/// Fused attention of many query tokens in tiles of 128: t = launch + |compute, memory|.
///
/// compute = waves x 2 x 128 x (keys + `half`) x (qk + value width + `softmax`) / (peak of one
/// processor x `compute`); memory = bytes / (bandwidth x `memory`).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrefillCurve {
    /// Share of the dense peak at long sequences and wide heads.
    pub compute: f64,
    /// Keys that filling and draining the pipeline of a tile cost.
    pub half: f64,
    /// Head width that the softmax of a pair of tokens costs.
    pub softmax: f64,
    /// Share of the memory bandwidth; engines also copy and write the cache.
    pub memory: f64,
    /// Fixed time of a kernel.
    pub launch: Seconds,
    /// Median absolute relative error of the fit on measurements it has not seen.
    pub median_error: f64,
    /// 90th percentile of it.
    pub p90_error: f64,
}

/// Saturating efficiency of attention over a cache: t = launch + |w, tiles|, where w is the larger of
/// compute and b / (bandwidth x peak x b / (b + half)), b the bytes read, and tiles = sequences x key
/// heads x `tile` / processors.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecodeCurve {
    /// Share of the memory bandwidth reached with large caches.
    pub peak: f64,
    /// The cache, in bytes, at which half of it is reached.
    pub half: f64,
    /// Fixed time of a kernel.
    pub launch: Seconds,
    /// Time that one sequence and key head hold a processor at least; none: not counted.
    #[serde(default)]
    pub tile: Option<Seconds>,
    /// Share of the dense 16-bit peak when arithmetic binds; none: that of plain products.
    #[serde(default)]
    pub compute: Option<f64>,
    /// Median absolute relative error of the fit on measurements it has not seen.
    pub median_error: f64,
    /// 90th percentile of it, where it was measured.
    #[serde(default)]
    pub p90_error: Option<f64>,
}

/// Power by kind of work (`ChipSpec::energy`), as shares of the package's thermal design power.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerCurve {
    /// Idle power.
    pub idle: Power,
    /// Kernels that neither calculate nor move anything.
    pub active: f64,
    /// What arithmetic at the peak adds.
    pub compute: f64,
    /// What the full bandwidth of the memory adds.
    pub memory: f64,
    /// The most that kernels draw.
    pub limit: f64,
    /// Communication.
    pub communication: f64,
    /// Source id.
    pub source: String,
    /// How the shares were found.
    #[serde(default)]
    pub note: Option<String>,
}

/// An all-reduce in one step, each rank reading the whole message of every other:
/// t = launch + peer x (n - 2) + (n - 1) x size / (link bandwidth x `share`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneShot {
    /// Time of a smallest message between two ranks.
    pub launch: Seconds,
    /// Time of each further peer.
    pub peer: Seconds,
    /// Share of the link bandwidth reached.
    pub share: f64,
    /// Source id.
    pub source: String,
    /// Rows of `collective_measurements.csv` that it was fitted on, as "coll-7" or "coll-7 to
    /// coll-9".
    pub fitted_on: Vec<String>,
}

/// Kinds of collectives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CollectiveKind {
    /// Every rank ends with the sum.
    AllReduce,
    /// Every rank ends with all parts.
    AllGather,
    /// Every rank ends with its part of the sum.
    ReduceScatter,
    /// Every rank sends a different part to every other.
    AllToAll,
}

/// A measured curve of one collective on one number of ranks of one domain.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectiveCurve {
    /// Which collective.
    pub kind: CollectiveKind,
    /// Ranks it was measured on.
    pub ranks: u64,
    /// Experts of a token when it was measured as expert dispatch: its size counts every copy of a
    /// token, its time only the copies that are sent.
    #[serde(default)]
    pub top_k: Option<u64>,
    /// Smallest time.
    pub latency: Seconds,
    /// Source id.
    pub source: String,
    /// Points in rising size.
    pub points: Vec<CurvePoint>,
}

/// One measured point; size and bandwidth as nccl-tests print them.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// Message size in the convention of nccl-tests.
    pub size: Bytes,
    /// Bus bandwidth.
    pub bus: Bandwidth,
}
