//! The curve of one class of kernels in one format, by least absolute log error.

use chokepoint_catalog::{DecodeCurve, EngineKernel, GemmCurve, PrefillCurve};
use chokepoint_chip::{ChipSpec, Curve};
use chokepoint_units::{NumberFormat, Seconds};

use crate::errors::Errors;
use crate::minimise::minimise;
use crate::sample::{Case, Halves};

/// A split depth from which pieces are deeper than any product: tiles are not split.
const NEVER_SPLIT: f64 = 60_000.0;

/// A cache for half the bandwidth that says nothing: files state none.
const LEAST_HALF: f64 = 1e3;

/// A time of a tile that says nothing.
const LEAST_TILE: Seconds = Seconds::new(1e-8);

/// Least fixed time of a module of experts or of attention over a cache.
const LEAST_LAUNCH: f64 = 1e-6;

/// What a fit does not decide: coefficients that stay, by "class.coefficient".
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held<'a>(pub &'a [String]);

impl Held<'_> {
    /// Whether a whole class stays.
    pub(crate) fn class(&self, class: EngineKernel) -> bool {
        self.0.iter().any(|name| name == class.name())
    }

    fn contains(&self, class: EngineKernel, coefficient: &str) -> bool {
        let name = format!("{}.{coefficient}", class.name());
        self.0.contains(&name)
    }

    /// The present value of a held coefficient, else a fitted one.
    fn or(&self, class: EngineKernel, coefficient: &str, present: Option<f64>, own: f64) -> f64 {
        match present {
            Some(present) if self.contains(class, coefficient) => present,
            _ => own,
        }
    }
}

/// A fit of one class in one format.
pub(crate) struct Problem<'a> {
    /// The chip, with the curves that the class builds on.
    pub chip: &'a ChipSpec,
    /// The measurements.
    pub halves: &'a Halves,
    /// Their format.
    pub format: NumberFormat,
    /// What stays.
    pub held: Held<'a>,
}

