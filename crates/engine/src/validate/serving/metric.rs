//! What a row measured, and the same of a prediction.

use super::case::{Mode, Predicted};
use crate::validate::row::Row;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    TtftMs,
    TpotMs,
    ItlMs,
    WholeMs,
    OutputPerChip,
    Output,
    InputPerChip,
    Total,
    Requests,
    Power,
    JoulesPerToken,
}

use Metric::{
    InputPerChip, ItlMs, JoulesPerToken, Output, OutputPerChip, Power, Requests, Total, TpotMs,
    TtftMs, WholeMs,
};

/// Metrics with their column in tables and their key in output; the first of a row that is there
/// counts where its primary one is not known.
const METRICS: [(Metric, &str, &str); 11] = [
    (TpotMs, "tpot_ms", "tpot_ms"),
    (ItlMs, "itl_ms", "itl_ms"),
    (WholeMs, "e2e_latency_ms", "whole_ms"),
    (
        OutputPerChip,
        "output_tok_s_per_chip",
        "output_tokens_per_second_per_chip",
    ),
    (Output, "output_tok_s_total", "output_tokens_per_second"),
    (
        InputPerChip,
        "input_tok_s_per_chip",
        "input_tokens_per_second_per_chip",
    ),
    (Total, "total_tok_s", "tokens_per_second"),
    (Requests, "req_per_s", "requests_per_second"),
    (TtftMs, "ttft_ms", "ttft_ms"),
    (Power, "", "power_watts"),
    (JoulesPerToken, "", "joules_per_output_token"),
];

/// A published figure of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    pub metric: Metric,
    pub value: f64,
}

impl Metric {
    /// Key in output.
    pub(super) fn key(self) -> &'static str {
        let found = METRICS.iter().find(|(metric, ..)| *metric == self);
        found.map_or("", |(.., key)| key)
    }

    /// Whether more of it is better: it falls as iterations take longer.
    pub(super) const fn is_rate(self) -> bool {
        matches!(
            self,
            OutputPerChip | Output | InputPerChip | Total | Requests | Power
        )
    }

    /// The metric of a prediction on some chips; absent where the prediction has none.
    pub(super) fn of(self, found: &Predicted, chips: u64) -> Option<f64> {
        let (rates, chips) = (&found.rates, chips as f64);
        Some(match self {
            TtftMs => found.ttft?.get() * 1e3,
            TpotMs | ItlMs => found.tpot?.get() * 1e3,
            WholeMs => found.whole?.get() * 1e3,
            OutputPerChip => rates.output_tokens_per_second / chips,
            Output => rates.output_tokens_per_second,
            InputPerChip => rates.input_tokens_per_second / chips,
            Total => rates.input_tokens_per_second + rates.output_tokens_per_second,
            Requests => rates.requests_per_second,
            Power => found.power?.get(),
            JoulesPerToken => found.power?.get() / rates.output_tokens_per_second,
        })
    }
}

/// The published figures of a row: its primary metric where it is known, else the first of the
/// others, the time to the first token beside it, and power and energy.
pub(super) fn measured(row: &Row, mode: Mode) -> Vec<Measured> {
    let mut found: Vec<Measured> = primary(row).into_iter().collect();
    let has_ttft = found.iter().any(|known| known.metric == TtftMs);
    if let Some(value) = positive(row, "ttft_ms")
        && !has_ttft
        && !found.is_empty()
        && !matches!(mode, Mode::MlperfServer | Mode::MlperfInteractive)
    {
        found.push(Measured {
            metric: TtftMs,
            value,
        });
    }
    if let Some(watts) = positive(row, "avg_power_w") {
        found.push(Measured {
            metric: Power,
            value: watts,
        });
        if let Some(tokens) = positive(row, "output_tok_s_total") {
            found.push(Measured {
                metric: JoulesPerToken,
                value: watts / tokens,
            });
        }
    }
    found
}

fn positive(row: &Row, column: &str) -> Option<f64> {
    row.number(column).filter(|value| *value > 0.0)
}

fn primary(row: &Row) -> Option<Measured> {
    let name = row.text_or_blank("primary_metric");
    let in_tables = METRICS.iter().filter(|(_, column, _)| !column.is_empty());
    let named = in_tables.clone().find(|(_, column, _)| *column == name);
    if let Some((metric, ..)) = named
        && let Some(value) = positive(row, "primary_value")
    {
        return Some(Measured {
            metric: *metric,
            value,
        });
    }
    in_tables
        .filter_map(|(metric, column, _)| {
            Some(Measured {
                metric: *metric,
                value: positive(row, column)?,
            })
        })
        .next()
}
