//! Predictions against published measurements, row by row.
//!
//! A table in the columns of `validation_training.csv` comes in; every row comes out, predicted
//! at its own plan or skipped with a reason. What a row does not say is searched or takes a
//! stated default, and is listed. Nothing here is fitted: the calibration is the data's.

mod architecture;
mod assumed;
mod case;
mod measured;
mod network;
mod row;
pub(crate) mod serving;
mod summary;
mod table;

use chokepoint_diag::Diagnostic;
use chokepoint_units::NumberFormat;

pub use network::{
    NetworkPrediction, NetworkRow, NetworkSummary, NetworkTable, NetworkValidation,
    validate_network,
};
pub use serving::{
    Peer, ServingPrediction, ServingRow, ServingSummary, ServingTable, ServingValidation,
    validate_serving,
};
pub use summary::{Errors, SummaryRow, group_summary};
pub use table::TrainingTable;

use crate::Data;
use crate::prediction::breakdown;
use case::{Setup, predict, setup, step_on, with_sustained};
use measured::{interval, measured};
use row::Row;

/// A validated table.
#[derive(Debug, Clone, PartialEq)]
pub struct Validation {
    /// Every row, in the order of the table.
    pub rows: Vec<ValidationRow>,
    /// Statistics by group.
    pub summary: Vec<SummaryRow>,
}

/// One row of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidationRow {
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
    /// Framework file that it was taken for.
    pub framework: String,
    /// Whether the row states all that a prediction needs and is not flagged.
    pub complete: bool,
    /// Why it was not predicted.
    pub skipped: Option<String>,
    /// The prediction.
    pub prediction: Option<RowPrediction>,
    /// What was assumed or searched.
    pub assumed: Vec<String>,
}

/// A prediction beside its measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct RowPrediction {
    /// What is compared.
    pub metric: &'static str,
    /// Predicted.
    pub predicted: f64,
    /// Measured.
    pub measured: f64,
    /// Predicted over measured, less one.
    pub relative_error: f64,
    /// Ends of the 80% interval of the prediction.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// The plan.
    pub plan: String,
    /// Parts of the step, seconds.
    pub breakdown: Vec<(&'static str, f64)>,
    /// Whether the plan fits the memory by our count.
    pub fits: bool,
    /// Memory of the fullest chip, bytes.
    pub memory_bytes: f64,
    /// The same as measured, bytes.
    pub measured_memory_bytes: Option<f64>,
    /// Predicted and measured step, and the step with the sustained rate of other chips, seconds.
    pub(crate) step: f64,
    pub(crate) measured_step: f64,
    pub(crate) step_without_chip: Option<f64>,
    /// Model operations of a chip in a step.
    pub(crate) model_ops: f64,
    pub(crate) is_rate: bool,
}

impl RowPrediction {
    /// Whether the measurement lies in the interval.
    #[must_use]
    pub fn covers(&self) -> bool {
        (self.low..=self.high).contains(&self.measured)
    }

    /// Predicted and measured time of a step, seconds; the measured one follows from the metric.
    #[must_use]
    pub const fn steps(&self) -> (f64, f64) {
        (self.step, self.measured_step)
    }

    /// Predicted over measured memory, less one.
    #[must_use]
    pub fn memory_error(&self) -> Option<f64> {
        Some(self.memory_bytes / self.measured_memory_bytes? - 1.0)
    }

    /// The relative error of the metric when the step took some time.
    pub(crate) fn error_of_step(&self, step: f64) -> f64 {
        let ratio = step / self.measured_step;
        if self.is_rate {
            1.0 / ratio - 1.0
        } else {
            ratio - 1.0
        }
    }
}

/// Validates a table of training runs.
///
/// # Errors
/// When the table cannot be read; a row that cannot be simulated is a result.
pub fn validate_training(file: &str, text: &str, data: &Data) -> Result<Validation, Diagnostic> {
    let table = TrainingTable::parse(file, text)?;
    let rows = (0..table.rows()).filter_map(|row| table.validate(row, data));
    Ok(Validation::of(rows.collect()))
}

