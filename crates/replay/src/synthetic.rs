//! Synthetic requests: an arrival process, lengths and a seed.

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_units::Seconds;

use crate::random::Random;
use crate::request::Request;

/// When requests arrive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Process {
    /// All at the start.
    AtOnce,
    /// At equal intervals.
    Uniform {
        /// Requests a second.
        rate: f64,
    },
    /// At exponential intervals.
    Poisson {
        /// Requests a second.
        rate: f64,
    },
    /// At gamma intervals, burstier than Poisson where the variation is above 1.
    Gamma {
        /// Requests a second.
        rate: f64,
        /// Standard deviation of the intervals over their mean.
        variation: f64,
    },
}

/// Lengths, uniform over whole numbers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// Shortest.
    pub least: u32,
    /// Longest.
    pub most: u32,
}

impl Lengths {
    /// Always the same.
    #[must_use]
    pub const fn fixed(tokens: u32) -> Self {
        Self {
            least: tokens,
            most: tokens,
        }
    }

    /// From a share of the nominal length (rounded down) to the nominal length: 0.8 as
    /// InferenceX draws them.
    #[must_use]
    pub fn from_share(nominal: u32, share: f64) -> Self {
        Self {
            least: (f64::from(nominal) * share.clamp(0.0, 1.0)) as u32,
            most: nominal,
        }
    }
}

/// Requests to draw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Synthetic {
    /// How many.
    pub requests: u64,
    /// When they arrive.
    pub process: Process,
    /// Tokens of their prompts.
    pub input: Lengths,
    /// Tokens that they make.
    pub output: Lengths,
    /// Seed of all that is drawn.
    pub seed: u64,
}

impl Synthetic {
    /// Draws the requests one by one, in the order of their times.
    ///
    /// # Errors
    ///
    /// Rates or lengths that make no sense.
    pub fn draw(&self) -> Result<Drawn, Diagnostic> {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let sane = match self.process {
            Process::AtOnce => true,
            Process::Uniform { rate } | Process::Poisson { rate } => positive(rate),
            Process::Gamma { rate, variation } => {
                positive(rate) && (0.01..=100.0).contains(&variation)
            }
        };
        let lengths = self.input.least > 0
            && self.input.least <= self.input.most
            && self.output.least <= self.output.most;
        if !(sane && lengths) {
            return Err(Diagnostic::new(
                Code::Value,
                "synthetic requests need a positive rate, a variation from 0.01 to 100, prompts of at least one token, and lengths in order",
            ));
        }
        Ok(Drawn {
            of: *self,
            drawn: 0,
            time: 0.0,
            times: Random::new(self.seed, 0),
            lengths: Random::new(self.seed, 1),
        })
    }
}

/// Synthetic requests, drawn as they are asked for.
#[derive(Debug, Clone)]
pub struct Drawn {
    of: Synthetic,
    drawn: u64,
    time: f64,
    times: Random,
    lengths: Random,
}

impl Drawn {
    /// Time from one arrival to the next, or from the start to the first.
    fn interval(&mut self) -> f64 {
        match self.of.process {
            Process::AtOnce => 0.0,
            Process::Uniform { rate } => 1.0 / rate,
            Process::Poisson { rate } => self.times.exponential() / rate,
            Process::Gamma { rate, variation } => {
                self.times.gamma(1.0 / (variation * variation)) / rate
            }
        }
    }
}

impl Iterator for Drawn {
    type Item = Result<Request, Diagnostic>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.drawn == self.of.requests {
            return None;
        }
        self.drawn += 1;
        self.time += self.interval();
        let Lengths { least, most } = self.of.input;
        let input_tokens = self.lengths.between(least, most);
        let Lengths { least, most } = self.of.output;
        Some(Ok(Request {
            arrival: Seconds::new(self.time),
            input_tokens,
            output_tokens: self.lengths.between(least, most),
            ..Request::default()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(process: Process, seed: u64) -> Vec<Request> {
        let synthetic = Synthetic {
            requests: 200_000,
            process,
            input: Lengths::from_share(1000, 0.8),
            output: Lengths { least: 0, most: 9 },
            seed,
        };
        synthetic.draw().unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn intervals_have_the_rate_and_the_variation_asked_for() {
        for (process, variation) in [
            (Process::Uniform { rate: 4.0 }, 0.0),
            (Process::Poisson { rate: 4.0 }, 1.0),
            (
                Process::Gamma {
                    rate: 4.0,
                    variation: 2.5,
                },
                2.5,
            ),
            (
                Process::Gamma {
                    rate: 4.0,
                    variation: 0.5,
                },
                0.5,
            ),
        ] {
            let times: Vec<f64> = drawn(process, 3).iter().map(|r| r.arrival.get()).collect();
            let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
            let squares = gaps
                .iter()
                .map(|gap| (gap - mean) * (gap - mean))
                .sum::<f64>();
            let deviation = libm::sqrt(squares / gaps.len() as f64);
            assert!((mean * 4.0 - 1.0).abs() < 0.02, "{process:?}: mean {mean}");
            assert!(
                (deviation / mean - variation).abs() < 0.03,
                "{process:?}: {deviation}"
            );
        }
        assert!(
            drawn(Process::AtOnce, 3)
                .iter()
                .all(|r| r.arrival == Seconds::ZERO)
        );
    }

    #[test]
    fn lengths_are_uniform_and_the_same_for_all_processes_of_a_seed() {
        let requests = drawn(Process::AtOnce, 5);
        let mut counts = [0_u32; 10];
        for request in &requests {
            assert!((800..=1000).contains(&request.input_tokens));
            counts[request.output_tokens as usize] += 1;
        }
        assert!(
            counts
                .iter()
                .all(|&count| (19_300..20_700).contains(&count)),
            "{counts:?}"
        );
        let lengths = |requests: &[Request]| -> Vec<(u32, u32)> {
            requests
                .iter()
                .map(|r| (r.input_tokens, r.output_tokens))
                .collect()
        };
        let others = drawn(Process::Poisson { rate: 1.0 }, 5);
        assert_eq!(lengths(&requests), lengths(&others));
        assert_ne!(lengths(&requests), lengths(&drawn(Process::AtOnce, 6)));
    }
}
