//! What is asked of a serving run.

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_model::Architecture;
use chokepoint_units::{NumberFormat, Seconds};

use crate::launch::Launcher;
use crate::limits;
use crate::scenario::{Serving, Workload};

/// What is asked of a serving run.
#[derive(Debug, Clone)]
pub struct ServeRequest {
    /// The workload, with the id of its model.
    pub serving: Serving,
    /// Id of a system.
    pub system: String,
    /// Chips that may be used; where they are left out, what a rate or a given plan takes.
    pub chips: Option<u64>,
    /// What is looked for.
    pub ask: Ask,
    /// Requests of a hundred that must meet the targets under random arrivals; absent, the targets are
    /// means in steady state.
    pub percentile: Option<f64>,
    /// Whether to look for the front of interactivity against throughput.
    pub front: bool,
    /// Id of a price book.
    pub prices: String,
    /// Engine that must be able to run the plan.
    pub launcher: Option<Launcher>,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// The best plan on the chips.
    Best(Goal),
    /// What a given plan yields.
    Given(String),
    /// The fewest chips, in whole units as sold, that serve so many requests a second.
    Rate(f64),
}

/// What a best plan is, among those that meet the latency targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The most output tokens a second on all chips.
    Throughput,
    /// The least money for an output token. Only the chips that serve are paid for, in whole units as
    /// sold: a part of the chips may be cheapest, because what is left over by the best split of all
    /// of them costs as much as what works.
    Cost,
    /// The most output tokens for a joule of IT energy: chips, hosts and network of the units in use.
    Energy,
}

impl Goal {
    /// Name in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Cost => "cost",
            Self::Energy => "energy",
        }
    }
}

impl ServeRequest {
    /// The best plan on some chips, with what the command line takes where nothing is said.
    #[must_use]
    pub fn new(model: &str, system: &str, chips: u64, input: u64, output: u64) -> Self {
        Self {
            serving: Serving {
                id: "serve".to_owned(),
                model: model.to_owned(),
                input,
                output,
                ttft: Seconds::new(2.0),
                tpot: Seconds::new(0.05),
                formats: vec![NumberFormat::Fp8, NumberFormat::Int8, NumberFormat::Bf16],
                cache_format: NumberFormat::Bf16,
                expert_imbalance: 1.0,
                engine: None,
                prefix_hit: 0.0,
                drafted_tokens: None,
                accepted_tokens: None,
                requests_per_second: None,
                equal: None,
            },
            system: system.to_owned(),
            chips: Some(chips),
            ask: Ask::Best(Goal::Throughput),
            percentile: None,
            front: false,
            prices: "retail-2025".to_owned(),
            launcher: None,
        }
    }

    /// Whether its numbers can be.
    pub(super) fn check(&self, architecture: &Architecture) -> Result<(), Diagnostic> {
        let wrong = [
            self.chips.and_then(|chips| limits::count("chips", chips)),
            match self.ask {
                Ask::Rate(rate) => limits::positive("rate", rate),
                _ => None,
            },
            limits::workload(&Workload::Serving(self.serving.clone())),
        ];
        if let Some((name, what)) = wrong.into_iter().flatten().next() {
            let message = format!("{} {}", option(name), options_in(&what));
            return Err(Diagnostic::new(Code::Value, message));
        }
        self.check_percentile()?;
        if self.chips.is_none() && matches!(self.ask, Ask::Best(_)) {
            let message = "the number of chips is missing";
            let help = "write --chips N, or a plan, or the rate to be served";
            return Err(Diagnostic::new(Code::Usage, message).help(help));
        }
        if self.serving.expert_imbalance > 1.0 && architecture.experts().is_none() {
            let message = format!(
                "--imbalance is of routed experts, and {} has none",
                architecture.name
            );
            return Err(Diagnostic::new(Code::Value, message).help("leave --imbalance out"));
        }
        Ok(())
    }
}

impl ServeRequest {
    /// Whether there is a plan whose percentiles can be looked for.
    fn check_percentile(&self) -> Result<(), Diagnostic> {
        let Some(percent) = self.percentile else {
            return Ok(());
        };
        if !(50.0..=99.99).contains(&percent) {
            let message = format!("--percentile must lie between 50 and 99.99, found {percent}");
            return Err(Diagnostic::new(Code::Value, message).help("write 99"));
        }
        match self.ask {
            Ask::Best(Goal::Throughput) | Ask::Given(_) => Ok(()),
            Ask::Best(Goal::Cost | Goal::Energy) | Ask::Rate(_) => {
                let message =
                    "--percentile is of the plan with the most tokens a second, or of a given one";
                let help = "leave --goal and --rate out";
                Err(Diagnostic::new(Code::Usage, message).help(help))
            }
        }
    }
}

/// Fields of a scenario by the options that state them.
const OPTIONS: [(&str, &str); 6] = [
    ("input", "--input-tokens"),
    ("output", "--output-tokens"),
    ("prefix_hit", "--prefix-hit"),
    ("drafted_tokens", "--drafted"),
    ("accepted_tokens", "--accepted"),
    ("expert_imbalance", "--imbalance"),
];

/// The option of a field; else one of its name.
pub(crate) fn option(field: &str) -> String {
    let known = OPTIONS.iter().find(|(name, _)| *name == field);
    known.map_or_else(|| format!("--{field}"), |(_, option)| (*option).to_owned())
}

/// A text with the options of the fields that it names.
pub(crate) fn options_in(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let bare = word.trim_end_matches([',', ':']);
        let known = OPTIONS.iter().find(|(name, _)| *name == bare);
        known.map_or_else(
            || word.to_owned(),
            |(_, option)| format!("{option}{}", &word[bare.len()..]),
        )
    });
    words.collect::<Vec<String>>().join(" ")
}