fn validate_row(row: &Row, data: &Data) -> ValidationRow {
    let mixture = row.count("n_experts").is_some() || row.lower("model_class").contains("moe");
    let mut found = ValidationRow {
        row_id: row.id(),
        source: row.text_or_blank("source_id").to_owned(),
        chip: row.text_or_blank("chip").to_owned(),
        model: row.text_or_blank("model").to_owned(),
        class: if mixture { "mixture" } else { "dense" }.to_owned(),
        precision: row.text_or_blank("precision").to_owned(),
        framework: String::new(),
        complete: complete(row),
        skipped: None,
        prediction: None,
        assumed: Vec::new(),
    };
    let prediction = setup(&data.catalog, row).and_then(|mut setup| {
        found.framework.clone_from(&setup.framework);
        let prediction = compare(row, data, &mut setup)?;
        Ok((prediction, setup.assumed.take()))
    });
    match prediction {
        Ok((prediction, assumed)) => {
            found.prediction = Some(prediction);
            found.assumed = assumed;
        }
        Err(reason) => found.skipped = Some(reason),
    }
    found
}

/// Whether a row states what a prediction needs (`validation.md` section 2.3) and is not flagged;
/// a reduced number of layers is no flaw.
fn complete(row: &Row) -> bool {
    let columns = [
        "n_layers", "hidden", "n_chips", "tp", "pp", "mbs", "gbs", "seq_len",
    ];
    let flag = row.text_or_blank("quality_flag");
    columns.iter().all(|column| row.count(column).is_some())
        && row.text("precision").is_some()
        && (flag.is_empty() || flag == "proxy_model")
        && measured(row).is_some()
}

fn compare(row: &Row, data: &Data, setup: &mut Setup) -> Result<RowPrediction, String> {
    let measured = measured(row).ok_or("no step time or throughput is given")?;
    let found = predict(setup)?;
    let others = sustained_of_others(data, &setup.curves, found.plan.format);
    let without = step_on(setup, &with_sustained(setup, others), &found.plan);
    let case = setup.case();
    let predicted = measured.metric.of(&case, found.step);
    let (low, high) = interval(measured.metric, &case, &found);
    let relative_error = predicted / measured.value - 1.0;
    let is_rate = measured.metric.is_rate();
    let ratio = if is_rate {
        predicted / measured.value
    } else {
        measured.value / predicted
    };
    let tokens = (setup.workload.global_batch * setup.workload.sequence) as f64;
    let ops = setup
        .architecture
        .training_flops_per_token(setup.workload.sequence, true);
    Ok(RowPrediction {
        metric: measured.metric.key(),
        predicted,
        measured: measured.value,
        relative_error,
        low,
        high,
        plan: found.plan.to_string(),
        breakdown: breakdown(&found),
        fits: found.memory.total <= found.memory.usable,
        memory_bytes: found.memory.total.get(),
        measured_memory_bytes: measured_memory(row),
        step: found.step.get(),
        measured_step: found.step.get() * ratio,
        step_without_chip: without.map(chokepoint_units::Seconds::get),
        model_ops: (ops * tokens).get() / setup.chips as f64,
        is_rate,
    })
}

/// Memory that a row states, bytes: in GB, or in GiB where its notes say so or its framework prints
/// them.
fn measured_memory(row: &Row) -> Option<f64> {
    let prints = row.lower("framework").contains("torchtitan");
    let unit = if prints || row.text_or_blank("notes").contains("GiB") {
        1024.0 * 1024.0 * 1024.0
    } else {
        1e9
    };
    row.number("mem_gb").map(|size| size * unit)
}

/// Median over all measured chips but one of the share sustained in a format.
fn sustained_of_others(data: &Data, curves: &str, format: NumberFormat) -> f64 {
    let others = data
        .catalog
        .calibrations
        .iter()
        .filter(|(id, _)| *id != curves);
    let shares = others.filter_map(|(_, entry)| Some(entry.value.sustained.get(&format)?.value));
    let shares: Vec<f64> = shares.collect();
    if shares.is_empty() {
        1.0
    } else {
        summary::quantile(shares, 0.5)
    }
}
