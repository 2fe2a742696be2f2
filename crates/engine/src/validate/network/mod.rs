//! Collectives against published measurements, row by row, in time.
//!
//! A table in the columns of `collective_measurements.csv` comes in; every row comes out, predicted
//! by the functions that training and serving call, or skipped with a reason. A row is predicted
//! without the curves of its own system and rank count, so that no row is shown to itself; beside it
//! stand the prediction with all curves and the one with those of another chip. Rows from which the
//! data say that a constant was fitted are marked and left out of the errors.

mod baseline;
mod columns;
mod fitted;
mod measured;
mod operation;
mod place;
mod summary;

use chokepoint_diag::Diagnostic;
use chokepoint_fabric::Fabric;
use chokepoint_units::Seconds;

pub use summary::NetworkSummary;

use super::assumed::Assumed;
use super::row::{Row, rows};
use crate::Data;
use operation::{Operation, operation};
use place::{Place, is_in_curves};

/// A validated table of collectives.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkValidation {
    /// Every row, in the order of the table.
    pub rows: Vec<NetworkRow>,
    /// Statistics by group.
    pub summary: Vec<NetworkSummary>,
}

/// One row of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkRow {
    /// Its id, or its line.
    pub row_id: String,
    /// System as the table names it.
    pub system: String,
    /// Collective as the table names it.
    pub collective: String,
    /// Algorithm as the table names it.
    pub algorithm: String,
    /// Library as the table names it.
    pub library: String,
    /// Ranks.
    pub ranks: Option<u64>,
    /// Size as the table counts it, bytes.
    pub size_bytes: Option<f64>,
    /// What the ranks span: a node, a domain of several nodes, several domains; empty where the
    /// system is not known.
    pub span: &'static str,
    /// Why it was not predicted.
    pub skipped: Option<String>,
    /// The prediction.
    pub prediction: Option<NetworkPrediction>,
    /// What was assumed.
    pub assumed: Vec<String>,
}

/// A prediction beside its measurement; seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkPrediction {
    /// Predicted without the curves of the row's own rank count.
    pub predicted: f64,
    /// Measured, or from a bandwidth by its definition.
    pub measured: f64,
    /// Ends of the 80% interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Rank counts of the curves it rests on; none: latency and bandwidth alone.
    pub curves: Vec<u64>,
    /// The same prediction with all curves of the chip.
    pub with_all: f64,
    /// With the curves of the nearest other chip.
    pub with_other: Option<f64>,
    /// Whether a constant of the data was fitted on this row.
    pub fitted: bool,
    /// Latency and bandwidth fitted on the row's own series, where it has rows enough.
    pub baseline: Option<f64>,
}

impl NetworkPrediction {
    /// Predicted over measured time, less one.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        self.predicted / self.measured - 1.0
    }

    /// Whether the measurement lies in the interval.
    #[must_use]
    pub fn covers(&self) -> bool {
        (self.low..=self.high).contains(&self.measured)
    }
}

/// A table of published collectives, read and not yet predicted.
#[derive(Debug, Clone)]
pub struct NetworkTable {
    rows: Vec<Row>,
}

impl NetworkTable {
    /// Reads a table.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostic> {
        rows(file, text, &columns::NETWORK).map(|rows| Self { rows })
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Predicts one row; nothing of a row that there is not.
    #[must_use]
    pub fn validate(&self, row: usize, data: &Data) -> Option<NetworkRow> {
        self.rows.get(row).map(|row| validate_row(row, data))
    }
}

impl NetworkValidation {
    /// Rows, in the order of the table, with the baseline and their statistics.
    #[must_use]
    pub fn of(mut rows: Vec<NetworkRow>) -> Self {
        baseline::fill(&mut rows);
        let summary = summary::summaries(&rows);
        Self { rows, summary }
    }
}

