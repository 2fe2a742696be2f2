//! Runs of decode iterations in closed form.
//!
//! In a run the same `n` sequences decode, so the sum of their contexts grows by the same amount
//! at each iteration: c, c + g, c + 2g ... The time of an iteration is the largest of some lines
//! `base + slope x context`. Lines are rounded once, to whole femtoseconds; everything after is
//! in whole numbers. As the context grows the largest line only changes to steeper ones, so a
//! run is a few segments, on each of which k iterations take
//! `k base + slope (k c + g k (k - 1) / 2)`.
//!
//! Contexts are in units: one token, or a fraction where sequences make a fractional number of
//! tokens at each iteration.

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_units::Seconds;

use crate::step::{DecodeTime, MAX_LINES, StepTime};
use crate::time::Femtos;

/// The steepest slope taken: a second for each unit of context, so that no sum overflows.
const STEEPEST: u64 = 1_000_000_000_000_000;

/// Iteration times with a number of decoding sequences, in femtoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    /// Base, below zero for the chord of some curves, and slope for each unit of context.
    lines: [(i64, u64); MAX_LINES],
    count: usize,
    /// Sums of contexts for which the lines hold.
    from: u64,
    to: u64,
}

impl Rates {
    /// Rounds a description given in tokens to whole femtoseconds for each unit.
    pub(crate) fn of(time: &DecodeTime, units_per_token: u32) -> Result<Self, Diagnostic> {
        let units = f64::from(units_per_token);
        let mut lines = [(0, 0); MAX_LINES];
        for (rounded, line) in lines.iter_mut().zip(time.lines()) {
            let base = signed(line.base);
            let slope = Femtos::of(line.per_token / units).and_then(|t| u64::try_from(t.0).ok());
            let slope = slope.filter(|&slope| slope <= STEEPEST);
            let (Some(base), Some(slope)) = (base, slope) else {
                return Err(bad_time());
            };
            *rounded = (base, slope);
        }
        Ok(Self {
            lines,
            count: time.lines().len(),
            from: (time.from_tokens * units) as u64,
            to: (time.to_tokens * units) as u64,
        })
    }

    fn lines(&self) -> &[(i64, u64)] {
        &self.lines[..self.count]
    }

    /// The largest line at a context, the steepest of equals.
    fn line_at(&self, context: u64) -> (i64, u64) {
        let value = |line: &(i64, u64)| value(*line, context);
        let mut best = self.lines[0];
        for line in &self.lines()[1..] {
            if (value(line), line.1) > (value(&best), best.1) {
                best = *line;
            }
        }
        best
    }
}

/// A line's time at a context.
fn value(line: (i64, u64), context: u64) -> i128 {
    i128::from(line.0) + i128::from(line.1) * i128::from(context)
}

/// A time, perhaps below zero, of at most some hours.
fn signed(time: Seconds) -> Option<i64> {
    let size = Femtos::of(Seconds::new(time.get().abs()))?;
    let size = i64::try_from(size.0).ok()?;
    Some(if time.get() < 0.0 { -size } else { size })
}

/// What to say about iteration times that cannot be.
pub(crate) fn bad_time() -> Diagnostic {
    Diagnostic::new(
        Code::Model,
        "the time of an iteration is not a positive number of seconds (at most two hours for a decode iteration)",
    )
}

/// Iteration times of one kind of instance, kept by number of decoding sequences.
pub(crate) struct Clock<'a> {
    pub(crate) time: &'a dyn StepTime,
    units_per_token: u32,
    kept: Vec<Option<Rates>>,
}

impl<'a> Clock<'a> {
    pub(crate) fn new(time: &'a dyn StepTime, units_per_token: u32) -> Self {
        Self {
            time,
            units_per_token,
            kept: Vec::new(),
        }
    }

    /// The run that starts with these sequences and this context of its first iteration.
    pub(crate) fn run(
        &mut self,
        decodes: u32,
        context: u64,
        growth: u64,
    ) -> Result<Run, Diagnostic> {
        let place = decodes as usize;
        if self.kept.len() <= place {
            self.kept.resize(place + 1, None);
        }
        let rates = match self.kept[place] {
            Some(rates) if (rates.from..=rates.to).contains(&context) => rates,
            _ => {
                let tokens = context as f64 / f64::from(self.units_per_token);
                let rates = Rates::of(&self.time.decode(decodes, tokens), self.units_per_token)?;
                self.kept[place] = Some(rates);
                rates
            }
        };
        // Slopes are not negative, so the later iterations take no less.
        if value(rates.line_at(context), context) <= 0 {
            return Err(bad_time());
        }
        Ok(Run {
            rates,
            context,
            growth,
        })
    }
}

/// A run of decode iterations with the same sequences.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    rates: Rates,
    /// Sum of the contexts in the first iteration, in units.
    context: u64,
    /// Growth of that sum at each iteration, in units.
    growth: u64,
}

/// Iterations of a run on one line: `first..end`, counted from 0.
#[derive(Clone, Copy)]
struct Segment {
    base: i64,
    slope: u64,
    /// Context of its first iteration.
    context: u64,
    first: u64,
    end: u64,
}

impl Segment {
    /// Time of its first `count` iterations.
    fn time(&self, growth: u64, count: u64) -> u128 {
        let count = u128::from(count);
        let grown = u128::from(growth) * (count * count.saturating_sub(1) / 2);
        let sloped = u128::from(self.slope) * (count * u128::from(self.context) + grown);
        let flat = count * u128::from(self.base.unsigned_abs());
        if self.base < 0 {
            sloped - flat
        } else {
            sloped + flat
        }
    }

