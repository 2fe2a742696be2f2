//! Serving predictions against published measurements, row by row.
//!
//! A table in the columns of `validation_inference.csv` comes in; every row comes out, predicted at
//! its own layout and load on its primary metric, on the time to its first token where both are
//! given, and on power where it was measured at the chips, or skipped with a reason. What a row does
//! not say takes a stated default, and is listed. Nothing here is fitted: the calibration is the
//! data's.

mod baseline;
mod benchmark;
pub(crate) mod case;
mod columns;
mod layout;
mod load;
mod metric;
mod model;
mod numbers;
mod peer;
pub(crate) mod predict;
mod setup;
mod summary;
mod tier;

use chokepoint_chip::ChipSpec;
use chokepoint_diag::Diagnostic;

pub use peer::Peer;
pub use summary::ServingSummary;

use super::row::{Row, rows};
use crate::Data;
use case::{Predicted, ServingCase};
use metric::{Measured, Metric, measured};
use setup::{Setup, setup};

/// A validated table of serving runs.
#[derive(Debug, Clone, PartialEq)]
pub struct ServingValidation {
    /// Every row of the table, once for each figure that is compared, in its order.
    pub rows: Vec<ServingRow>,
    /// Statistics by group.
    pub summary: Vec<ServingSummary>,
}

/// A figure of a row of a table, or a row that was not predicted.
#[derive(Debug, Clone, PartialEq)]
pub struct ServingRow {
    /// Its id, or its line.
    pub row_id: String,
    /// Source of the measurement.
    pub source: String,
    /// Chip as the table names it.
    pub chip: String,
    /// Model as the table names it.
    pub model: String,
    /// dense or mixture.
    pub class: String,
    /// Precision as the table names it.
    pub precision: String,
    /// Engine file that it was taken for.
    pub engine: String,
    /// Bar that it has to clear; empty where it was not predicted.
    pub tier: &'static str,
    /// Whether the row states all that a prediction needs and is not flagged.
    pub complete: bool,
    /// Whether it is the first figure of its row.
    pub first: bool,
    /// Why it was not predicted.
    pub skipped: Option<String>,
    /// The prediction.
    pub prediction: Option<ServingPrediction>,
    /// What was assumed.
    pub assumed: Vec<String>,
}

/// A prediction beside its measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct ServingPrediction {
    /// What is compared.
    pub metric: &'static str,
    /// Predicted.
    pub predicted: f64,
    /// Measured.
    pub measured: f64,
    /// Ends of the 80% interval of the prediction.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Layout and load.
    pub plan: String,
    /// Sequences on each attention group.
    pub batch: f64,
    /// Parts of the time of one output token, or of the first where that is compared or nothing is
    /// decoded, seconds.
    pub breakdown: Vec<(&'static str, f64)>,
    /// Whether the plan fits the memory by our count.
    pub fits: bool,
    /// Weights, cache and activations of the fullest chip, bytes.
    pub memory_bytes: f64,
    /// Bytes over bandwidth, with one factor for each chip, engine and class.
    pub baseline: Option<f64>,
    /// The same with the calibration of other chips.
    pub without_chip: Option<f64>,
    /// What another program predicts.
    pub peer: Option<f64>,
    /// Bytes over bandwidth alone.
    pub(crate) bound: Option<f64>,
    pub(crate) is_rate: bool,
}

impl ServingPrediction {
    /// Predicted over measured, less one.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        self.predicted / self.measured - 1.0
    }

    /// Whether the measurement lies in the interval.
    #[must_use]
    pub fn covers(&self) -> bool {
        (self.low..=self.high).contains(&self.measured)
    }

    /// Predicted over measured time, less one, where more is better: positive is too slow.
    pub(crate) fn slowness(&self) -> f64 {
        if self.is_rate {
            self.measured / self.predicted - 1.0
        } else {
            self.relative_error()
        }
    }
}

/// A table of published serving runs, read and not yet predicted.
#[derive(Debug, Clone)]
pub struct ServingTable {
    rows: Vec<Row>,
}

impl ServingTable {
    /// Reads a table.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostic> {
        rows(file, text, &columns::SERVING).map(|rows| Self { rows })
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Predicts one row, each of its figures; nothing of a row that there is not.
    #[must_use]
    pub fn validate(&self, row: usize, data: &Data) -> Vec<ServingRow> {
        self.rows
            .get(row)
            .map(|row| validate_row(row, data))
            .unwrap_or_default()
    }
}

impl ServingValidation {
    /// Rows, in the order of the table, with the baseline and their statistics.
    #[must_use]
    pub fn of(mut rows: Vec<ServingRow>, peer: Option<&Peer>) -> Self {
        baseline::fill(&mut rows);
        if let Some(peer) = peer {
            peer.fill(&mut rows);
        }
        let summary = summary::summaries(&rows);
        Self { rows, summary }
    }
}

/// Validates a table of serving runs.
///
/// # Errors
/// When the table cannot be read; a row that cannot be predicted is a result.
pub fn validate_serving(
    file: &str,
    text: &str,
    data: &Data,
) -> Result<ServingValidation, Diagnostic> {
    let table = ServingTable::parse(file, text)?;
    let rows = (0..table.rows()).flat_map(|row| table.validate(row, data));
    Ok(ServingValidation::of(rows.collect(), None))
}

