//! How many keys a query sees.

/// Mean number of keys that each of `new` query tokens sees after `past` tokens in the cache.
///
/// Causal without a window: past + new/2, the half square by which Megatron-LM counts. With a
/// window w the mean of min(x, w) over the same range. Not causal: all past + new keys, at most w
/// (the convention of reports before 2024).
#[must_use]
pub fn mean_context(past: f64, new: f64, window: Option<f64>, causal: bool) -> f64 {
    let end = past + new;
    if !causal {
        return window.map_or(end, |w| end.min(w));
    }
    let Some(w) = window else {
        return past + new / 2.0;
    };
    if new <= 0.0 {
        return past.min(w);
    }
    let rising = (end.min(w) - past.min(w)) * (end.min(w) + past.min(w)) / 2.0;
    let flat = w * (end.max(w) - past.max(w));
    (rising + flat) / new
}

#[cfg(test)]
mod tests {
    use super::mean_context;

    #[test]
    fn a_window_changes_nothing_until_it_is_shorter_than_the_context() {
        for (past, new) in [(0.0, 4096.0), (100.0, 28.0), (5000.0, 1.0)] {
            let open = mean_context(past, new, None, true);
            let wide = mean_context(past, new, Some(past + new), true);
            assert!((open - wide).abs() < 1e-9 * open, "{past} {new}");
        }
        // 4,096 tokens, window 128: 128 x 4096 - 128^2 / 2 pairs.
        let mean = mean_context(0.0, 4096.0, Some(128.0), true);
        assert!((mean - (128.0 - 128.0 * 128.0 / 2.0 / 4096.0)).abs() < 1e-9);
        assert!((mean_context(5000.0, 16.0, Some(128.0), true) - 128.0).abs() < 1e-9);
        assert!((mean_context(0.0, 2048.0, None, false) - 2048.0).abs() < 1e-9);
    }
}
