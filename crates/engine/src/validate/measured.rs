//! What a row measured, and the same of a prediction.

use chokepoint_train::{Case, Prediction};
use chokepoint_units::Seconds;

use super::row::Row;

/// A published figure of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    pub metric: Metric,
    pub value: f64,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    StepSeconds,
    SamplesPerSecond,
    TokensPerSecond,
    TokensPerSecondPerChip,
    ModelTeraflopsPerChip,
    ChipHoursPerTrillionTokens,
}

const METRICS: [(Metric, &str, &str); 6] = [
    (Metric::StepSeconds, "step_time_s", "step_seconds"),
    (
        Metric::TokensPerSecondPerChip,
        "tokens_per_s_per_chip",
        "tokens_per_second_per_chip",
    ),
    (
        Metric::TokensPerSecond,
        "tokens_per_s_total",
        "tokens_per_second",
    ),
    (
        Metric::SamplesPerSecond,
        "samples_per_s",
        "samples_per_second",
    ),
    (
        Metric::ModelTeraflopsPerChip,
        "model_tflops_per_chip",
        "model_teraflops_per_chip",
    ),
    (
        Metric::ChipHoursPerTrillionTokens,
        "gpu_hours_per_trillion_tokens",
        "chip_hours_per_trillion_tokens",
    ),
];

impl Metric {
    /// Key in output.
    pub(super) fn key(self) -> &'static str {
        METRICS
            .iter()
            .find(|(metric, ..)| *metric == self)
            .map_or("", |(.., key)| key)
    }

    /// Whether more of it is faster.
    pub(super) const fn is_rate(self) -> bool {
        !matches!(self, Self::StepSeconds | Self::ChipHoursPerTrillionTokens)
    }

    /// The metric of a prediction whose step took some time, for tokens of a step on some chips.
    ///
    /// Model TFLOP/s count three times the forward pass, causal attention at half.
    pub(super) fn of(self, case: &Case, step: Seconds) -> f64 {
        let (chips, batch) = (case.chips as f64, case.workload.global_batch as f64);
        let sequence = case.workload.sequence;
        let tokens = batch * sequence as f64;
        let seconds = step.get();
        match self {
            Self::StepSeconds => seconds,
            Self::SamplesPerSecond => batch / seconds,
            Self::TokensPerSecond => tokens / seconds,
            Self::TokensPerSecondPerChip => tokens / seconds / chips,
            Self::ModelTeraflopsPerChip => {
                let ops = case.architecture.training_flops_per_token(sequence, true);
                (ops * tokens).get() / seconds / chips / 1e12
            }
            Self::ChipHoursPerTrillionTokens => 1e12 / tokens * seconds * chips / 3600.0,
        }
    }
}

/// The published figure of a row: its primary metric where that is one of the step, else the
/// first of the others that is there. Absent when the row has only a time to train or a share of
/// a peak, which say more than the step.
pub(super) fn measured(row: &Row) -> Option<Measured> {
    let of = |(metric, column, _): &(Metric, &str, &str)| {
        let value = row.number(column).filter(|value| *value > 0.0)?;
        Some(Measured {
            metric: *metric,
            value,
        })
    };
    let primary = row.text_or_blank("primary_metric");
    let named = METRICS.iter().find(|(_, column, _)| *column == primary);
    if let Some((metric, ..)) = named
        && let Some(value) = row.number("primary_value").filter(|value| *value > 0.0)
    {
        return Some(Measured {
            metric: *metric,
            value,
        });
    }
    METRICS.iter().find_map(of)
}

/// Interval of a metric: that of the step, turned round for rates.
pub(super) fn interval(metric: Metric, case: &Case, found: &Prediction) -> (f64, f64) {
    let fast = metric.of(case, found.step * (1.0 - found.spread).max(0.05));
    let slow = metric.of(case, found.step * (1.0 + found.spread));
    (fast.min(slow), fast.max(slow))
}
