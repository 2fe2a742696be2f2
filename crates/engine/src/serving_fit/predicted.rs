//! The prediction of a benchmark's run, by the path of `validate --serving`.

use chokepoint_catalog::ServingEngine;
use chokepoint_chip::ChipSpec;
use chokepoint_diag::{Code, Diagnostic};
use chokepoint_fabric::Fabric;
use chokepoint_model::Architecture;
use chokepoint_replay::Process;
use chokepoint_units::Seconds;

use super::ServingFitRequest;
use super::results::{BenchmarkLoad, BenchmarkPoint};
use crate::Data;
use crate::resolve::system_parts;
use crate::serve_run::spread;
use crate::validate::serving::case::{
    Formats, Lengths, Load, Mode, Parallelism, Predicted, Sent, ServingCase, Spread, Workers,
};
use crate::validate::serving::predict::predict;

/// Most instances behind one address.
const MOST_INSTANCES: u64 = 4096;
/// Requests of a run that does not say how many, for each client (`InferenceMAX`'s ten), and at a
/// rate in all.
const ROUNDS: f64 = 10.0;
const AT_A_RATE: f64 = 1000.0;

/// What a run measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BenchmarkFigure {
    /// Mean time to the first token, milliseconds.
    Ttft,
    /// Mean time of each later token, milliseconds.
    Tpot,
    /// Output tokens a second.
    OutputRate,
}

impl BenchmarkFigure {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ttft, Self::Tpot, Self::OutputRate];

    /// Key of its name in reports.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Ttft => "ttft",
            Self::Tpot => "tpot",
            Self::OutputRate => "output-rate",
        }
    }

    /// Whether it is a time, in milliseconds.
    #[must_use]
    pub const fn is_time(self) -> bool {
        matches!(self, Self::Ttft | Self::Tpot)
    }

    fn of(self, found: &Predicted) -> Option<f64> {
        let milliseconds = |time: Option<Seconds>| time.map(|time| time.get() * 1e3);
        match self {
            Self::Ttft => milliseconds(found.ttft),
            Self::Tpot => milliseconds(found.tpot),
            Self::OutputRate => Some(found.rates.output_tokens_per_second),
        }
    }
}

/// Figures of a run.
pub(super) fn figures_of(point: &BenchmarkPoint) -> Vec<(BenchmarkFigure, f64)> {
    let milliseconds = |time: Option<Seconds>| time.map(|time| time.get() * 1e3);
    let figures = [
        (BenchmarkFigure::Ttft, milliseconds(point.ttft)),
        (BenchmarkFigure::Tpot, milliseconds(point.tpot)),
        (BenchmarkFigure::OutputRate, point.output_rate),
    ];
    let measured = |(figure, value): (_, Option<f64>)| Some((figure, value?));
    figures.into_iter().filter_map(measured).collect()
}

/// Predictions of a run's figures in their order, or why there are none.
pub type Answer = Result<Vec<f64>, String>;

/// What all runs share.
pub(super) struct Setting {
    architecture: Architecture,
    chip: ChipSpec,
    fabric: Fabric,
    curves: String,
    formats: Formats,
    workers: Workers,
    engine: ServingEngine,
}

impl Setting {
    /// # Errors
    /// What is wrong with the request.
    pub(super) fn new(request: &ServingFitRequest, data: &Data) -> Result<Self, Diagnostic> {
        let architecture = data.model(&request.model)?;
        let parts = system_parts(&data.catalog, &request.system)?;
        let chip = parts.spec?;
        let layout = spread(&request.plan, &architecture)?;
        if !(1..=MOST_INSTANCES).contains(&request.instances) {
            let message = format!("--instances is {}", request.instances);
            let help = format!("write a number from 1 to {MOST_INSTANCES}");
            return Err(Diagnostic::new(Code::Usage, message).help(help));
        }
        let linear = chip.best_format(&request.formats);
        Ok(Self {
            formats: Formats {
                weights: linear,
                activations: linear,
                cache: request.cache_format,
            },
            workers: Workers {
                count: request.instances,
                spread: Spread {
                    tp: layout.tp,
                    pp: layout.pp,
                    dp: layout.dp,
                    ep: layout.ep,
                    moe_tp: layout.etp,
                },
            },
            architecture,
            chip,
            fabric: parts.fabric,
            curves: parts.chip.calibration.curve.clone(),
            engine: data.catalog.engine(&request.engine)?.clone(),
        })
    }

    /// Predictions of the figures of a run with an engine.
    pub(super) fn predict(&self, point: &BenchmarkPoint, engine: &ServingEngine) -> Answer {
        let found = predict(&self.case(point, engine))?;
        let figures = figures_of(point).into_iter();
        figures
            .map(|(figure, _)| {
                let value = figure.of(&found).filter(|value| *value > 0.0);
                value.ok_or_else(|| format!("no {} is predicted for a run", figure.key()))
            })
            .collect()
    }

    /// Whether a run fits the memory by our count.
    pub(super) fn fits(&self, point: &BenchmarkPoint) -> bool {
        predict(&self.case(point, &self.engine)).is_ok_and(|found| found.fits)
    }

    fn case<'a>(&'a self, point: &BenchmarkPoint, engine: &'a ServingEngine) -> ServingCase<'a> {
        let (mode, load, sent) = sent(point);
        ServingCase {
            architecture: &self.architecture,
            chip: &self.chip,
            fabric: &self.fabric,
            engine,
            curves: &self.curves,
            formats: self.formats,
            parallelism: Parallelism::Aggregated(self.workers),
            mode,
            lengths: Lengths {
                input: point.input_tokens.max(1.0),
                output: point.output_tokens.max(1.0),
                cached: 0.0,
                spread: 0.0,
                whole_context: false,
            },
            load,
            most_sequences: None,
            speculation: None,
            sent: Some(sent),
        }
    }
}

/// How a run sent its requests, in the words of a case.
pub(super) fn sent(point: &BenchmarkPoint) -> (Mode, Load, Sent) {
    let (mode, load, requests, process) = match point.load {
        BenchmarkLoad::Clients(clients) => {
            let requests = point.requests.unwrap_or(clients * ROUNDS);
            let clients = clients.min(requests);
            let load = Load::Concurrency(clients);
            (Mode::Concurrency, load, requests, Process::AtOnce)
        }
        BenchmarkLoad::Rate(process) => {
            let rate = match process {
                Process::Uniform { rate }
                | Process::Poisson { rate }
                | Process::Gamma { rate, .. } => rate,
                Process::AtOnce => 0.0,
            };
            let requests = point.requests.unwrap_or(AT_A_RATE);
            (Mode::Rate, Load::Rate(rate), requests, process)
        }
        BenchmarkLoad::AtOnce => {
            let requests = point.requests.unwrap_or(AT_A_RATE);
            (
                Mode::AllAtOnce,
                Load::AtOnce(requests),
                requests,
                Process::AtOnce,
            )
        }
    };
    (mode, load, Sent { requests, process })
}
