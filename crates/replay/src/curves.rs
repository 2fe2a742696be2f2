//! Iteration times from two functions, where the time of decoding is any curve of the contexts.
//!
//! Between points of a grid that splits each power of two into 16 equal parts the curve is
//! replaced by its chord. Chords meet at the points, and a chord over a sixteenth of its length
//! is off by at most |p (p - 1)| / 2048 of a power law with exponent p (from the second
//! derivative): 0.012% for a square root, nothing for straight pieces without a bend inside.

use chokepoint_units::Seconds;

use crate::step::{DecodeTime, Iteration, StepTime};

/// Parts of a power of two, as a power of two.
const PART_BITS: u32 = 4;

/// Iteration times from two functions.
#[derive(Debug, Clone, Copy)]
pub struct Curves<M, D> {
    /// Time of an iteration with prompts.
    pub mixed: M,
    /// Time of a decode iteration with so many sequences and such a sum of their contexts.
    pub decode: D,
}

impl<M, D> StepTime for Curves<M, D>
where
    M: Fn(&Iteration<'_>) -> Seconds,
    D: Fn(u32, f64) -> Seconds,
{
    fn mixed(&self, iteration: &Iteration<'_>) -> Seconds {
        (self.mixed)(iteration)
    }

    fn decode(&self, decodes: u32, context_tokens: f64) -> DecodeTime {
        let (from, to) = grid(context_tokens as u64);
        let point = |context: u64| {
            let context = context as f64;
            (context, (self.decode)(decodes, context))
        };
        DecodeTime::chord(point(from), point(to))
    }
}

/// The points of the grid around a context.
fn grid(context: u64) -> (u64, u64) {
    let octave = context.max(1).ilog2();
    let shift = octave.saturating_sub(PART_BITS);
    let from = (context >> shift) << shift;
    (from, from.saturating_add(1 << shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chords_meet_at_sixteenths_of_powers_of_two() {
        assert_eq!(grid(0), (0, 1));
        assert_eq!(grid(17), (17, 18));
        assert_eq!(grid(1024), (1024, 1088));
        assert_eq!(grid(1087), (1024, 1088));
        assert_eq!(grid(2047), (1984, 2048));
    }

    #[test]
    fn chords_of_a_power_law_are_within_the_stated_error() {
        let curve = |_: u32, context: f64| Seconds::new(1e-6 * libm::sqrt(context));
        let curves = Curves {
            mixed: |_: &Iteration<'_>| Seconds::ZERO,
            decode: curve,
        };
        let mut largest = 0.0_f64;
        for context in 1000..5000 {
            let context = f64::from(context);
            let line = curves.decode(1, context).lines()[0];
            let time = line.base + line.per_token * context;
            largest = largest.max((time / curve(1, context) - 1.0).abs());
        }
        assert!((1e-5..0.25 / 2048.0).contains(&largest), "{largest}");
    }
}