/// Validates a table of collectives.
///
/// # Errors
/// When the table cannot be read; a row that cannot be predicted is a result.
pub fn validate_network(
    file: &str,
    text: &str,
    data: &Data,
) -> Result<NetworkValidation, Diagnostic> {
    let table = NetworkTable::parse(file, text)?;
    let rows = (0..table.rows()).filter_map(|row| table.validate(row, data));
    Ok(NetworkValidation::of(rows.collect()))
}

fn validate_row(row: &Row, data: &Data) -> NetworkRow {
    let mut found = NetworkRow {
        row_id: row.id(),
        system: row.text_or_blank("system").to_owned(),
        collective: row.text_or_blank("collective").to_owned(),
        algorithm: row.text_or_blank("algorithm").to_owned(),
        library: row.text_or_blank("library").to_owned(),
        ranks: row.count("ranks"),
        size_bytes: row.number("message_bytes"),
        span: "",
        skipped: None,
        prediction: None,
        assumed: Vec::new(),
    };
    let mut assumed = Assumed::default();
    match predict(row, data, &mut found, &mut assumed) {
        Ok(prediction) => {
            found.prediction = Some(prediction);
            found.assumed = assumed.take();
        }
        Err(reason) => found.skipped = Some(reason),
    }
    found
}

fn predict(
    row: &Row,
    data: &Data,
    found: &mut NetworkRow,
    assumed: &mut Assumed,
) -> Result<NetworkPrediction, String> {
    let catalog = &data.catalog;
    let operation = operation(row, assumed)?;
    let place = Place::of(catalog, row, assumed)?;
    found.span = place.span;
    let measured = measured::seconds(row, &operation, &place, assumed)?;
    let all = place.fabric(catalog)?;
    let own = if is_in_curves(row, &operation) {
        place.fabric_without(catalog, place.ranks)?
    } else {
        all.clone()
    };
    let predicted = time(&own, &place, &operation).get();
    let spread = own.spread(place.group);
    Ok(NetworkPrediction {
        predicted,
        measured,
        low: predicted * (1.0 - spread),
        high: predicted * (1.0 + spread),
        curves: curves(&own, &place, &operation),
        with_all: time(&all, &place, &operation).get(),
        with_other: place
            .fabric_of_other(catalog)
            .map(|fabric| time(&fabric, &place, &operation).get()),
        fitted: fitted::is_fitted(catalog, &found.row_id),
        baseline: None,
    })
}

/// The time of an operation on a fabric.
fn time(fabric: &Fabric, place: &Place, operation: &Operation) -> Seconds {
    use chokepoint_catalog::CollectiveKind as Kind;
    let group = place.group;
    match *operation {
        Operation::Collective(Kind::AllReduce, size) => fabric.all_reduce(group, size),
        Operation::Collective(Kind::AllGather, size) => fabric.all_gather(group, size),
        Operation::Collective(Kind::ReduceScatter, size) => fabric.reduce_scatter(group, size),
        Operation::Collective(Kind::AllToAll, size) => fabric.all_to_all(group, size),
        Operation::Ring(size) => {
            fabric.reduce_scatter(group, size) + fabric.all_gather(group, size)
        }
        Operation::OneShot(size) => fabric.all_reduce_one_shot(group, size),
        Operation::Experts(dispatch) => fabric.dispatch(group, dispatch),
        Operation::FewTokens(dispatch) => fabric.dispatch_direct(group, dispatch),
    }
}

/// Rank counts of the curves that a prediction rests on.
fn curves(fabric: &Fabric, place: &Place, operation: &Operation) -> Vec<u64> {
    use chokepoint_catalog::CollectiveKind as Kind;
    let (inside, _) = place.group.split(place.parts.system.domain.chips);
    match operation {
        Operation::Collective(kind, _) => fabric.curve_ranks(*kind, inside),
        Operation::Ring(_) => fabric.curve_ranks(Kind::AllGather, inside),
        Operation::OneShot(_) => fabric.curve_ranks(Kind::AllReduce, inside),
        Operation::Experts(_) => fabric.dispatch_curve_ranks(inside),
        Operation::FewTokens(_) => fabric.curve_ranks(Kind::AllToAll, inside),
    }
}