impl Problem<'_> {
    /// A product: compute and memory share, launch, prologue, split depth and, in narrow formats,
    /// quantisation.
    pub(crate) fn gemm(&self, present: Option<&GemmCurve>) -> GemmCurve {
        let class = EngineKernel::Gemm;
        let narrow = self.format.bits() < 16;
        let curve = |z: &[f64], quantise: bool| GemmCurve {
            compute: self
                .held
                .or(class, "compute", present.map(|c| c.compute), share(z[0])),
            memory: share(z[1]),
            launch: Seconds::new(libm::exp(z[2])),
            prologue: libm::exp(z[3]),
            split: Some(libm::exp(z[4])).filter(|split| *split < NEVER_SPLIT),
            quantise: quantise.then(|| share(z[5])),
            median_error: 0.0,
            p90_error: 0.0,
        };
        let starts = [800.0, 3000.0, 9000.0, NEVER_SPLIT].map(|split| {
            let launch = libm::log(3e-6);
            let mut start = vec![1.4, 1.8, launch, libm::log(150.0), libm::log(split)];
            start.extend(narrow.then_some(0.5));
            start
        });
        let (z, _) = self.search(&starts, |z| Curve::Gemm(curve(z, narrow)));
        let found = curve(&z, narrow);
        let rounded = GemmCurve {
            prologue: found.prologue.round(),
            split: found.split.map(f64::round),
            quantise: found.quantise.map(three),
            ..rounded(&found)
        };
        self.judged(Curve::Gemm(rounded), |errors| GemmCurve {
            median_error: errors.median,
            p90_error: errors.p90,
            ..rounded
        })
    }

    /// A grouped product, within the compute share and with the prologue of the plain one: engines
    /// fuse what is taken out of a module as copies, so that a free share passes the best plain
    /// rate. Narrow formats of 4 bits are measured as modules whose input comes quantised or not;
    /// the better of both counts.
    pub(crate) fn grouped(&self, plain: &GemmCurve, present: Option<&GemmCurve>) -> GemmCurve {
        let class = EngineKernel::GroupedGemm;
        let most = if self.format.bits() >= 8 {
            plain.compute
        } else {
            1.0
        };
        let curve = |z: &[f64], quantise: bool| GemmCurve {
            compute: self.held.or(
                class,
                "compute",
                present.map(|c| c.compute),
                most * share(z[0]),
            ),
            memory: share(z[1]),
            launch: Seconds::new(LEAST_LAUNCH + libm::exp(z[2])),
            prologue: plain.prologue,
            split: None,
            quantise: quantise.then(|| share(z[3])),
            median_error: 0.0,
            p90_error: 0.0,
        };
        let attempt = |quantise: bool| {
            let starts = [0.0, 1.5].map(|compute| {
                let mut start = vec![compute, 1.8, libm::log(9e-6)];
                start.extend(quantise.then_some(1.0));
                start
            });
            let (z, least) = self.search(&starts, |z| Curve::GroupedGemm(curve(z, quantise)));
            (curve(&z, quantise), least)
        };
        let (mut found, least) = attempt(false);
        if self.format.bits() < 16 {
            let (quantised, other) = attempt(true);
            if other < least {
                found = quantised;
            }
        }
        let rounded = GemmCurve {
            quantise: found.quantise.map(three),
            ..rounded(&found)
        };
        self.judged(Curve::GroupedGemm(rounded), |errors| GemmCurve {
            median_error: errors.median,
            p90_error: errors.p90,
            ..rounded
        })
    }

    /// Attention of prompts: compute and memory share, launch, and what a tile's pipeline and the
    /// softmax cost.
    pub(crate) fn prefill(&self, present: Option<&PrefillCurve>) -> PrefillCurve {
        let class = EngineKernel::Prefill;
        let curve = |z: &[f64]| PrefillCurve {
            compute: share(z[0]),
            half: libm::exp(z[1]),
            softmax: self.held.or(
                class,
                "softmax",
                present.map(|c| c.softmax),
                libm::exp(z[2]),
            ),
            memory: share(z[4]),
            launch: Seconds::new(libm::exp(z[3])),
            median_error: 0.0,
            p90_error: 0.0,
        };
        let launch = libm::log(8e-6);
        let starts = [
            vec![1.0, 5.0, 5.0, launch, 0.0],
            vec![2.0, 4.0, 4.0, launch, 0.0],
        ];
        let (z, _) = self.search(&starts, |z| Curve::Prefill(curve(z)));
        let found = curve(&z);
        let rounded = PrefillCurve {
            compute: three(found.compute),
            half: found.half.round(),
            softmax: found.softmax.round(),
            memory: three(found.memory),
            launch: figures(found.launch),
            ..found
        };
        self.judged(Curve::Prefill(rounded), |errors| PrefillCurve {
            median_error: errors.median,
            p90_error: errors.p90,
            ..rounded
        })
    }

    /// Attention over a cache: share of the bandwidth, the cache at which half of it is reached,
    /// launch, least time of a sequence and key head.
    pub(crate) fn decode(&self) -> DecodeCurve {
        self.over_cache(None)
    }

    /// The same over a latent cache, also with a compute share, at most that of plain products.
    pub(crate) fn latent(&self, most: f64) -> DecodeCurve {
        self.over_cache(Some(most))
    }

    fn over_cache(&self, most: Option<f64>) -> DecodeCurve {
        let curve = |z: &[f64]| DecodeCurve {
            peak: share(z[0]),
            half: libm::exp(z[1]),
            launch: Seconds::new(LEAST_LAUNCH + libm::exp(z[2])),
            tile: Some(Seconds::new(libm::exp(z[3]))),
            compute: most.map(|most| most * share(z[4])),
            median_error: 0.0,
            p90_error: None,
        };
        let of = |curve| {
            if most.is_some() {
                Curve::LatentDecode(curve)
            } else {
                Curve::Decode(curve)
            }
        };
        let starts = [1e6, 3e7].map(|half| {
            let mut start = vec![2.0, libm::log(half), libm::log(6e-6), libm::log(2e-6)];
            start.extend(most.map(|_| 0.5));
            start
        });
        let (z, _) = self.search(&starts, |z| of(curve(z)));
        let found = curve(&z);
        let rounded = DecodeCurve {
            peak: three(found.peak),
            half: Some(significant(found.half))
                .filter(|half| *half >= LEAST_HALF)
                .unwrap_or(0.0),
            launch: figures(found.launch),
            tile: found.tile.map(figures).filter(|tile| *tile >= LEAST_TILE),
            compute: found.compute.map(three),
            ..found
        };
        self.judged(of(rounded), |errors| DecodeCurve {
            median_error: errors.median,
            p90_error: Some(errors.p90),
            ..rounded
        })
    }

    /// The parameters of least weighted mean absolute log error, and that error.
    fn search(&self, starts: &[Vec<f64>], curve: impl Fn(&[f64]) -> Curve) -> (Vec<f64>, f64) {
        let mut chip = self.chip.clone();
        minimise(starts, |z| {
            chip.set_curve(self.format, curve(z));
            loss(&chip, &self.halves.fitted)
        })
    }

    /// A curve with its errors, to three digits.
    fn judged<T>(&self, curve: Curve, with: impl Fn(Errors) -> T) -> T {
        let mut chip = self.chip.clone();
        chip.set_curve(self.format, curve);
        let errors = Errors::of(&chip, &self.halves.held_out).unwrap_or(Errors {
            median: 1.0,
            p90: 1.0,
            count: 0,
        });
        with(Errors {
            median: three(errors.median),
            p90: three(errors.p90),
            ..errors
        })
    }
}

/// Weighted mean of |ln(predicted / measured)|.
pub(crate) fn loss(chip: &ChipSpec, cases: &[Case]) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    for case in cases {
        sum += case.weight * libm::log(case.ratio(chip)).abs();
        weights += case.weight;
    }
    sum / weights
}

/// A share of a peak from any number.
fn share(z: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-z))
}

/// To three digits after the point.
fn three(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// To three significant figures.
fn significant(value: f64) -> f64 {
    if value <= 0.0 {
        return value;
    }
    let scale = libm::pow(10.0, libm::floor(libm::log10(value)) - 2.0);
    (value / scale).round() * scale
}

/// Microseconds to three significant figures.
fn figures(time: Seconds) -> Seconds {
    Seconds::new(significant(time.get() * 1e6) * 1e-6)
}

/// Shares and launch of a product as files state them.
fn rounded(curve: &GemmCurve) -> GemmCurve {
    GemmCurve {
        compute: three(curve.compute),
        memory: three(curve.memory),
        launch: figures(curve.launch),
        ..*curve
    }
}
