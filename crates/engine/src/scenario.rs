//! A scenario file: workloads x systems x economics x date x what is equal.

mod derive;
mod fixed_plan;

use std::ops::Range;

use chokepoint_catalog::{Chip, System};
use chokepoint_diag::{Code, Diagnostic, from_toml};
use chokepoint_units::{NumberFormat, Power, Seconds, Usd};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

pub use derive::{Derive, DerivedChip, DerivedSystem};
pub use fixed_plan::FixedPlan;

use crate::limits;

/// A scenario.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Version of this schema: 1.
    pub schema: u32,
    /// One line that says what is asked.
    pub title: String,
    /// The same in Chinese.
    #[serde(default)]
    pub title_zh: Option<String>,
    /// Day for export rules, as YYYY-MM-DD.
    #[schemars(with = "String")]
    pub date: Spanned<String>,
    /// Country that the systems go to, as two letters.
    #[serde(default = "default_country")]
    #[schemars(with = "String")]
    pub destination: Spanned<String>,
    /// Country of the end user's headquarters, as two letters; the destination when absent.
    #[serde(default)]
    pub end_user_hq: Option<String>,
    /// Id of the price book.
    #[schemars(with = "String")]
    pub prices: Spanned<String>,
    /// Ids of the systems to compare, from the catalogue or defined below.
    #[schemars(with = "Vec<String>")]
    pub systems: Vec<Spanned<String>>,
    /// What is held equal.
    #[schemars(with = "Equal")]
    pub equal: Spanned<Equal>,
    /// Pre-training workloads.
    #[serde(default)]
    #[schemars(with = "Vec<Training>")]
    training: Vec<Spanned<Training>>,
    /// Serving workloads.
    #[serde(default)]
    #[schemars(with = "Vec<Serving>")]
    serving: Vec<Spanned<Serving>>,
    /// All workloads, training first.
    #[serde(skip)]
    #[schemars(skip)]
    pub workloads: Vec<Spanned<Workload>>,
    /// Chips defined in full, as in `data/chips`.
    #[serde(default, rename = "chip")]
    #[schemars(with = "Vec<serde_json::Value>")]
    pub chips: Vec<Chip>,
    /// Systems defined in full, as in `data/systems`.
    #[serde(default, rename = "system")]
    #[schemars(with = "Vec<serde_json::Value>")]
    pub defined_systems: Vec<System>,
    /// Chips and systems derived from others, by id.
    #[serde(default)]
    pub derive: Derive,
}

fn default_country() -> Spanned<String> {
    Spanned::new(0..0, "US".to_owned())
}

/// What is held equal: exactly one of these.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Equal {
    /// The number of chips.
    #[serde(default)]
    pub chips: Option<u64>,
    /// The time of a training run, as in "90 days"; serving workloads state `requests_per_second`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub deadline: Option<Seconds>,
    /// Provisioned IT power, as in "10 MW".
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub power: Option<Power>,
    /// Purchase price, as in "100 MUSD".
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub budget: Option<Usd>,
}

/// The one thing that is held equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Held {
    /// The number of chips.
    Chips(u64),
    /// The time of a training run, or the request rate of a serving workload.
    Deadline(Seconds),
    /// Provisioned IT power.
    Power(Power),
    /// Purchase price.
    Budget(Usd),
}

/// A workload.
#[derive(Debug, Clone)]
pub enum Workload {
    /// Pre-training.
    Training(Training),
    /// Serving.
    Serving(Serving),
}

/// A pre-training workload.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Id in output.
    pub id: String,
    /// Id of a model, or path of a Hugging Face `config.json`.
    pub model: String,
    /// Tokens of the run.
    pub tokens: f64,
    /// Tokens of a sequence.
    pub sequence: u64,
    /// Sequences of an optimizer step.
    pub global_batch: u64,
    /// Number formats allowed for linear layers, most wanted first.
    #[serde(default = "default_training_formats")]
    #[schemars(with = "Vec<String>")]
    pub formats: Vec<NumberFormat>,
    /// Precision of the optimizer's moments, fp32 or bf16; the framework's when absent, fp32 without
    /// one.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub moments: Option<NumberFormat>,
    /// Load of the busiest expert rank over the mean; 1 is balanced.
    #[serde(default = "one")]
    pub expert_imbalance: f64,
    /// Id of a framework, whose kernels count and what it runs is searched; without it the kernels
    /// that the chip's calibration states and all that is modelled.
    #[serde(default)]
    pub framework: Option<String>,
    /// A plan to evaluate instead of searching.
    #[serde(default)]
    pub plan: Option<FixedPlan>,
    /// A published figure to print beside the predicted one.
    #[serde(default)]
    pub published: Option<Published>,
    /// What is held equal for this workload instead of the scenario's.
    #[serde(default)]
    pub equal: Option<Equal>,
}

