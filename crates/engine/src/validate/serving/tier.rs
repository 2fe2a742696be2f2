//! Tiers of `validation.md` section 6: which rows share a bar.

use super::case::{Load, Mode, Parallelism};
use super::metric::Metric;
use super::setup::Setup;

/// The tier of a figure of a row.
pub(super) fn tier(setup: &Setup, metric: Metric, chip: &str, mixture: bool) -> &'static str {
    let alone =
        matches!(setup.load, Load::Concurrency(clients) | Load::Running(clients) if clients <= 1.0);
    let racks = chip.starts_with("GB");
    match (setup.mode, metric) {
        (_, Metric::Power | Metric::JoulesPerToken) => "I6 power and energy",
        (Mode::StaticBatch | Mode::FirstToken, _) => "I0 static batch, first token alone",
        (_, Metric::TtftMs) if alone => "I0 static batch, first token alone",
        (Mode::PrefillOnly | Mode::DecodeOnly, _) => "I5 disaggregated",
        (_, Metric::TtftMs) => "I3 first token under load",
        _ if matches!(setup.parallelism, Parallelism::Disaggregated { .. }) => "I5 disaggregated",
        (Mode::Saturation, _) => "I4 offline saturation",
        (Mode::Concurrency, _) if racks => "I2b GB200 and GB300",
        (Mode::Concurrency, _) if mixture => "I2 fixed concurrency, mixture",
        (Mode::Concurrency, _) => "I1 fixed concurrency, dense",
        (Mode::MlperfOffline | Mode::MlperfServer | Mode::MlperfInteractive, _) => "I4m MLPerf",
        (Mode::AllAtOnce | Mode::Rate, _) => "I4r all at once, rates",
    }
}
