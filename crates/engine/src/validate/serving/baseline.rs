//! What a constant does: bytes over bandwidth, times one factor for each chip, engine and class,
//! fitted on the rows that are predicted.

use std::collections::BTreeMap;

use chokepoint_model::Architecture;

use super::ServingRow;
use super::case::{Mode, Predicted, Workers};
use super::metric::Metric;
use super::setup::Setup;
use crate::validate::summary::quantile;

/// The time or the rate of a row if every iteration took as long as reading weights and cache, and
/// every prompt as long as its operations at the peak; nothing of energy.
pub(super) fn bound(setup: &Setup, metric: Metric, found: &Predicted) -> Option<f64> {
    if matches!(metric, Metric::Power | Metric::JoulesPerToken) {
        return None;
    }
    let workers = setup.parallelism.decoders();
    let iteration = iteration(setup, workers, found.batch);
    let prompt = prompt(setup, workers);
    let lengths = &setup.lengths;
    let groups = workers.groups();
    let later = (lengths.output - 1.0).max(1.0);
    let alone = lengths.output <= 1.0 || setup.mode == Mode::PrefillOnly;
    let batch_time = if alone {
        prompt * found.batch
    } else {
        iteration * later
    };
    let requests = groups * found.batch / batch_time;
    let chips = setup.chips as f64;
    Some(match metric {
        Metric::TtftMs => prompt * 1e3,
        Metric::TpotMs | Metric::ItlMs => iteration * 1e3,
        Metric::WholeMs => (prompt * found.batch + iteration * later) * 1e3,
        Metric::OutputPerChip => requests * lengths.output / chips,
        Metric::Output => requests * lengths.output,
        Metric::InputPerChip => groups * lengths.input / prompt / chips,
        Metric::Total => requests * (lengths.input + lengths.output),
        Metric::Requests => requests,
        Metric::Power | Metric::JoulesPerToken => return None,
    })
}

/// Seconds to read the weights that the tokens of an iteration touch, and their cache.
fn iteration(setup: &Setup, workers: &Workers, batch: f64) -> f64 {
    let architecture = &setup.architecture;
    let spread = workers.spread;
    let sequences = batch * spread.dp as f64 * spread.pp as f64;
    let (all, active) = parameters(architecture);
    let touched = (active * sequences).min(all).max(active);
    let context = setup.lengths.input + setup.lengths.output / 2.0;
    let cache = architecture.kv_bytes(setup.formats.cache, 1, context).get() * sequences;
    let bytes = touched * setup.formats.weights.stored_bytes() + cache;
    bytes / (spread.chips() as f64 * setup.chip.bandwidth.get())
}

/// Seconds of the operations of a prompt at the peak of its group's chips.
fn prompt(setup: &Setup, workers: &Workers) -> f64 {
    let wide = setup.chip.wide_format();
    let peak = setup.chip.peak(setup.formats.activations);
    let peak = peak
        .or_else(|| setup.chip.peak(wide))
        .map_or(1.0, chokepoint_units::OpsRate::get);
    let (_, active) = parameters(&setup.architecture);
    2.0 * active * setup.lengths.input / (peak * workers.spread.tp as f64)
}

fn parameters(architecture: &Architecture) -> (f64, f64) {
    (
        architecture.parameters_main() as f64,
        architecture.active_parameters() as f64,
    )
}

/// Fills in the baseline of every row: the bound times the median of measured over bound of rows
/// with the same chip, engine, class and metric; complete rows where there are any.
pub(super) fn fill(rows: &mut [ServingRow]) {
    let mut ratios: BTreeMap<_, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for row in rows.iter() {
        if let Some(found) = &row.prediction
            && let Some(bound) = found.bound
        {
            let entry = ratios.entry(key(row, found.metric)).or_default();
            if row.complete {
                entry.0.push(found.measured / bound);
            }
            entry.1.push(found.measured / bound);
        }
    }
    let factors: BTreeMap<_, f64> = ratios
        .into_iter()
        .map(|(key, (complete, all))| {
            let chosen = if complete.is_empty() { all } else { complete };
            (key, quantile(chosen, 0.5))
        })
        .collect();
    for row in rows {
        let Some(metric) = row.prediction.as_ref().map(|found| found.metric) else {
            continue;
        };
        let factor = factors.get(&key(row, metric)).copied();
        if let Some(found) = &mut row.prediction {
            found.baseline = found
                .bound
                .zip(factor)
                .map(|(bound, factor)| bound * factor);
        }
    }
}

type Key = (String, String, String, &'static str);

fn key(row: &ServingRow, metric: &'static str) -> Key {
    let engine = row.engine.clone();
    (row.chip.clone(), engine, row.class.clone(), metric)
}