fn validate_row(row: &Row, data: &Data) -> Vec<ServingRow> {
    let mixture = row.count("n_experts").is_some() || row.lower("model_class").contains("moe");
    let mut blank = ServingRow {
        row_id: row.id(),
        source: row.text_or_blank("source_id").to_owned(),
        chip: row.text_or_blank("chip").to_owned(),
        model: row.text_or_blank("model").to_owned(),
        class: if mixture { "mixture" } else { "dense" }.to_owned(),
        precision: row.text_or_blank("precision").to_owned(),
        engine: String::new(),
        tier: "",
        complete: complete(row),
        first: true,
        skipped: None,
        prediction: None,
        assumed: Vec::new(),
    };
    let compared = setup(data, row).and_then(|setup| {
        blank.engine.clone_from(&setup.engine.id);
        compare(data, row, &setup, &blank, mixture).map(|rows| (rows, setup.assumed.take()))
    });
    match compared {
        Ok((mut rows, assumed)) => {
            for row in &mut rows {
                row.assumed.clone_from(&assumed);
            }
            rows
        }
        Err(reason) => {
            blank.skipped = Some(reason);
            vec![blank]
        }
    }
}

/// Every figure of a row beside its prediction.
fn compare(
    data: &Data,
    row: &Row,
    setup: &Setup,
    blank: &ServingRow,
    mixture: bool,
) -> Result<Vec<ServingRow>, String> {
    let figures = measured(row, setup.mode);
    if figures.is_empty() {
        return Err("no latency or throughput is given".to_owned());
    }
    let found = setup.as_measured(predict::predict(&setup.case())?);
    let carried = without_chip(data, setup);
    let rows: Vec<ServingRow> = figures
        .iter()
        .filter_map(|figure| {
            let mut prediction = prediction(setup, figure, &found)?;
            prediction.without_chip = carried
                .as_ref()
                .and_then(|carried| figure.metric.of(carried, setup.chips));
            Some(ServingRow {
                prediction: Some(prediction),
                tier: tier::tier(setup, figure.metric, &blank.chip, mixture),
                ..blank.clone()
            })
        })
        .enumerate()
        .map(|(at, row)| ServingRow {
            first: at == 0,
            ..row
        })
        .collect();
    if rows.is_empty() {
        return Err("the metric of the row is not predicted in its mode".to_owned());
    }
    Ok(rows)
}

/// The prediction with the curves of another chip: those of H100, of H200 for H100 itself. What an
/// engine's host and kernels do is kept, which is fitted on all chips together.
fn without_chip(data: &Data, setup: &Setup) -> Option<Predicted> {
    let other = ["h100-sxm", "h200-sxm"]
        .into_iter()
        .find(|id| *id != setup.curves)?;
    let chip = data.catalog.chip(&setup.chip.id).ok()?;
    let chip = ChipSpec::new(chip, data.catalog.calibration(other).ok()?).ok()?;
    let case = ServingCase {
        chip: &chip,
        curves: other,
        ..setup.case()
    };
    predict::predict(&case)
        .ok()
        .map(|found| setup.as_measured(found))
}

fn prediction(setup: &Setup, figure: &Measured, found: &Predicted) -> Option<ServingPrediction> {
    let metric = figure.metric;
    let predicted = metric.of(found, setup.chips)?;
    let spread = if metric == Metric::TtftMs {
        found.first_spread
    } else {
        found.spread
    };
    let (narrow, wide) = ((1.0 - spread).max(0.05), 1.0 + spread);
    let (low, high) = if metric.is_rate() {
        (predicted / wide, predicted / narrow)
    } else {
        (predicted * narrow, predicted * wide)
    };
    Some(ServingPrediction {
        metric: metric.key(),
        predicted,
        measured: figure.value,
        low,
        high,
        plan: format!("{} {}", setup.parallelism, setup.formats),
        batch: found.batch,
        breakdown: if metric == Metric::TtftMs {
            found.first.clone()
        } else {
            found.parts.clone()
        },
        fits: found.fits,
        memory_bytes: found.memory.get(),
        baseline: None,
        without_chip: None,
        peer: None,
        bound: baseline::bound(setup, metric, found),
        is_rate: metric.is_rate(),
    })
}

/// Whether a row states what a prediction needs (`validation.md` section 2.3) and is not flagged.
fn complete(row: &Row) -> bool {
    let mode = row.lower("mode");
    let stated = |columns: &[&str]| columns.iter().all(|column| row.number(column).is_some());
    let any = |columns: &[&str]| columns.iter().any(|column| row.number(column).is_some());
    let load = [
        "batch_total",
        "batch_per_chip",
        "concurrency",
        "request_rate",
    ];
    let open = mode.contains("offline") || any(&load);
    let layout = any(&["tp", "prefill_tp", "decode_tp"]);
    stated(&["n_layers", "hidden", "n_chips", "isl", "osl"])
        && open
        && layout
        && row.text("precision").is_some()
        && row.text_or_blank("quality_flag").is_empty()
}
