//! A user's own benchmark results fitted to a serving engine: what `chokepoint calibrate serving`
//! does.
//!
//! Each run of the benchmark is predicted as `validate --serving` predicts a published one, request
//! by request where it can be ([`crate::validate::serving`]), with the engine's host times as free
//! parameters; residuals are logarithms of predicted over measured mean times ([`least`]). The
//! result is the engine's file with the fitted figures and where they come from ([`write`]).
//!
//! Limits: means only; lengths of requests count as their means; every prompt is computed whole; a
//! limit of requests beside a rate is not modelled; kernel rates are left, which belong to the
//! chip, so that an error which no host time explains stays and is printed.

mod aiperf;
mod guidellm;
mod json;
mod least;
mod predicted;
mod results;
#[cfg(test)]
mod tests;
mod vllm;
mod write;

use chokepoint_catalog::ServingEngine;
use chokepoint_diag::{Code, Diagnostic};
use chokepoint_units::{NumberFormat, Seconds};

pub use least::Verdict;
use least::{Parameter, fit};
pub use predicted::{Answer, BenchmarkFigure};
use predicted::{Setting, figures_of};
pub use results::{BenchmarkFile, BenchmarkLoad, BenchmarkPoint, BenchmarkTool};
pub use write::engine_file;

use crate::Data;
use crate::row::Statement;

/// What is asked of a fit.
#[derive(Debug, Clone, PartialEq)]
pub struct ServingFitRequest {
    /// Id of a model.
    pub model: String,
    /// Id of a system.
    pub system: String,
    /// How an instance was spread, as "tp=8".
    pub plan: String,
    /// Instances behind the address that was measured.
    pub instances: u64,
    /// Id of the engine to start from.
    pub engine: String,
    /// Number formats of weights and linear layers, most wanted first.
    pub formats: Vec<NumberFormat>,
    /// Number format of keys and values.
    pub cache_format: NumberFormat,
}

/// A host time before and after.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FittedTime {
    /// Its field in an engine file.
    pub field: &'static str,
    /// Before.
    pub given: Seconds,
    /// After; the same where it was left.
    pub fitted: Seconds,
    /// What became of it.
    pub verdict: Verdict,
}

/// A measured figure with its predictions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitRow {
    /// Place of its run over all files.
    pub point: usize,
    /// What was measured.
    pub figure: BenchmarkFigure,
    /// Milliseconds, or tokens a second.
    pub measured: f64,
    /// Predicted with the engine as it was.
    pub before: f64,
    /// Predicted with the fitted engine.
    pub after: f64,
}

/// Median absolute relative errors of a figure over all runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitErrors {
    /// What was measured.
    pub figure: BenchmarkFigure,
    /// In how many runs.
    pub runs: usize,
    /// Before.
    pub before: f64,
    /// After.
    pub after: f64,
}

/// A fit.
#[derive(Debug, Clone, PartialEq)]
pub struct ServingFit {
    /// What was asked.
    pub request: ServingFitRequest,
    /// The files.
    pub files: Vec<BenchmarkFile>,
    /// Host times.
    pub times: Vec<FittedTime>,
    /// Every measured figure.
    pub rows: Vec<FitRow>,
    /// Errors by figure.
    pub errors: Vec<FitErrors>,
    /// What a reader must know.
    pub notes: Vec<Statement>,
    /// The engine as fitted.
    pub engine: ServingEngine,
}

impl ServingFit {
    /// Runs of all files in order.
    pub fn points(&self) -> impl Iterator<Item = &BenchmarkPoint> {
        self.files.iter().flat_map(|file| &file.points)
    }
}

/// Ranges of host times, seconds: from a tenth of the least that any engine of the catalogue has to
/// about ten times the most (iteration 0.2 to 27 ms, sequence 2 to 89 us, request 5 to 30 ms, launch
/// 3 to 20 us, prompt 32 to 357 us).
const RANGES: [(&str, f64, f64); 5] = [
    ("iteration_host", 20e-6, 200e-3),
    ("sequence_host", 0.1e-6, 1e-3),
    ("request_host", 0.1e-3, 0.5),
    ("launch", 0.5e-6, 100e-6),
    ("prompt_launch", 1e-6, 3e-3),
];

/// Runs a function for every number below another, in any order or at once; answers in order.
pub type Each<'a> = &'a dyn Fn(usize, &(dyn Fn(usize) -> Answer + Sync)) -> Vec<Answer>;

