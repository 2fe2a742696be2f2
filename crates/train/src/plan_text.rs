//! A plan as text: `tp=8 pp=16 vp=2 dp=8 mbs=1 bf16 overlap=tp`, read back by [`Plan::parse`].

use std::fmt;
use std::str::FromStr;

use chokepoint_model::Recompute;
use chokepoint_units::NumberFormat;

use crate::technique::UnknownWord;
use crate::{ContextExchange, Plan, Schedule, Sharding, TensorExchange, TensorOverlap};

/// What a plan's text may hold.
const WORDS: [&str; 21] = [
    "tp",
    "cp",
    "ep",
    "etp",
    "pp",
    "vp",
    "dp",
    "mbs",
    "shard",
    "recompute",
    "schedule",
    "format",
    "tensor",
    "overlap",
    "tp-overlap",
    "context",
    "sharding",
    "offload",
    "balanced",
    "split-vocabulary",
    "exposed-dp",
];

/// Why a text is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanTextError {
    /// A word that is no field, format or schedule.
    Word(UnknownWord),
    /// A field whose value is no choice of it.
    Value {
        /// The field.
        field: String,
        /// Its value and what would have been understood.
        value: UnknownWord,
    },
    /// A field that takes a whole number of at least 1 (`shard`: at least 0).
    Number {
        /// The field.
        field: String,
        /// Its value.
        value: String,
    },
}

impl fmt::Display for PlanTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "a plan has no field \"{}\"", word.word),
            Self::Value { field, value } => write!(
                f,
                "{field} is \"{}\"; expected one of {}",
                value.word,
                value.known.join(", ")
            ),
            Self::Number { field, value } => {
                let least = if field == "shard" { 0 } else { 1 };
                write!(
                    f,
                    "{field} is \"{value}\"; expected a whole number of at least {least}"
                )
            }
        }
    }
}

impl PlanTextError {
    /// The word that was not understood and those that would have been.
    #[must_use]
    pub fn unknown(&self) -> Option<(&str, &[&'static str])> {
        match self {
            Self::Word(word) | Self::Value { value: word, .. } => Some((&word.word, &word.known)),
            Self::Number { .. } => None,
        }
    }
}

impl Plan {
    /// Reads fields, separated by commas or spaces, over a plan that gives all others: a field and
    /// its value (`tp=8`), or a format, a schedule or a switch by itself (`fp8 dualpipe balanced`).
    /// Data parallelism stays what it was unless it is named: [`Plan::names_dp`].
    ///
    /// # Errors
    /// The first word that cannot be read.
    pub fn parse(text: &str, rest: Self) -> Result<Self, PlanTextError> {
        let mut plan = rest;
        for word in words(text) {
            match word.split_once('=') {
                Some((field, value)) => plan.set(field, value)?,
                None => plan.switch(word)?,
            }
        }
        Ok(plan)
    }

    /// Whether a text states data parallelism.
    #[must_use]
    pub fn names_dp(text: &str) -> bool {
        words(text).any(|word| word.starts_with("dp="))
    }

    fn set(&mut self, field: &str, value: &str) -> Result<(), PlanTextError> {
        let choice = |error: UnknownWord| PlanTextError::Value {
            field: field.to_owned(),
            value: error,
        };
        match field {
            "tp" => self.tp = degree(field, value)?,
            "cp" => self.cp = degree(field, value)?,
            "ep" => self.ep = degree(field, value)?,
            "etp" => self.etp = degree(field, value)?,
            "pp" => self.pp = degree(field, value)?,
            "vp" => self.vp = degree(field, value)?,
            "dp" => self.dp = degree(field, value)?,
            "mbs" => self.micro_batch = degree(field, value)?,
            "shard" => self.shard = number(field, value)?,
            "recompute" => self.recompute = recompute(value).map_err(choice)?,
            "schedule" => self.schedule = schedule(value).map_err(choice)?,
            "format" => self.format = format(value).map_err(choice)?,
            "tensor" => self.tensor = value.parse::<TensorExchange>().map_err(choice)?,
            "tp-overlap" => self.overlap_tp = value.parse::<TensorOverlap>().map_err(choice)?,
            "context" => self.context = value.parse::<ContextExchange>().map_err(choice)?,
            "sharding" => self.sharding = value.parse::<Sharding>().map_err(choice)?,
            "offload" => self.offload = value.parse().map_err(choice)?,
            "overlap" => self.overlap(value).map_err(choice)?,
            _ => return Err(unknown(field)),
        }
        Ok(())
    }

    fn switch(&mut self, word: &str) -> Result<(), PlanTextError> {
        match word {
            "balanced" => self.balanced = true,
            "split-vocabulary" => self.split_vocabulary = true,
            "exposed-dp" => self.overlap_dp = false,
            _ => {
                if let Ok(named) = format(word) {
                    self.format = named;
                } else if let Ok(named) = schedule(word) {
                    self.schedule = named;
                } else {
                    return Err(unknown(word));
                }
            }
        }
        Ok(())
    }

