//! A plan as text: `prefill 2x[tp=8 batch=4] decode 4x[tp=1 dp=16 ep=16 batch=64] fp8 kv=bf16`, as
//! [`Plan`] prints it, read back by [`Plan::parse`].

use std::fmt;

use chokepoint_chip::Precision;
use chokepoint_units::NumberFormat;

use crate::{Layout, Plan, Pool};

/// What stands between the brackets of a pool.
const FIELDS: [&str; 6] = ["tp", "dp", "pp", "ep", "etp", "batch"];

/// What stands beside pools: the formats have their names or stand alone.
const BESIDE: [&str; 7] = [
    "prefill",
    "decode",
    "attention",
    "ffn",
    "experts",
    "inputs",
    "kv",
];

/// Why a text is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanTextError {
    /// A word that is not understood, and those that would have been.
    Word {
        /// The word.
        word: String,
        /// What is known in its place.
        known: Vec<&'static str>,
    },
    /// A number that must be whole and at least 1.
    Number {
        /// What it counts.
        field: String,
        /// What stands there.
        value: String,
    },
    /// A bracket that does not close, or a pool without one.
    Pool(String),
    /// Something that stands twice.
    Twice(String),
    /// No pool that decodes.
    NoDecode,
}

impl fmt::Display for PlanTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word { word, .. } => write!(f, "a serving plan has no \"{word}\""),
            Self::Number { field, value } => write!(
                f,
                "{field} is \"{value}\"; expected a whole number of at least 1"
            ),
            Self::Pool(text) => write!(
                f,
                "\"{text}\" is no pool of instances; write 4x[tp=8 batch=64]"
            ),
            Self::Twice(word) => write!(f, "{word} is given twice"),
            Self::NoDecode => write!(f, "no instances decode; write 4x[tp=8 batch=64]"),
        }
    }
}

impl PlanTextError {
    /// The word that was not understood and those that would have been.
    #[must_use]
    pub fn unknown(&self) -> Option<(&str, &[&'static str])> {
        match self {
            Self::Word { word, known } => Some((word, known)),
            _ => None,
        }
    }

    /// The part of the text that is wrong, where it is one.
    #[must_use]
    pub fn part(&self) -> Option<&str> {
        match self {
            Self::Word { word: part, .. }
            | Self::Number { value: part, .. }
            | Self::Pool(part)
            | Self::Twice(part) => Some(part),
            Self::NoDecode => None,
        }
    }
}

impl Plan {
    /// Reads pools and formats, separated by spaces or commas: `prefill` before the pool that only
    /// prefills, `decode` or nothing before the other; a pool is a number of instances and in brackets
    /// its degrees and its batch, each 1 where it is left out, `etp` what the experts leave of the
    /// chips; a format by itself is that of all linear layers, `attention`, `ffn`, `experts` and `kv`
    /// name one, `inputs` the narrowest of inputs, else that of the narrowest weights. What is not named
    /// stays as in `rest`.
    ///
    /// # Errors
    /// The first part that cannot be read.
    pub fn parse(text: &str, rest: Precision) -> Result<Self, PlanTextError> {
        let mut reader = Reader {
            prefill: None,
            decode: None,
            for_prefill: false,
            precision: rest,
            inputs: None,
        };
        let mut left = text;
        while let Some((word, after)) = next(left)? {
            reader.take(word)?;
            left = after;
        }
        let precision = reader.precision;
        Ok(Self {
            decode: reader.decode.ok_or(PlanTextError::NoDecode)?,
            prefill: reader.prefill,
            precision: Precision {
                inputs: reader.inputs.unwrap_or_else(|| precision.narrowest()),
                ..precision
            },
        })
    }
}

/// What has been read.
struct Reader {
    prefill: Option<Pool>,
    decode: Option<Pool>,
    /// Whether the next pool only prefills.
    for_prefill: bool,
    precision: Precision,
    inputs: Option<NumberFormat>,
}

impl Reader {
    fn take(&mut self, word: &str) -> Result<(), PlanTextError> {
        if word.contains('[') {
            return self.pool(word);
        }
        if let Some((field, value)) = word.split_once('=') {
            return self.format_of(field, value);
        }
        match word {
            "prefill" => self.for_prefill = true,
            "decode" => self.for_prefill = false,
            _ => {
                let format = format(word, BESIDE.into_iter())?;
                self.precision = Precision::uniform(format, self.precision.cache);
            }
        }
        Ok(())
    }