/// Fits an engine to the runs of some files.
///
/// # Errors
/// What is wrong with the request, or a run that cannot be predicted.
pub fn fit_serving(
    request: &ServingFitRequest,
    files: Vec<BenchmarkFile>,
    data: &Data,
    each: Each,
) -> Result<ServingFit, Diagnostic> {
    let given = crate::serving_software::engine_named(&data.catalog, &request.engine)?;
    let setting = Setting::new(request, data)?;
    let points: Vec<&BenchmarkPoint> = files.iter().flat_map(|file| &file.points).collect();
    if points.is_empty() {
        return Err(Diagnostic::new(Code::Usage, "no result file is given"));
    }
    let predict = |engine: &ServingEngine| -> Result<Vec<Vec<f64>>, Diagnostic> {
        let answers = each(points.len(), &|at| setting.predict(points[at], engine));
        let answers: Result<Vec<_>, String> = answers.into_iter().collect();
        answers.map_err(|why| Diagnostic::new(Code::Value, why))
    };
    let before = predict(given)?;
    let residuals = |values: &[f64]| -> Vec<f64> {
        match predict(&with_times(given, values)) {
            Ok(found) => residuals(&points, &found),
            Err(_) => residuals(&points, &before)
                .iter()
                .map(|_| f64::NAN)
                .collect(),
        }
    };
    let found = fit(&parameters(given), points.len(), &residuals);
    let values: Vec<f64> = found.iter().map(|(value, _)| *value).collect();
    let engine = with_times(given, &values);
    let after = predict(&engine)?;
    let rows = rows(&points, &before, &after);
    let errors = errors(&rows);
    let times = times(given, &found);
    Ok(ServingFit {
        request: request.clone(),
        notes: notes(&points, &times, &setting),
        times,
        rows,
        errors,
        engine,
        files,
    })
}

fn parameters(engine: &ServingEngine) -> Vec<Parameter> {
    let times = engine.host_times();
    let ranges = times.iter().filter_map(|(field, figure)| {
        let (_, low, high) = RANGES.iter().find(|(known, ..)| known == field)?;
        Some(Parameter {
            given: figure.value.get(),
            low: *low,
            high: *high,
        })
    });
    ranges.collect()
}

/// An engine with other host times, in their order.
fn with_times(engine: &ServingEngine, values: &[f64]) -> ServingEngine {
    let mut engine = engine.clone();
    for (figure, value) in engine.host_times_mut().into_iter().zip(values) {
        figure.value = Seconds::new(*value);
    }
    engine
}

/// Logarithms of predicted over measured times; of rates only where a run measured no time.
fn residuals(points: &[&BenchmarkPoint], found: &[Vec<f64>]) -> Vec<f64> {
    let mut all = Vec::new();
    for (point, found) in points.iter().zip(found) {
        let figures = figures_of(point);
        let timed = figures.iter().any(|(figure, _)| figure.is_time());
        for ((figure, measured), predicted) in figures.iter().zip(found) {
            if figure.is_time() || !timed {
                all.push(libm::log(predicted / measured));
            }
        }
    }
    all
}

fn rows(points: &[&BenchmarkPoint], before: &[Vec<f64>], after: &[Vec<f64>]) -> Vec<FitRow> {
    let mut rows = Vec::new();
    for (at, point) in points.iter().enumerate() {
        let predicted = before[at].iter().zip(&after[at]);
        for ((figure, measured), (before, after)) in figures_of(point).into_iter().zip(predicted) {
            rows.push(FitRow {
                point: at,
                figure,
                measured,
                before: *before,
                after: *after,
            });
        }
    }
    rows
}

fn errors(rows: &[FitRow]) -> Vec<FitErrors> {
    let of = |figure: BenchmarkFigure| {
        let own = || rows.iter().filter(move |row| row.figure == figure);
        let median = |predicted: fn(&FitRow) -> f64| {
            let mut errors: Vec<f64> = own()
                .map(|row| (predicted(row) / row.measured - 1.0).abs())
                .collect();
            errors.sort_by(f64::total_cmp);
            let (low, high) = ((errors.len().max(1) - 1) / 2, errors.len() / 2);
            Some(f64::midpoint(*errors.get(low)?, *errors.get(high)?))
        };
        Some(FitErrors {
            figure,
            runs: own().count(),
            before: median(|row| row.before)?,
            after: median(|row| row.after)?,
        })
    };
    BenchmarkFigure::ALL.into_iter().filter_map(of).collect()
}

fn times(engine: &ServingEngine, found: &[(f64, Verdict)]) -> Vec<FittedTime> {
    let times = engine.host_times().into_iter().zip(found);
    times
        .map(|((field, figure), (value, verdict))| FittedTime {
            field,
            given: figure.value,
            fitted: Seconds::new(*value),
            verdict: *verdict,
        })
        .collect()
}

/// What a reader must know of the files and the fit.
fn notes(points: &[&BenchmarkPoint], times: &[FittedTime], setting: &Setting) -> Vec<Statement> {
    let mut notes = Vec::new();
    let failed: f64 = points.iter().map(|point| point.failed).sum();
    let alone = |key| Statement::new(key, []);
    if failed > 0.0 {
        let number = [("number", format!("{failed:.0}"))];
        notes.push(Statement::new("fit-failed-requests", number));
    }
    if points.iter().any(|point| point.cap.is_some()) {
        notes.push(alone("fit-capped-rate"));
    }
    if points.iter().any(|point| !setting.fits(point)) {
        notes.push(alone("fit-beyond-memory"));
    }
    if !times.iter().any(|time| time.verdict.is_fitted()) {
        notes.push(alone("fit-nothing"));
    }
    notes
}
