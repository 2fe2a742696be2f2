//! Least squares over a few positive parameters within bounds, and which of them the residuals
//! determine.
//!
//! Over the logarithms of the parameters: two rounds of one parameter after the other over its whole
//! range, then Levenberg-Marquardt steps (Marquardt 1963) with differences for derivatives, again
//! from the best of ever narrower rounds. At the
//! minimum the columns of the Jacobian, d residual / d ln parameter, are taken largest first, each
//! without what those before it explain (Gram-Schmidt with pivoting, the rank of a QR
//! decomposition); a parameter whose column is small, or small after that, is not determined,
//! returns to its given value, and the others are fitted again. A column that is flat at the minimum
//! counts as what the way there from the given value changed.
//!
//! Limits: a local minimum beyond the grid is not left; errors of the figures are not propagated to
//! the parameters.

/// Values of a parameter that are tried over its range.
const GRID: u32 = 9;
/// Half-widths in logarithms of the ranges that are tried: all at first, twice, and around the minima
/// that are found, since figures of a replay move in steps and descents end in them.
const WIDTHS: [f64; 2] = [f64::INFINITY, f64::INFINITY];
const NARROWER: [f64; 4] = [1.0, 0.5, 0.2, 0.08];
/// Most steps of the descent.
const STEPS: usize = 25;
/// Step of a difference, in logarithms.
const DIFFERENCE: f64 = 0.02;
/// Step of a difference that says whether a parameter is determined.
const WIDE_DIFFERENCE: f64 = 0.1;
/// Least root mean square of a column: a parameter that doubles must move figures by 1.4%, about what
/// runs repeat to, in a way that other parameters do not.
const LEAST_EFFECT: f64 = 0.02;
/// Share of the loss by which a step must better it.
const GAIN: f64 = 1e-7;

/// A parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Parameter {
    /// Value before the fit.
    pub given: f64,
    /// Least that makes sense, above zero.
    pub low: f64,
    /// Most that makes sense.
    pub high: f64,
}

/// What became of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Fitted.
    Fitted,
    /// Fitted, and the best value is an end of what makes sense.
    AtBound,
    /// Left: figures do not depend on it.
    NoEffect,
    /// Left: its effect cannot be told from that of others.
    Alike,
    /// Left: there are no more points than fitted parameters.
    TooFew,
}

impl Verdict {
    /// Whether the value is new.
    #[must_use]
    pub const fn is_fitted(self) -> bool {
        matches!(self, Self::Fitted | Self::AtBound)
    }
}

/// Residuals of values of all parameters; as many every time.
pub(super) type Residuals<'a> = &'a dyn Fn(&[f64]) -> Vec<f64>;

/// Fits at most `most` parameters; values and verdicts in their order.
pub(super) fn fit(
    parameters: &[Parameter],
    most: usize,
    residuals: Residuals,
) -> Vec<(f64, Verdict)> {
    let mut search = Search {
        parameters,
        residuals,
        place: parameters.iter().map(Parameter::start).collect(),
        fixed: parameters.iter().map(|parameter| parameter.given).collect(),
    };
    let mut verdicts = vec![Verdict::Fitted; parameters.len()];
    let active = |verdicts: &[Verdict]| -> Vec<usize> {
        let all = 0..verdicts.len();
        all.filter(|at| verdicts[*at].is_fitted()).collect()
    };
    for width in WIDTHS {
        search.sweep(&active(&verdicts), width);
    }
    for _ in 0..=parameters.len() {
        let now = active(&verdicts);
        search.descend(&now);
        for width in NARROWER {
            search.sweep(&now, width);
            search.descend(&now);
        }
        let left = search.undetermined(&now, most);
        if left.is_empty() {
            break;
        }
        for (at, verdict) in left {
            verdicts[at] = verdict;
        }
    }
    let ended = parameters.iter().zip(&search.place).zip(verdicts);
    ended
        .map(|((parameter, place), verdict)| match verdict {
            Verdict::Fitted if parameter.at_bound(*place) => (libm::exp(*place), Verdict::AtBound),
            Verdict::Fitted => (libm::exp(*place), verdict),
            _ => (parameter.given, verdict),
        })
        .collect()
}