    /// The fewest iterations that take at least `time`, which is at most the whole segment's.
    fn count_for(&self, growth: u64, time: u128) -> u64 {
        // k (first - half) + half k^2 = time, with half the growth of an iteration's time.
        let half = self.slope as f64 * growth as f64 / 2.0;
        let first = self.base as f64 + self.slope as f64 * self.context as f64;
        let linear = (first - half).max(0.0);
        let root = (linear * linear + 4.0 * half * time as f64).sqrt();
        let mut count = (2.0 * time as f64 / (linear + root)) as u64;
        count = count.min(self.end - self.first);
        // The estimate is off by rounding only.
        while count > 0 && self.time(growth, count - 1) >= time {
            count -= 1;
        }
        while self.time(growth, count) < time {
            count += 1;
        }
        count
    }
}

impl Run {
    /// Most iterations for which the iteration times hold; at least one.
    pub(crate) fn longest(&self) -> u64 {
        if self.growth == 0 {
            return u64::MAX;
        }
        (self.rates.to.saturating_sub(self.context) / self.growth).saturating_add(1)
    }

    /// Time of the first `count` iterations.
    pub(crate) fn time(&self, count: u64) -> Femtos {
        let mut total = 0;
        let mut first = 0;
        while first < count {
            let segment = self.segment(first, count);
            total += segment.time(self.growth, segment.end - segment.first);
            first = segment.end;
        }
        Femtos(total)
    }

    /// The fewest iterations that take at least `time`, if that is at most `limit`; else `limit`.
    pub(crate) fn count_for(&self, time: Femtos, limit: u64) -> u64 {
        let mut left = time.0;
        let mut first = 0;
        while first < limit && left > 0 {
            let segment = self.segment(first, limit);
            let whole = segment.time(self.growth, segment.end - segment.first);
            if whole >= left {
                return first + segment.count_for(self.growth, left);
            }
            left -= whole;
            first = segment.end;
        }
        first
    }

    /// The segment that starts at iteration `first` and ends at `limit` at the latest.
    fn segment(&self, first: u64, limit: u64) -> Segment {
        let context = self.context + self.growth * first;
        let (base, slope) = self.rates.line_at(context);
        let mut end = limit;
        for &(other_base, other_slope) in self.rates.lines() {
            if other_slope > slope && self.growth > 0 {
                // The steeper line is above from the first whole context beyond the crossing.
                let above = base.abs_diff(other_base);
                let crossing = above / (other_slope - slope) + 1;
                let iteration = crossing.saturating_sub(self.context).div_ceil(self.growth);
                end = end.min(iteration.max(first + 1));
            }
        }
        Segment {
            base,
            slope,
            context,
            first,
            end,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::step::Line;

    fn run(lines: &[(i32, u32)], context: u64, growth: u64) -> Run {
        let lines: Vec<Line> = lines
            .iter()
            .map(|&(base, slope)| Line {
                base: Seconds::new(f64::from(base) * 1e-15),
                per_token: Seconds::new(f64::from(slope) * 1e-15),
            })
            .collect();
        let time = DecodeTime::largest_of(&lines).unwrap();
        Run {
            rates: Rates::of(&time, 1).unwrap(),
            context,
            growth,
        }
    }

    #[test]
    fn two_lines_by_hand() {
        // max(100, 10 + 2c) with c = 40, 43, 46, 49: 100, 100, 102, 108.
        let run = run(&[(100, 0), (10, 2)], 40, 3);
        assert_eq!(run.time(2), Femtos(200));
        assert_eq!(run.time(4), Femtos(410));
        assert_eq!(run.count_for(Femtos(200), 9), 2);
        assert_eq!(run.count_for(Femtos(201), 9), 3);
        assert_eq!(run.count_for(Femtos(410), 9), 4);
        assert_eq!(run.count_for(Femtos(u128::MAX), 9), 9);
    }

    #[test]
    fn a_chord_may_cut_below_zero() {
        // From 100 fs at 40 to 300 fs at 60: -300 + 10 c.
        let femtos = |f: f64| Seconds::new(f * 1e-15);
        let chord = DecodeTime::chord((40.0, femtos(100.0)), (60.0, femtos(300.0)));
        let run = Run {
            rates: Rates::of(&chord, 1).unwrap(),
            context: 40,
            growth: 5,
        };
        assert_eq!(run.longest(), 5);
        assert_eq!(run.time(5), Femtos(100 + 150 + 200 + 250 + 300));
        assert_eq!(run.count_for(Femtos(251), 5), 3);
        let falling = DecodeTime::chord((40.0, femtos(300.0)), (60.0, femtos(100.0)));
        assert_eq!(falling.lines()[0].base, femtos(200.0));
    }

    proptest! {
        #[test]
        fn closed_form_is_the_sum(
            lines in proptest::collection::vec((-5000..2_000_000, 0_u32..3000), 1..=MAX_LINES),
            context in 0_u64..5000, growth in 0_u64..300, count in 0_u64..300, part in 0.0..1.1_f64,
        ) {
            let least = |context: u64| lines.iter().map(|&(b, s)| {
                i128::from(b) + i128::from(s) * i128::from(context)
            }).max().unwrap();
            prop_assume!(least(context) > 0);
            let run = run(&lines, context, growth);
            let times: Vec<u128> = (0..count).map(|t| least(context + growth * t) as u128).collect();
            let total: u128 = times.iter().sum();
            prop_assert_eq!(run.time(count).0, total);
            let wanted = (total as f64 * part) as u128;
            let mut sum = 0;
            let mut slow = 0;
            while slow < count && sum < wanted {
                sum += times[slow as usize];
                slow += 1;
            }
            prop_assert_eq!(run.count_for(Femtos(wanted), count), slow);
        }
    }
}