    fn pool(&mut self, word: &str) -> Result<(), PlanTextError> {
        let (name, place) = if self.for_prefill {
            ("prefill", &mut self.prefill)
        } else {
            ("decode", &mut self.decode)
        };
        if place.is_some() {
            return Err(PlanTextError::Twice(name.to_owned()));
        }
        *place = Some(pool(word)?);
        self.for_prefill = false;
        Ok(())
    }

    fn format_of(&mut self, field: &str, value: &str) -> Result<(), PlanTextError> {
        if field == "inputs" {
            self.inputs = Some(format(value, [].into_iter())?);
            return Ok(());
        }
        let place = match field {
            "attention" => &mut self.precision.attention,
            "ffn" => &mut self.precision.feed_forward,
            "experts" => &mut self.precision.experts,
            "kv" => &mut self.precision.cache,
            _ => {
                return Err(PlanTextError::Word {
                    word: field.to_owned(),
                    known: BESIDE.to_vec(),
                });
            }
        };
        *place = format(value, [].into_iter())?;
        Ok(())
    }
}

/// The next word, in which a bracket holds words together, and what follows it.
fn next(text: &str) -> Result<Option<(&str, &str)>, PlanTextError> {
    let separator = |mark: char| mark == ',' || mark.is_whitespace();
    let text = text.trim_start_matches(separator);
    let bracket = text.find('[');
    let space = text.find(separator).unwrap_or(text.len());
    let end = match bracket.filter(|at| *at < space) {
        Some(at) => match text[at..].find(']') {
            Some(length) => at + length + 1,
            None => return Err(PlanTextError::Pool(text.to_owned())),
        },
        None => space,
    };
    Ok((end > 0).then(|| text.split_at(end)))
}

/// `4x[tp=8 batch=64]`.
fn pool(word: &str) -> Result<Pool, PlanTextError> {
    let wrong = || PlanTextError::Pool(word.to_owned());
    let (count, inside) = word.split_once('[').ok_or_else(wrong)?;
    let inside = inside.strip_suffix(']').ok_or_else(wrong)?;
    let instances = match count.strip_suffix('x') {
        Some(count) => number("the number of instances", count)?,
        None if count.is_empty() => 1,
        None => return Err(wrong()),
    };
    let mut values: [Option<u64>; FIELDS.len()] = [None; FIELDS.len()];
    for pair in inside
        .split([',', ' '])
        .filter(|pair| !pair.trim().is_empty())
    {
        let (field, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(place) = FIELDS.iter().position(|known| *known == field) else {
            return Err(PlanTextError::Word {
                word: field.to_owned(),
                known: FIELDS.to_vec(),
            });
        };
        if values[place].replace(number(field, value)?).is_some() {
            return Err(PlanTextError::Twice(field.to_owned()));
        }
    }
    let [tp, dp, pp, ep, _, batch] = values.map(|value| value.unwrap_or(1));
    let etp = values[4].unwrap_or(if ep > 1 { 1 } else { tp.saturating_mul(dp) });
    Ok(Pool {
        instances,
        layout: Layout {
            tp,
            pp,
            dp,
            ep,
            etp,
        },
        batch,
    })
}

fn number(field: &str, value: &str) -> Result<u64, PlanTextError> {
    let read = value.parse().ok().filter(|number| *number > 0);
    read.ok_or_else(|| PlanTextError::Number {
        field: field.to_owned(),
        value: value.to_owned(),
    })
}

fn format(
    word: &str,
    others: impl Iterator<Item = &'static str>,
) -> Result<NumberFormat, PlanTextError> {
    let found = NumberFormat::ALL.into_iter().find(|one| one.name() == word);
    found.ok_or_else(|| PlanTextError::Word {
        word: word.to_owned(),
        known: others
            .chain(NumberFormat::ALL.map(NumberFormat::name))
            .collect(),
    })
}