/// A published figure of a training run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Chip-hours for 10^12 tokens.
    pub chip_hours_per_trillion_tokens: f64,
    /// Where it stands.
    pub source: String,
}

/// A serving workload.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Serving {
    /// Id in output.
    pub id: String,
    /// Id of a model, or path of a Hugging Face `config.json`.
    pub model: String,
    /// Tokens of a prompt.
    pub input: u64,
    /// Tokens of an answer.
    pub output: u64,
    /// Longest mean time to the first token, as in "2 s".
    #[schemars(with = "String")]
    pub ttft: Seconds,
    /// Longest mean time for each later token, as in "50 ms".
    #[schemars(with = "String")]
    pub tpot: Seconds,
    /// Number formats allowed for weights and linear layers, most wanted first.
    #[serde(default = "default_serving_formats")]
    #[schemars(with = "Vec<String>")]
    pub formats: Vec<NumberFormat>,
    /// Number format of the key-value cache.
    #[serde(default = "default_cache_format")]
    #[schemars(with = "String")]
    pub cache_format: NumberFormat,
    /// Load of the busiest expert rank over the mean; 1 is balanced.
    #[serde(default = "one")]
    pub expert_imbalance: f64,
    /// Id of a serving engine, whose host work, kernels and memory count; kernels alone when absent.
    #[serde(default)]
    pub engine: Option<String>,
    /// Share of a prompt that is in the cache from earlier requests with the same prefix, 0 to below 1.
    #[serde(default)]
    pub prefix_hit: f64,
    /// Tokens drafted in an iteration and checked by the model together (speculative decoding,
    /// multi-token prediction); none when absent.
    #[serde(default)]
    pub drafted_tokens: Option<u64>,
    /// Of the drafted tokens kept in the mean; needed with them.
    #[serde(default)]
    pub accepted_tokens: Option<f64>,
    /// Requests of a second to be served, where a deadline is held equal.
    #[serde(default)]
    pub requests_per_second: Option<f64>,
    /// What is held equal for this workload instead of the scenario's.
    #[serde(default)]
    pub equal: Option<Equal>,
}

fn default_training_formats() -> Vec<NumberFormat> {
    vec![NumberFormat::Fp8, NumberFormat::Bf16]
}
fn default_serving_formats() -> Vec<NumberFormat> {
    vec![NumberFormat::Fp8, NumberFormat::Int8, NumberFormat::Bf16]
}
const fn default_cache_format() -> NumberFormat {
    NumberFormat::Bf16
}
const fn one() -> f64 {
    1.0
}

impl Workload {
    /// Id in output.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Training(workload) => &workload.id,
            Self::Serving(workload) => &workload.id,
        }
    }

    /// Model id or path.
    #[must_use]
    pub fn model(&self) -> &str {
        match self {
            Self::Training(workload) => &workload.model,
            Self::Serving(workload) => &workload.model,
        }
    }

    /// Id of a training framework.
    #[must_use]
    pub fn framework(&self) -> Option<&str> {
        match self {
            Self::Training(workload) => workload.framework.as_deref(),
            Self::Serving(_) => None,
        }
    }

    /// Id of a serving engine.
    #[must_use]
    pub fn engine(&self) -> Option<&str> {
        match self {
            Self::Training(_) => None,
            Self::Serving(workload) => workload.engine.as_deref(),
        }
    }

    /// Number formats allowed for linear layers, most wanted first.
    #[must_use]
    pub fn formats(&self) -> &[NumberFormat] {
        match self {
            Self::Training(workload) => &workload.formats,
            Self::Serving(workload) => &workload.formats,
        }
    }

    /// What it holds equal instead of the scenario.
    #[must_use]
    pub const fn equal(&self) -> Option<&Equal> {
        match self {
            Self::Training(workload) => workload.equal.as_ref(),
            Self::Serving(workload) => workload.equal.as_ref(),
        }
    }
}