    fn overlap(&mut self, value: &str) -> Result<(), UnknownWord> {
        for part in value.split('+') {
            match part {
                "tp" => self.overlap_tp = TensorOverlap::Pipelined,
                "ep" => self.overlap_ep = true,
                "dp" => self.overlap_dp = true,
                "none" => {
                    self.overlap_tp = TensorOverlap::None;
                    self.overlap_ep = false;
                    self.overlap_dp = false;
                }
                _ => {
                    return Err(UnknownWord {
                        word: part.to_owned(),
                        known: vec!["none", "tp", "ep", "dp"],
                    });
                }
            }
        }
        Ok(())
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ']).filter(|word| !word.is_empty())
}

fn unknown(word: &str) -> PlanTextError {
    PlanTextError::Word(UnknownWord {
        word: word.to_owned(),
        known: WORDS
            .into_iter()
            .chain(NumberFormat::ALL.map(NumberFormat::name))
            .chain(Schedule::ALL.map(Schedule::name))
            .collect(),
    })
}

fn number(field: &str, value: &str) -> Result<u64, PlanTextError> {
    value.parse().map_err(|_| PlanTextError::Number {
        field: field.to_owned(),
        value: value.to_owned(),
    })
}

fn degree(field: &str, value: &str) -> Result<u64, PlanTextError> {
    match number(field, value)? {
        0 => Err(PlanTextError::Number {
            field: field.to_owned(),
            value: value.to_owned(),
        }),
        degree => Ok(degree),
    }
}

fn recompute(word: &str) -> Result<Recompute, UnknownWord> {
    let found = Recompute::ALL.into_iter().find(|one| one.name() == word);
    found.ok_or_else(|| UnknownWord {
        word: word.to_owned(),
        known: Recompute::ALL.map(Recompute::name).to_vec(),
    })
}

fn schedule(word: &str) -> Result<Schedule, UnknownWord> {
    Schedule::from_str(word).map_err(|_| UnknownWord {
        word: word.to_owned(),
        known: Schedule::ALL.map(Schedule::name).to_vec(),
    })
}

fn format(word: &str) -> Result<NumberFormat, UnknownWord> {
    let found = NumberFormat::ALL.into_iter().find(|one| one.name() == word);
    found.ok_or_else(|| UnknownWord {
        word: word.to_owned(),
        known: NumberFormat::ALL.map(NumberFormat::name).to_vec(),
    })
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tp={} pp={}", self.tp, self.pp)?;
        if self.vp > 1 {
            write!(f, " vp={}", self.vp)?;
        }
        write!(f, " dp={}", self.dp)?;
        for (name, degree) in [("cp", self.cp), ("ep", self.ep), ("etp", self.etp)] {
            if degree > 1 {
                write!(f, " {name}={degree}")?;
            }
        }
        write!(f, " mbs={} {}", self.micro_batch, self.format)?;
        if self.recompute != Recompute::None {
            write!(f, " recompute={}", self.recompute.name())?;
        }
        if self.schedule != Schedule::OneForwardOneBackward {
            write!(f, " {}", self.schedule)?;
        }
        self.write_exchanges(f)?;
        self.write_state(f)
    }
}

impl Plan {
    fn write_exchanges(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tp > 1 && self.tensor != TensorExchange::Sequence {
            write!(f, " tensor={}", self.tensor.name())?;
        }
        if self.cp > 1 && self.context != ContextExchange::Ring {
            write!(f, " context={}", self.context.name())?;
        }
        match (self.overlap_tp, self.overlap_ep) {
            (TensorOverlap::Pipelined, true) => f.write_str(" overlap=tp+ep"),
            (TensorOverlap::Pipelined, false) => f.write_str(" overlap=tp"),
            (_, true) => f.write_str(" overlap=ep"),
            (_, false) => Ok(()),
        }?;
        if self.overlap_tp == TensorOverlap::Ring {
            f.write_str(" tp-overlap=ring")?;
        }
        if !self.overlap_dp {
            f.write_str(" exposed-dp")?;
        }
        Ok(())
    }

    fn write_state(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sharding != Sharding::Optimizer {
            write!(f, " sharding={}", self.sharding.name())?;
        }
        if self.shard > 0 {
            write!(f, " shard={}", self.shard)?;
        }
        if self.offload.any() {
            write!(f, " offload={}", self.offload)?;
        }
        if self.split_vocabulary {
            f.write_str(" split-vocabulary")?;
        }
        if self.balanced {
            f.write_str(" balanced")?;
        }
        Ok(())
    }
}