impl Parameter {
    fn bounds(&self) -> (f64, f64) {
        (libm::log(self.low), libm::log(self.high))
    }

    fn start(&self) -> f64 {
        libm::log(self.given.clamp(self.low, self.high))
    }

    fn at_bound(&self, place: f64) -> bool {
        let (low, high) = self.bounds();
        place - low < DIFFERENCE || high - place < DIFFERENCE
    }
}

/// A fit on its way.
struct Search<'a> {
    parameters: &'a [Parameter],
    residuals: Residuals<'a>,
    /// Logarithms of all parameters.
    place: Vec<f64>,
    /// Values of those that are not fitted.
    fixed: Vec<f64>,
}

impl Search<'_> {
    /// Residuals with some parameters at a place and the others as given.
    fn at(&self, active: &[usize], place: &[f64]) -> Vec<f64> {
        let mut values = self.fixed.clone();
        for at in active {
            values[*at] = libm::exp(place[*at]);
        }
        (self.residuals)(&values)
    }

    fn loss(&self, active: &[usize], place: &[f64]) -> f64 {
        squares(&self.at(active, place))
    }

    /// One parameter after the other, over its range around the place.
    fn sweep(&mut self, active: &[usize], width: f64) {
        let mut best = self.loss(active, &self.place);
        for at in active {
            let (low, high) = self.parameters[*at].bounds();
            let own = self.place[*at];
            let (low, high) = (low.max(own - width), high.min(own + width));
            let mut place = self.place.clone();
            for step in 0..GRID {
                place[*at] = low + (high - low) * f64::from(step) / f64::from(GRID - 1);
                let loss = self.loss(active, &place);
                if loss < best {
                    best = loss;
                    self.place[*at] = place[*at];
                }
            }
        }
    }

    /// Steps to a minimum.
    fn descend(&mut self, active: &[usize]) {
        let mut damping = 1e-3;
        let mut now = self.at(active, &self.place);
        for _ in 0..STEPS {
            let jacobian = self.forward(active, &now);
            let Some((place, next)) = self.step(active, &jacobian, &now, &mut damping) else {
                return;
            };
            let (before, after) = (squares(&now), squares(&next));
            (self.place, now) = (place, next);
            if before - after <= GAIN * before {
                return;
            }
        }
    }

    /// A step that betters the loss, with as much damping as it takes; none where there is none.
    fn step(
        &self,
        active: &[usize],
        jacobian: &[Vec<f64>],
        now: &[f64],
        damping: &mut f64,
    ) -> Option<(Vec<f64>, Vec<f64>)> {
        while *damping < 1e6 {
            let moved = solve(jacobian, now, *damping);
            let mut place = self.place.clone();
            for (at, step) in active.iter().zip(&moved) {
                let (low, high) = self.parameters[*at].bounds();
                place[*at] = (place[*at] - step).clamp(low, high);
            }
            let next = self.at(active, &place);
            if squares(&next) < squares(now) {
                *damping = (*damping / 4.0).max(1e-9);
                return Some((place, next));
            }
            *damping *= 6.0;
        }
        None
    }

    /// Columns of the Jacobian by forward differences, backward at an upper bound.
    fn forward(&self, active: &[usize], now: &[f64]) -> Vec<Vec<f64>> {
        let column = |at: &usize| {
            let (_, high) = self.parameters[*at].bounds();
            let inside = self.place[*at] + DIFFERENCE <= high;
            let step = if inside { DIFFERENCE } else { -DIFFERENCE };
            let mut place = self.place.clone();
            place[*at] += step;
            let moved = self.at(active, &place);
            let pairs = moved.iter().zip(now);
            pairs.map(|(moved, now)| (moved - now) / step).collect()
        };
        active.iter().map(column).collect()
    }

    /// Columns by wide central differences; where that is flat, as below what hides it or at the least
    /// value, what the whole way from the given value changed.
    fn central(&self, active: &[usize]) -> Vec<Vec<f64>> {
        let side = |at: usize, to: f64| {
            let mut place = self.place.clone();
            place[at] = to;
            self.at(active, &place)
        };
        let difference = |up: Vec<f64>, down: Vec<f64>, step: f64| -> Vec<f64> {
            let pairs = up.iter().zip(&down);
            pairs.map(|(up, down)| (up - down) / step).collect()
        };
        let column = |at: &usize| {
            let own = self.place[*at];
            let (up, down) = (own + WIDE_DIFFERENCE, own - WIDE_DIFFERENCE);
            let local = difference(side(*at, up), side(*at, down), 2.0 * WIDE_DIFFERENCE);
            if effect(&local) >= LEAST_EFFECT {
                return local;
            }
            let start = self.parameters[*at].start();
            difference(side(*at, own), side(*at, start), 1.0)
        };
        active.iter().map(column).collect()
    }

    /// Parameters that the residuals do not determine, or that are more than may be fitted.
    fn undetermined(&self, active: &[usize], most: usize) -> Vec<(usize, Verdict)> {
        let whole = self.central(active);
        let mut rest = whole.clone();
        let mut open: Vec<usize> = (0..active.len()).collect();
        let mut taken = 0;
        let largest = |rest: &[Vec<f64>], open: &[usize]| {
            let sizes = open.iter().map(|at| (squares(&rest[*at]), *at));
            sizes.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, at)| at)
        };
        while let Some(at) = largest(&rest, &open) {
            if effect(&rest[at]) < LEAST_EFFECT || taken == most {
                break;
            }
            taken += 1;
            open.retain(|other| *other != at);
            let basis = rest[at].clone();
            for other in &open {
                without(&mut rest[*other], &basis);
            }
        }
        open.iter()
            .map(|at| {
                let verdict = if effect(&whole[*at]) < LEAST_EFFECT {
                    Verdict::NoEffect
                } else if taken == most {
                    Verdict::TooFew
                } else {
                    Verdict::Alike
                };
                (active[*at], verdict)
            })
            .collect()
    }
}

