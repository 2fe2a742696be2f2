//! Own benchmark results fitted to a serving engine: figures before and after, errors, host times.

use chokepoint_engine::trace::Process;
use chokepoint_engine::{BenchmarkLoad, BenchmarkPoint, ServingFit, Verdict};

use crate::grid::{Column, Grid};
use crate::messages::{Language, Words};
use crate::number::{count, fixed, significant};
use crate::terminal::drawn;

/// Width of the tables.
const WIDTH: u16 = 120;

/// A fit as text.
#[must_use]
pub fn fit_table(fit: &ServingFit, language: Language) -> String {
    let words = Words::new(language);
    let mut out = String::new();
    for grid in [rows(&words, fit), errors(&words, fit), times(&words, fit)] {
        out += &format!("{}\n{}\n\n", grid.title, drawn(&grid, WIDTH));
    }
    for note in &fit.notes {
        out += &words.statement(note);
        out.push('\n');
    }
    out
}

/// Every figure of every run.
fn rows(words: &Words, fit: &ServingFit) -> Grid {
    let asked = &fit.request;
    let points: Vec<&BenchmarkPoint> = fit.points().collect();
    let rows = fit.rows.iter().map(|row| {
        let first = points.get(row.point).map(|point| run(words, point));
        vec![
            first.unwrap_or_default(),
            words.of("fit", row.figure.key()),
            significant(row.measured, 4),
            significant(row.before, 4),
            significant(row.after, 4),
        ]
    });
    Grid {
        title: words.fill(
            "fit.title",
            [
                ("runs", &count(points.len() as u64)),
                ("model", &asked.model),
                ("system", &asked.system),
                ("instances", &count(asked.instances)),
                ("plan", &asked.plan),
                ("engine", &asked.engine),
            ],
        ),
        columns: vec![
            Column::text(words.of("fit", "run")),
            Column::text(words.of("fit", "figure")),
            Column::number(words.of("fit", "measured")),
            Column::number(words.of("fit", "before")),
            Column::number(words.of("fit", "after")),
        ],
        rows: rows.collect(),
    }
}

/// Load and lengths of a run.
fn run(words: &Words, point: &BenchmarkPoint) -> String {
    let lengths = [point.input_tokens, point.output_tokens].map(|tokens| fixed(tokens, 0));
    let said = |key: &str, number: f64| {
        let number = if number.fract().abs() < f64::EPSILON {
            fixed(number, 0)
        } else {
            significant(number, 3)
        };
        words.fill(
            key,
            [
                ("number", &number),
                ("input", &lengths[0]),
                ("output", &lengths[1]),
            ],
        )
    };
    match point.load {
        BenchmarkLoad::Clients(clients) => said("fit.clients", clients),
        BenchmarkLoad::Rate(
            Process::Uniform { rate } | Process::Poisson { rate } | Process::Gamma { rate, .. },
        ) => said("fit.rate", rate),
        BenchmarkLoad::AtOnce | BenchmarkLoad::Rate(Process::AtOnce) => said("fit.at-once", 0.0),
    }
}

/// Errors by figure.
fn errors(words: &Words, fit: &ServingFit) -> Grid {
    let percent = |share: f64| fixed(share * 100.0, 1);
    let rows = fit.errors.iter().map(|error| {
        vec![
            words.of("fit", error.figure.key()),
            count(error.runs as u64),
            percent(error.before),
            percent(error.after),
        ]
    });
    Grid {
        title: words.of("fit", "errors"),
        columns: vec![
            Column::text(words.of("fit", "figure")),
            Column::number(words.of("fit", "runs")),
            Column::number(words.of("fit", "error-before")),
            Column::number(words.of("fit", "error-after")),
        ],
        rows: rows.collect(),
    }
}

/// Host times before and after.
fn times(words: &Words, fit: &ServingFit) -> Grid {
    let rows = fit.times.iter().map(|time| {
        vec![
            time.field.to_owned(),
            significant(time.given.get() * 1e6, 4),
            significant(time.fitted.get() * 1e6, 4),
            words.of("fit", verdict(time.verdict)),
        ]
    });
    Grid {
        title: words.of("fit", "times"),
        columns: vec![
            Column::text(words.of("fit", "time")),
            Column::number(words.of("fit", "given")),
            Column::number(words.of("fit", "fitted")),
            Column::text(words.of("fit", "verdict")),
        ],
        rows: rows.collect(),
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fitted => "is-fitted",
        Verdict::AtBound => "at-bound",
        Verdict::NoEffect => "no-effect",
        Verdict::Alike => "alike",
        Verdict::TooFew => "too-few",
    }
}

#[cfg(test)]
mod tests {
    use chokepoint_engine::units::{NumberFormat, Seconds};
    use chokepoint_engine::{
        BenchmarkFigure, BenchmarkFile, BenchmarkTool, Data, FitErrors, FitRow, FittedTime,
        ServingFitRequest, Statement,
    };

    use super::*;

    fn point(load: BenchmarkLoad) -> BenchmarkPoint {
        BenchmarkPoint {
            load,
            requests: Some(100.0),
            failed: 0.0,
            cap: None,
            input_tokens: 1024.0,
            output_tokens: 128.0,
            ttft: Some(Seconds::new(0.1)),
            tpot: None,
            output_rate: None,
        }
    }

    fn made_up() -> ServingFit {
        let verdicts = [
            Verdict::Fitted,
            Verdict::AtBound,
            Verdict::NoEffect,
            Verdict::Alike,
            Verdict::TooFew,
        ];
        let data = Data::load(&[]).unwrap();
        let engine = data.catalog.engine("vllm").unwrap().clone();
        let times = engine.host_times().into_iter().zip(verdicts);
        let rate = BenchmarkLoad::Rate(Process::Poisson { rate: 2.5 });
        ServingFit {
            request: ServingFitRequest {
                model: "llama-3.1-8b".to_owned(),
                system: "hgx-h200".to_owned(),
                plan: "tp=1".to_owned(),
                instances: 2,
                engine: "vllm".to_owned(),
                formats: vec![NumberFormat::Fp8],
                cache_format: NumberFormat::Bf16,
            },
            files: vec![BenchmarkFile {
                file: "made-up.json".to_owned(),
                tool: BenchmarkTool::Vllm,
                said: Vec::new(),
                sha256: String::new(),
                points: vec![
                    point(BenchmarkLoad::Clients(16.0)),
                    point(rate),
                    point(BenchmarkLoad::AtOnce),
                ],
            }],
            times: times
                .map(|((field, _), verdict)| FittedTime {
                    field,
                    given: Seconds::new(1e-3),
                    fitted: Seconds::new(1.25e-3),
                    verdict,
                })
                .collect(),
            rows: (0..3)
                .map(|point| FitRow {
                    point,
                    figure: BenchmarkFigure::Ttft,
                    measured: 100.0,
                    before: 80.0,
                    after: 101.0,
                })
                .collect(),
            errors: vec![FitErrors {
                figure: BenchmarkFigure::Ttft,
                runs: 3,
                before: 0.2,
                after: 0.01,
            }],
            notes: vec![Statement::new("fit-capped-rate", [])],
            engine,
        }
    }

    #[test]
    fn a_fit_stands_beside_its_measurements() {
        for (name, language) in [("fit_en", Language::En), ("fit_zh", Language::Zh)] {
            insta::assert_snapshot!(name, fit_table(&made_up(), language));
        }
    }
}
