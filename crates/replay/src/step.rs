//! How long an iteration takes: the one thing that the replay asks of its caller.

use chokepoint_units::Seconds;

/// Part of a prompt computed in one iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Tokens computed now.
    pub new_tokens: u32,
    /// Tokens of the same prompt whose keys and values are already there.
    pub past_tokens: u32,
}

/// What one iteration computes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Iteration<'a> {
    /// Prompts or parts of prompts.
    pub chunks: &'a [Chunk],
    /// Sequences that decode.
    pub decodes: u32,
    /// Tokens that the decoding sequences attend to, all together, their new ones included.
    pub context_tokens: f64,
}

/// A straight line in the sum of the contexts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Line {
    /// Time that does not depend on the contexts.
    pub base: Seconds,
    /// Time for one more token of context.
    pub per_token: Seconds,
}

/// Most lines in one description of decoding.
pub const MAX_LINES: usize = 6;

/// Time of decode iterations with a fixed number of sequences: the largest of some lines in the
/// sum of the contexts, within a range of that sum.
///
/// A sum over operators of `max(compute, memory)` is of this form. A curve that is not is given
/// piece by piece: a line with the range in which it holds, and the replay asks again beyond it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecodeTime {
    lines: [Line; MAX_LINES],
    count: usize,
    /// Smallest sum of contexts for which this holds.
    pub from_tokens: f64,
    /// Largest sum of contexts for which this holds.
    pub to_tokens: f64,
}

impl DecodeTime {
    /// One line that holds everywhere.
    #[must_use]
    pub const fn line(line: Line) -> Self {
        let mut lines = [Line {
            base: Seconds::ZERO,
            per_token: Seconds::ZERO,
        }; MAX_LINES];
        lines[0] = line;
        Self {
            lines,
            count: 1,
            from_tokens: 0.0,
            to_tokens: f64::INFINITY,
        }
    }

    /// The largest of some lines, everywhere; nothing for no line or more than [`MAX_LINES`].
    #[must_use]
    pub fn largest_of(lines: &[Line]) -> Option<Self> {
        let first = Self::line(*lines.first()?);
        let mut all = first.lines;
        all.get_mut(..lines.len())?.copy_from_slice(lines);
        Some(Self {
            lines: all,
            count: lines.len(),
            ..first
        })
    }

    /// The straight line between the times at two sums of contexts, for what is between them:
    /// how a curve is given piece by piece. Where the time falls, as measured curves may here
    /// and there, the mean of both.
    #[must_use]
    pub fn chord(from: (f64, Seconds), to: (f64, Seconds)) -> Self {
        let rise = to.1 - from.1;
        let line = if rise.get() > 0.0 && to.0 > from.0 {
            let per_token = rise / (to.0 - from.0);
            Line {
                base: from.1 - per_token * from.0,
                per_token,
            }
        } else {
            Line {
                base: (from.1 + to.1) / 2.0,
                per_token: Seconds::ZERO,
            }
        };
        Self::line(line).within(from.0, to.0)
    }

    /// The same, for sums of contexts in a range only.
    #[must_use]
    pub const fn within(mut self, from_tokens: f64, to_tokens: f64) -> Self {
        self.from_tokens = from_tokens;
        self.to_tokens = to_tokens;
        self
    }

    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines[..self.count]
    }
}

/// Time of the iterations of one instance. Attention groups in lockstep are one instance.
pub trait StepTime {
    /// An iteration that computes at least one chunk, perhaps beside decoding sequences.
    fn mixed(&self, iteration: &Iteration<'_>) -> Seconds;

    /// Decode iterations with this many sequences, around this sum of contexts.
    fn decode(&self, decodes: u32, context_tokens: f64) -> DecodeTime;
}

/// An iteration time linear in everything: for tests, benchmarks and first looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// Every iteration.
    pub iteration: Seconds,
    /// Each token of a prompt.
    pub prompt_token: Seconds,
    /// Each pair of a prompt's token and a token before it that it attends to.
    pub prompt_pair: Seconds,
    /// Each decoding sequence.
    pub sequence: Seconds,
    /// Each token that a decoding sequence attends to.
    pub context_token: Seconds,
}

impl Affine {
    /// Made up, of the size of an 8-billion-parameter model on one accelerator: not a
    /// measurement of any. Used by tests and benchmarks.
    pub const MADE_UP: Self = Self {
        iteration: Seconds::new(5e-3),
        prompt_token: Seconds::new(25e-6),
        prompt_pair: Seconds::new(1e-9),
        sequence: Seconds::new(20e-6),
        context_token: Seconds::new(30e-9),
    };
}

impl StepTime for Affine {
    fn mixed(&self, iteration: &Iteration<'_>) -> Seconds {
        let mut tokens = 0.0;
        let mut pairs = 0.0;
        for chunk in iteration.chunks {
            let new = f64::from(chunk.new_tokens);
            tokens += new;
            pairs += new * (f64::from(chunk.past_tokens) + (new + 1.0) / 2.0);
        }
        self.iteration
            + self.prompt_token * tokens
            + self.prompt_pair * pairs
            + self.sequence * f64::from(iteration.decodes)
            + self.context_token * iteration.context_tokens
    }

    fn decode(&self, decodes: u32, _context_tokens: f64) -> DecodeTime {
        DecodeTime::line(Line {
            base: self.iteration + self.sequence * f64::from(decodes),
            per_token: self.context_token,
        })
    }
}
