//! Random numbers from a seed: `SplitMix64` (Steele, Lea and Flood 2014), whose state is a counter.

/// The output function of `SplitMix64`: a hash of 64 bits.
pub(crate) const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Stream `stream` of a seed; streams are independent.
    pub(crate) const fn new(seed: u64, stream: u64) -> Self {
        Self(mix(
            mix(seed) ^ mix(stream.wrapping_add(0x9E37_79B9_7F4A_7C15))
        ))
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// From 0 (excluded) to 1 (included).
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 / 9_007_199_254_740_992.0
    }

    /// A whole number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        let span = u64::from(high.saturating_sub(low)) + 1;
        // The upper half of a 128-bit product: biased by less than span / 2^64.
        low + ((u128::from(self.bits()) * u128::from(span)) >> 64) as u32
    }

    /// Exponential with mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -libm::log(self.uniform())
    }

    /// Standard normal (Box and Muller 1958; one of the pair is used).
    fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(2.0 * self.exponential());
        radius * libm::cos(2.0 * std::f64::consts::PI * self.uniform())
    }

    /// Gamma with mean 1 and a shape (Marsaglia and Tsang 2000).
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = libm::pow(self.uniform(), 1.0 / shape);
            return self.gamma(shape + 1.0) * (shape + 1.0) * boost / shape;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / libm::sqrt(9.0 * d);
        loop {
            let x = self.normal();
            let root = 1.0 + c * x;
            let v = root * root * root;
            if v > 0.0 && libm::log(self.uniform()) < 0.5 * x * x + d - d * v + d * libm::log(v) {
                return d * v / shape;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    fn moments(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let count = 400_000;
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..count {
            let x = draw();
            sum += x;
            squares += x * x;
        }
        let mean = sum / f64::from(count);
        (mean, squares / f64::from(count) - mean * mean)
    }

    #[test]
    fn means_and_variances_are_those_of_the_distributions() {
        let mut random = Random::new(1, 0);
        let near = |(mean, variance): (f64, f64), m: f64, v: f64| {
            assert!((mean / m - 1.0).abs() < 0.01, "mean {mean}, wanted {m}");
            assert!(
                (variance / v - 1.0).abs() < 0.03,
                "variance {variance}, wanted {v}"
            );
        };
        near(moments(|| random.exponential()), 1.0, 1.0);
        near(moments(|| random.gamma(0.25)), 1.0, 4.0);
        near(moments(|| random.gamma(4.0)), 1.0, 0.25);
        near(
            moments(|| f64::from(random.between(80, 100))),
            90.0,
            440.0 / 12.0,
        );
    }
}