/// Sum of squares; infinite where a residual is no number.
fn squares(residuals: &[f64]) -> f64 {
    let sum = residuals.iter().map(|value| value * value).sum::<f64>();
    if sum.is_nan() { f64::INFINITY } else { sum }
}

/// Root mean square.
fn effect(column: &[f64]) -> f64 {
    libm::sqrt(squares(column) / column.len().max(1) as f64)
}

/// Takes the part along a basis out of a column.
fn without(column: &mut [f64], basis: &[f64]) {
    let along = column.iter().zip(basis).map(|(a, b)| a * b).sum::<f64>() / squares(basis);
    for (value, basis) in column.iter_mut().zip(basis) {
        *value -= along * basis;
    }
}

/// The damped step: (J'J + d diag(J'J)) x = J'r, by elimination with pivots.
fn solve(jacobian: &[Vec<f64>], residuals: &[f64], damping: f64) -> Vec<f64> {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let count = jacobian.len();
    let mut rows: Vec<Vec<f64>> = jacobian
        .iter()
        .map(|own| {
            let mut row: Vec<f64> = jacobian.iter().map(|other| product(own, other)).collect();
            row.push(product(own, residuals));
            row
        })
        .collect();
    for (at, row) in rows.iter_mut().enumerate() {
        // A parameter without any effect stays where it is.
        row[at] += row[at] * damping + 1e-12;
    }
    for at in 0..count {
        let pivot = (at..count).max_by(|a, b| rows[*a][at].abs().total_cmp(&rows[*b][at].abs()));
        rows.swap(at, pivot.unwrap_or(at));
        let own = rows[at].clone();
        for row in &mut rows[at + 1..] {
            let share = row[at] / own[at];
            for (value, own) in row.iter_mut().zip(&own) {
                *value -= share * own;
            }
        }
    }
    let mut found = vec![0.0; count];
    for at in (0..count).rev() {
        let known = product(&rows[at][at + 1..count], &found[at + 1..]);
        let value = (rows[at][count] - known) / rows[at][at];
        found[at] = if value.is_finite() { value } else { 0.0 };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Parameter, Verdict, fit};

    fn parameter(given: f64) -> Parameter {
        Parameter {
            given,
            low: 1e-3,
            high: 1e3,
        }
    }

    /// Times a + b n of n = 1, 2, 4, ... with a = 3 and b = 0.2, as logarithms of ratios.
    fn line(values: &[f64]) -> Vec<f64> {
        let batches = (0..8).map(|power| f64::from(1 << power));
        let ratio = |n: f64| (values[0] + values[1] * n) / (3.0 + 0.2 * n);
        batches.map(|n| libm::log(ratio(n))).collect()
    }

    #[test]
    fn a_line_is_found_again() {
        let found = fit(&[parameter(1.0), parameter(1.0)], 8, &line);
        assert!((found[0].0 - 3.0).abs() < 1e-3, "{found:?}");
        assert!((found[1].0 - 0.2).abs() < 1e-3, "{found:?}");
        assert!(found.iter().all(|(_, verdict)| *verdict == Verdict::Fitted));
    }

    /// Of a parameter that nothing depends on the given value stays, to the last bit.
    #[test]
    fn what_has_no_effect_is_left() {
        let found = fit(&[parameter(1.0), parameter(1.0), parameter(0.7)], 8, &line);
        assert_eq!(found[2], (0.7, Verdict::NoEffect));
        assert!((found[0].0 - 3.0).abs() < 1e-3);
    }

    /// Of two parameters that only add up one is fitted.
    #[test]
    fn what_cannot_be_told_apart_is_left() {
        let sum = |values: &[f64]| line(&[values[0] + values[2], values[1]]);
        let found = fit(&[parameter(1.0), parameter(1.0), parameter(0.5)], 8, &sum);
        let alike = found
            .iter()
            .filter(|(_, verdict)| *verdict == Verdict::Alike);
        assert_eq!(alike.count(), 1, "{found:?}");
        assert!((found[0].0 + found[2].0 - 3.0).abs() < 1e-3, "{found:?}");
        assert!((found[1].0 - 0.2).abs() < 1e-3, "{found:?}");
    }

    #[test]
    fn one_point_fits_one_parameter() {
        let found = fit(&[parameter(1.0), parameter(1.0)], 1, &line);
        let verdicts: Vec<Verdict> = found.iter().map(|(_, verdict)| *verdict).collect();
        assert!(verdicts.contains(&Verdict::TooFew) && verdicts.contains(&Verdict::Fitted));
    }

    /// Where less is always better the least value is taken, though nothing depends on it there.
    #[test]
    fn what_is_better_absent_goes_to_its_bound() {
        let more = |values: &[f64]| line(&[3.0 + values[0], 0.2]);
        let found = fit(&[parameter(1.0)], 8, &more);
        assert_eq!(found[0].1, Verdict::AtBound);
        assert!(found[0].0 < 2e-3, "{found:?}");
    }

    #[test]
    fn bounds_hold_and_are_told() {
        let low = Parameter {
            low: 5.0,
            ..parameter(6.0)
        };
        let found = fit(&[low, parameter(1.0)], 8, &line);
        assert_eq!(found[0].1, Verdict::AtBound);
        assert!((found[0].0 - 5.0).abs() < 0.2, "{found:?}");
    }
}
