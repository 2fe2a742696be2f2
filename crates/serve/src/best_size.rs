//! The batch that serves most.
//!
//! A rate does not rise with the batch throughout: a few sequences more start another tile of a
//! multiplication, which takes longer than they bring. What does hold is that a larger batch never takes
//! less time, so that the rate of b is at most rate(low) x b / low for any low below it. Halving the
//! spans that this bound leaves finds the best of all exactly.

/// The size up to `most` with the highest rate above a known one, where any is; `time` of a size, b /
/// rate(b), must not fall with it.
pub(crate) fn best_size(most: u64, known: f64, mut rate: impl FnMut(u64) -> f64) -> Option<u64> {
    let mut best = (None, known);
    let mut try_one = |size: u64, best: &mut (Option<u64>, f64)| {
        let found = rate(size);
        if found > best.1 {
            *best = (Some(size), found);
        }
        found
    };
    if most == 0 {
        return None;
    }
    try_one(most, &mut best);
    let mut spans = Vec::new();
    let mut high = most;
    while high > 1 {
        let low = high / 2;
        spans.push((low, try_one(low, &mut best), high));
        high = low;
    }
    // The span of the largest sizes first: it most often holds the best, which then bounds the others.
    spans.reverse();
    while let Some((low, found, high)) = spans.pop() {
        let inside = high - low > 1;
        if inside && found * (high - 1) as f64 / low as f64 > best.1 {
            let middle = low.midpoint(high);
            let of_middle = try_one(middle, &mut best);
            spans.push((low, found, middle));
            spans.push((middle, of_middle, high));
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::best_size;

    proptest! {
        /// Against every size, for times with steps of any width.
        #[test]
        fn no_size_is_better(most in 1..600_u64, fixed in 0.0..50.0_f64, slope in 0.01..2.0_f64, tile in 1..200_u64, step in 0.0..80.0_f64) {
            let rate = |size: u64| size as f64 / (fixed + slope * size as f64 + step * size.div_ceil(tile) as f64);
            let found = best_size(most, 0.0, rate).unwrap();
            let best = (1..=most).map(rate).fold(0.0, f64::max);
            prop_assert!(rate(found) >= best);
            prop_assert_eq!(best_size(most, best, rate), None);
        }
    }
}
