//! Percentiles of many times in little memory.
//!
//! Up to 65,536 values percentiles are exact (nearest rank). Beyond, values are counted in
//! buckets: each power of two is split into 1024 equal parts, so a percentile, the middle of its
//! bucket, is off by at most 0.05% of its value, and memory is at most 0.5 MB whatever the number
//! of values. The mean and the largest value are exact.

use chokepoint_units::Seconds;
use serde::Serialize;

use crate::time::Femtos;

/// Values kept one by one.
const EXACT: usize = 65_536;
/// Parts of a power of two, as a power of two.
const PART_BITS: u32 = 10;

/// Times seen, in picoseconds.
#[derive(Debug, Default)]
pub(crate) struct Times {
    exact: Vec<u64>,
    buckets: Vec<u64>,
    count: u64,
    sum: u128,
    largest: u64,
}

/// What is known of a set of times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distribution {
    /// How many.
    pub count: u64,
    /// Their mean.
    pub mean_seconds: Seconds,
    /// Half are at most this.
    pub p50_seconds: Seconds,
    /// 90% are at most this.
    pub p90_seconds: Seconds,
    /// 95% are at most this.
    pub p95_seconds: Seconds,
    /// 99% are at most this.
    pub p99_seconds: Seconds,
    /// 99.9% are at most this.
    pub p999_seconds: Seconds,
    /// The largest.
    pub max_seconds: Seconds,
    /// Largest relative error of the percentiles: 0 where all values were kept.
    pub relative_error: f64,
}

impl Times {
    /// Adds a time.
    pub(crate) fn add(&mut self, time: Femtos) {
        let value = u64::try_from(time.0 / 1000).unwrap_or(u64::MAX);
        self.count += 1;
        self.sum += u128::from(value);
        self.largest = self.largest.max(value);
        if !self.buckets.is_empty() {
            self.bucket(value);
            return;
        }
        self.exact.push(value);
        if self.exact.len() > EXACT {
            for value in std::mem::take(&mut self.exact) {
                self.bucket(value);
            }
        }
    }

    fn bucket(&mut self, value: u64) {
        let index = index(value);
        if self.buckets.len() <= index {
            self.buckets.resize(index + 1, 0);
        }
        self.buckets[index] += 1;
    }

    /// What is known; nothing without a value.
    pub(crate) fn distribution(&mut self) -> Option<Distribution> {
        if self.count == 0 {
            return None;
        }
        self.exact.sort_unstable();
        let mean = self.sum as f64 / self.count as f64;
        let at = |permille: u64| seconds(self.percentile(permille) as f64);
        Some(Distribution {
            count: self.count,
            mean_seconds: seconds(mean),
            p50_seconds: at(500),
            p90_seconds: at(900),
            p95_seconds: at(950),
            p99_seconds: at(990),
            p999_seconds: at(999),
            max_seconds: seconds(self.largest as f64),
            relative_error: if self.buckets.is_empty() {
                0.0
            } else {
                0.5 / f64::from(1_u32 << PART_BITS)
            },
        })
    }

    /// Nearest rank.
    fn percentile(&self, permille: u64) -> u64 {
        let rank = (u128::from(self.count) * u128::from(permille))
            .div_ceil(1000)
            .max(1) as u64;
        if self.buckets.is_empty() {
            return self.exact[rank as usize - 1];
        }
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return middle(index).min(self.largest);
            }
        }
        self.largest
    }
}

fn seconds(picoseconds: f64) -> Seconds {
    Seconds::new(picoseconds * 1e-12)
}

/// Bucket of a value: its power of two, and the next bits.
fn index(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(PART_BITS + 1);
    let part = (value >> shift) as usize;
    ((shift as usize) << PART_BITS) + part
}

/// The middle of a bucket.
fn middle(index: usize) -> u64 {
    let shift = (index >> PART_BITS).saturating_sub(1);
    let part = (index - (shift << PART_BITS)) as u64;
    (part << shift) + ((1 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn nearest_ranks_by_hand() {
        let mut times = Times::default();
        for value in [40, 10, 30, 20] {
            times.add(Femtos(value * 1000));
        }
        let d = times.distribution().unwrap();
        let picoseconds = |s: Seconds| (s.get() * 1e12).round() as u64;
        assert_eq!(picoseconds(d.p50_seconds), 20);
        assert_eq!(picoseconds(d.p90_seconds), 40);
        assert_eq!(picoseconds(d.mean_seconds), 25);
        assert!(Times::default().distribution().is_none());
    }

    #[test]
    fn buckets_stay_within_the_stated_error() {
        let mut random = Random::new(3, 0);
        let (mut times, mut all) = (Times::default(), Vec::new());
        for _ in 0..200_000 {
            let value = (random.exponential() * 1e10) as u64;
            all.push(value);
            times.add(Femtos(u128::from(value) * 1000));
        }
        all.sort_unstable();
        let d = times.distribution().unwrap();
        for (permille, got) in [
            (500, d.p50_seconds),
            (990, d.p99_seconds),
            (999, d.p999_seconds),
        ] {
            let wanted = all[(all.len() * permille).div_ceil(1000) - 1] as f64 * 1e-12;
            let error = (got.get() / wanted - 1.0).abs();
            assert!(error <= d.relative_error, "p{permille}: {error}");
        }
        for value in [0, 1, 2047, 2048, 2049, 1 << 40, u64::MAX] {
            let middle = middle(index(value)) as f64;
            assert!((middle / (value as f64).max(1.0) - 1.0).abs() <= 0.001 || value == 0);
        }
    }
}
