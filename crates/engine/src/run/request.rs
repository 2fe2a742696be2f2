//! What is asked of a training run.

use chokepoint_diag::{Code, Diagnostic, nearest};
use chokepoint_units::NumberFormat;

use super::{SitesOptions, TrainingOptions};
use crate::emit::Target;
use crate::limits;

/// What is asked of a training run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRequest {
    /// Id of a model.
    pub model: String,
    /// Id of a system.
    pub system: String,
    /// Chips that may be used and are paid for.
    pub chips: u64,
    /// Tokens of the run.
    pub tokens: f64,
    /// Sequences of a step.
    pub batch: u64,
    /// Tokens of a sequence.
    pub sequence: u64,
    /// Number formats allowed for linear layers, most wanted first.
    pub formats: Vec<NumberFormat>,
    /// A plan to evaluate instead of searching.
    pub plan: Option<String>,
    /// Id of a framework, whose kernels, defaults and exchanges count.
    pub framework: Option<String>,
    /// Which failures count.
    pub failures: Failures,
    /// Id of a price book.
    pub prices: String,
    /// Next-best plans to keep.
    pub others: usize,
    /// Whether to look for plans that take longer and need less memory.
    pub front: bool,
    /// Whether to look for what the step's traffic takes beside itself.
    pub contention: bool,
    /// Whether failures that leave the network slower count too.
    pub degraded_network: bool,
    /// Plans that are searched.
    pub space: SpaceChoice,
    /// Framework that must be able to run what is searched.
    pub target: Option<Target>,
    /// How the model is trained.
    pub training: TrainingOptions,
    /// What is asked of training over several sites.
    pub sites: SitesOptions,
    /// Further tokens to the same loss, as a share of those of the run: for number formats and
    /// local steps that learn less from a token. No source states how many.
    pub extra_tokens: f64,
}

/// Which failures count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failures {
    /// Those of a cluster of the same chips where they are published, else those of Llama 3.
    Nearest,
    /// Those of a cluster by its id.
    Of(String),
    /// None.
    Ignored,
}

/// Plans that are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpaceChoice {
    /// What mainstream frameworks run.
    Mainstream,
    /// Also the published schedules that none of them has.
    Published,
}

impl RunRequest {
    /// A search for the fastest plan, with what the command line takes where nothing is said.
    #[must_use]
    pub fn new(model: &str, system: &str, chips: u64) -> Self {
        Self {
            model: model.to_owned(),
            system: system.to_owned(),
            chips,
            tokens: 1e12,
            batch: 1024,
            sequence: 4096,
            formats: vec![NumberFormat::Fp8, NumberFormat::Bf16],
            plan: None,
            framework: None,
            failures: Failures::Nearest,
            prices: "retail-2025".to_owned(),
            others: 5,
            front: false,
            contention: false,
            degraded_network: false,
            space: SpaceChoice::Mainstream,
            target: None,
            sites: SitesOptions::default(),
            training: TrainingOptions::default(),
            extra_tokens: 0.0,
        }
    }

    /// Whether its numbers can be.
    pub(super) fn check(&self) -> Result<(), Diagnostic> {
        let wrong = [
            limits::count("chips", self.chips),
            limits::positive("tokens", self.tokens),
            limits::count("batch", self.batch),
            limits::count("sequence", self.sequence),
            limits::trained(&self.formats),
            further(self.extra_tokens),
        ];
        if let Some((name, what)) = wrong.into_iter().flatten().next() {
            return Err(Diagnostic::new(Code::Value, format!("{name} {what}")));
        }
        if self.degraded_network && self.failures == Failures::Ignored {
            let message = "--degraded-network counts failures, which --no-failures leaves out";
            return Err(Diagnostic::new(Code::Usage, message).help("leave one of them out"));
        }
        if self.degraded_network && self.sites.sites.is_some_and(|sites| sites > 1) {
            let message = "--degraded-network looks at the network of one site";
            return Err(Diagnostic::new(Code::Usage, message).help("leave --sites out"));
        }
        Ok(())
    }
}

/// Most further tokens: beyond ten times there is no training to speak of.
const MOST_FURTHER: f64 = 10.0;

fn further(share: f64) -> Option<limits::Wrong> {
    let possible = (0.0..=MOST_FURTHER).contains(&share);
    (!possible).then(|| {
        let what = format!("must lie between 0 and {MOST_FURTHER}, found {share}");
        ("--extra-tokens", what)
    })
}

/// Most tokens of a run: a million times those of the largest published.
const MOST_TOKENS: f64 = 1e20;

/// Reads a number of tokens: `1e12`, `15T`, `"15 T"`, `300 B`.
///
/// # Errors
/// When it is no number, or its ending is none of k, M, B and T.
pub fn parse_tokens(text: &str) -> Result<f64, Diagnostic> {
    let text = text.trim();
    let (number, scale) = match text.chars().last() {
        Some('k' | 'K') => (&text[..text.len() - 1], 1e3),
        Some('M' | 'm') => (&text[..text.len() - 1], 1e6),
        Some('B' | 'b') => (&text[..text.len() - 1], 1e9),
        Some('T' | 't') => (&text[..text.len() - 1], 1e12),
        _ => (text, 1.0),
    };
    match number.trim().parse::<f64>() {
        Ok(number) if (1.0..=MOST_TOKENS).contains(&(number * scale)) => Ok(number * scale),
        _ => Err(Diagnostic::new(
            Code::Value,
            format!("tokens is \"{text}\"; expected a number from 1 to {MOST_TOKENS:e}"),
        )
        .help("write 1e12, 300B or \"15 T\"; k, M, B and T stand for thousand to trillion")),
    }
}

/// Reads number formats separated by commas.
///
/// # Errors
/// The first that is none, with the nearest.
pub fn parse_formats(text: &str) -> Result<Vec<NumberFormat>, Diagnostic> {
    let known = NumberFormat::ALL;
    let read = |word: &str| {
        let found = known.into_iter().find(|format| format.name() == word);
        found.ok_or_else(|| {
            let near = nearest(word, known.map(NumberFormat::name));
            let help = if near.is_empty() {
                format!("known: {}", known.map(NumberFormat::name).join(", "))
            } else {
                format!("did you mean {}?", near.join(", "))
            };
            let message = format!("there is no number format \"{word}\"");
            Diagnostic::new(Code::UnknownId, message).help(help)
        })
    };
    text.split(',').map(|word| read(word.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::parse_tokens;

    #[test]
    fn numbers_of_tokens() {
        for (text, expected) in [
            ("1e12", 1e12),
            ("15T", 15e12),
            ("15 T", 15e12),
            ("14.8T", 14.8e12),
            ("300B", 300e9),
            ("5 M", 5e6),
            ("2k", 2e3),
            ("15t", 15e12),
            ("7", 7.0),
        ] {
            let found = parse_tokens(text).unwrap();
            assert!((found / expected - 1.0).abs() < 1e-12, "{text}: {found}");
        }
        for text in [
            "",
            "T",
            "0",
            "-1",
            "many",
            "1e999",
            "1e30",
            "1e-5",
            "15 tokens",
            "NaN",
        ] {
            assert!(parse_tokens(text).is_err(), "{text}");
        }
    }
}