impl Equal {
    /// The one thing that is held equal; absent unless exactly one is given and it is positive.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        let given = [
            self.chips.map(Held::Chips),
            self.deadline.map(Held::Deadline),
            self.power.map(Held::Power),
            self.budget.map(Held::Budget),
        ];
        let mut given = given.into_iter().flatten();
        let held = given.next().filter(|_| given.next().is_none())?;
        let positive = match held {
            Held::Chips(chips) => (1..=limits::MOST_COUNTED).contains(&chips),
            Held::Deadline(time) => time > Seconds::ZERO,
            Held::Power(power) => power > Power::ZERO,
            Held::Budget(budget) => budget > Usd::ZERO,
        };
        positive.then_some(held)
    }
}

impl Scenario {
    /// Puts all workloads in one list, training first.
    fn gather(&mut self) {
        let training = self
            .training
            .drain(..)
            .map(|w| Spanned::new(w.span(), Workload::Training(w.into_inner())));
        let mut workloads: Vec<Spanned<Workload>> = training.collect();
        workloads.extend(
            self.serving
                .drain(..)
                .map(|w| Spanned::new(w.span(), Workload::Serving(w.into_inner()))),
        );
        self.workloads = workloads;
    }

    /// Reads a scenario and checks what needs no catalogue.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostic> {
        let mut scenario: Self =
            toml::from_str(text).map_err(|error| from_toml(file, text, &error))?;
        let wrong = |message: String, span: Range<usize>| {
            Diagnostic::new(Code::Value, message).at(file, text, span)
        };
        if scenario.schema != 1 {
            let at = text.find("schema").unwrap_or(0);
            let message = format!("this program reads schema 1, found {}", scenario.schema);
            return Err(wrong(message, at..at + 6));
        }
        if scenario.systems.is_empty() {
            let at = text.find("systems").unwrap_or(0);
            return Err(wrong(
                "at least one system is needed".to_owned(),
                at..at + 7,
            ));
        }
        if let Some((id, (field, message))) = limits::parts(&scenario.derive) {
            let table = text.find(&format!(".{id}]")).unwrap_or(0);
            let span = field_span(text, &(table..table), field);
            return Err(wrong(format!("{field} {message}"), span));
        }
        for (index, system) in scenario.systems.iter().enumerate() {
            if scenario.systems[..index]
                .iter()
                .any(|known| known.get_ref() == system.get_ref())
            {
                let message = format!("the system \"{}\" is named twice", system.get_ref());
                return Err(wrong(message, system.span()));
            }
        }
        scenario.gather();
        if scenario.workloads.is_empty() {
            let message = "at least one [[training]] or [[serving]] workload is needed".to_owned();
            return Err(wrong(message, text.len()..text.len()));
        }
        if scenario.equal.get_ref().held().is_none() {
            return Err(equal_error().at(file, text, scenario.equal.span()));
        }
        let mut ids: Vec<&str> = Vec::new();
        for workload in &scenario.workloads {
            let span = workload.span();
            let workload = workload.get_ref();
            let field = |name: &str| field_span(text, &span, name);
            if workload.equal().is_some_and(|equal| equal.held().is_none()) {
                return Err(equal_error().at(file, text, field("equal")));
            }
            if ids.contains(&workload.id()) {
                let message = format!("two workloads have the id \"{}\"", workload.id());
                return Err(wrong(message, field("id")));
            }
            ids.push(workload.id());
            if let Some((name, message)) = limits::workload(workload) {
                return Err(wrong(format!("{name} {message}"), field(name)));
            }
            let equal = workload.equal().unwrap_or(scenario.equal.get_ref());
            if let (Workload::Serving(serving), Some(Held::Deadline(_))) = (workload, equal.held())
                && serving.requests_per_second.is_none()
            {
                return Err(wrong(
                    "with a deadline held equal, a serving workload must state requests_per_second"
                        .to_owned(),
                    span,
                ));
            }
        }
        Ok(scenario)
    }
}

/// The place of a field of a workload: the first line after the workload's start that begins with
/// its name; the workload itself when there is none.
fn field_span(text: &str, workload: &Range<usize>, name: &str) -> Range<usize> {
    let mut at = workload.start;
    for line in text
        .get(workload.start..)
        .unwrap_or_default()
        .split_inclusive('\n')
    {
        let rest = line.strip_prefix(name).map(str::trim_start);
        if rest.is_some_and(|rest| rest.starts_with('=')) {
            return at..at + line.trim_end().len();
        }
        at += line.len();
    }
    workload.clone()
}

fn equal_error() -> Diagnostic {
    Diagnostic::new(
        Code::Value,
        "exactly one of chips (1 to 1048576), deadline, power and budget, positive, must be held equal",
    )
    .help("write for instance: equal = { chips = 2048 }")
}
