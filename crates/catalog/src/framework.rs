//! Training frameworks: what a release does by default, and what share of a chip's sustained rate
//! its kernels reach.

use std::collections::BTreeMap;

use chokepoint_units::{NumberFormat, Seconds};
use serde::Deserialize;

use crate::{Figure, FigureRow};

/// A framework file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    /// Version of this schema.
    pub schema: u32,
    /// Lower-case id with hyphens; the file's name.
    pub id: String,
    /// Name.
    pub name: String,
    /// What a reader must know.
    #[serde(default)]
    pub note: Option<String>,
    /// Names, or beginnings of names, under which measurements give it; without regard to case.
    pub names: Vec<String>,
    /// Beginnings of its releases; none for any.
    #[serde(default)]
    pub releases: Vec<String>,
    /// Attention is one fused kernel.
    pub fused_attention: bool,
    /// Tensor parallelism splits the sequence too, unless a run says otherwise.
    pub sequence_parallel: bool,
    /// Without sequence parallelism, pipeline boundaries are passed in parts and gathered on
    /// arrival.
    pub scattered_transfers: bool,
    /// Tensor-parallel traffic runs under multiplications.
    pub overlap_tp: bool,
    /// Expert traffic runs under another micro-batch.
    pub overlap_ep: bool,
    /// Data-parallel traffic runs under compute.
    pub overlap_dp: bool,
    /// Pipelines are interleaved, unless a run says otherwise.
    #[serde(default)]
    pub interleaves: bool,
    /// It trains in formats narrower than 16 bits.
    #[serde(default = "yes")]
    pub narrow: bool,
    /// It has context parallelism.
    #[serde(default = "yes")]
    pub context: bool,
    /// Schedules that put off gradients of weights can be chosen (ZB-H1, ZB-V).
    #[serde(default)]
    pub zero_bubble: bool,
    /// Schedules that run pairs of micro-batches can be chosen (`DualPipe`, `DualPipeV`).
    #[serde(default)]
    pub paired: bool,
    /// Data-parallel chips split the optimizer's state, unless a run says otherwise.
    pub sharded_optimizer: bool,
    /// Tensor parallelism splits routed experts too, unless a run says otherwise.
    #[serde(default)]
    pub splits_experts: bool,
    /// Layers of a model whose weights are trained are recomputed whole, unless a run says
    /// otherwise.
    #[serde(default)]
    pub recomputes: bool,
    /// Precision of the optimizer's state, unless a run says otherwise.
    #[serde(default)]
    pub state: OptimizerState,
    /// Format in which gradients are accumulated and exchanged, unless a run says otherwise.
    #[serde(default = "fp32")]
    pub gradients: NumberFormat,
    /// Host time to start the kernels of one operator; zero where steps are replayed as graphs.
    pub launch: Figure<Seconds>,
    /// What its kernels reach of the chip's sustained rate, by class.
    pub rates: Rates,
    /// Host time of a layer and micro-batch, forward and backward, that nothing hides because the
    /// host waits for the chip in every layer.
    pub layer_wait: Figure<Seconds>,
    /// Host time to start the kernels of one routed expert on a chip, forward and backward, where
    /// experts are cast and multiplied one after the other; zero where they are started together.
    pub expert_launch: Figure<Seconds>,
}

/// Precision of Adam's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerState {
    /// FP32 master weights and moments.
    #[default]
    Fp32,
    /// FP32 master weights, BF16 moments.
    Bf16Moments,
    /// BF16 moments; the 16-bit weights are their own masters.
    Bf16,
}

const fn yes() -> bool {
    true
}

const fn fp32() -> NumberFormat {
    NumberFormat::Fp32
}

/// Shares of a chip's sustained rate by class of kernels.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Plain matrix multiplication.
    pub gemm: Rate,
    /// Grouped (expert) matrix multiplication.
    pub grouped: Rate,
    /// Attention of many query tokens.
    pub attention: Rate,
    /// Elementwise work.
    pub elementwise: Rate,
}

/// A share of a chip's sustained rate; low and high hold 80% of the framework's runs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// On every chip that is not named.
    pub all: Figure<f64>,
    /// On the chips of a calibration, by its id.
    #[serde(default)]
    pub on: BTreeMap<String, Figure<f64>>,
}

impl Rate {
    /// The share on the chips of a calibration.
    #[must_use]
    pub fn on(&self, curves: &str) -> &Figure<f64> {
        self.on.get(curves).unwrap_or(&self.all)
    }
}

impl Rates {
    /// All classes by the name of their field.
    #[must_use]
    pub const fn each(&self) -> [(&'static str, &Rate); 4] {
        [
            ("gemm", &self.gemm),
            ("grouped", &self.grouped),
            ("attention", &self.attention),
            ("elementwise", &self.elementwise),
        ]
    }
}

impl Framework {
    /// Whether a name and a release are this framework's: how much of them it names, in
    /// characters, so that the most specific file counts.
    #[must_use]
    pub fn matches(&self, name: &str, release: &str) -> Option<usize> {
        let begins = |text: &str, known: &String| {
            text.to_lowercase()
                .starts_with(&known.to_lowercase())
                .then_some(known.len())
        };
        let named = self
            .names
            .iter()
            .filter_map(|known| begins(name, known))
            .max()?;
        if self.releases.is_empty() {
            return Some(named);
        }
        let released = self
            .releases
            .iter()
            .filter_map(|known| begins(release, known));
        released.max().map(|length| named + length)
    }

    /// All figures, for listing and checking.
    #[must_use]
    pub fn figures(&self) -> Vec<FigureRow> {
        let mut rows = vec![
            self.launch.row("launch"),
            self.layer_wait.row("layer_wait"),
            self.expert_launch.row("expert_launch"),
        ];
        for (field, rate) in self.rates.each() {
            rows.push(rate.all.row(format!("rates.{field}.all")));
            for (curves, figure) in &rate.on {
                rows.push(figure.row(format!("rates.{field}.on.{curves}")));
            }
        }
        rows
    }
}
