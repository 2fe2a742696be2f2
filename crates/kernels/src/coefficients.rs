//! The fitted numbers of a calibration by name, and where two calibrations differ.

use std::collections::BTreeMap;

use chokepoint_catalog::{Calibration, EngineKernel, GemmCurve};
use chokepoint_units::{NumberFormat, Seconds};

/// Most relative difference between a coefficient of the catalogue and of a refit: the same tables
/// give the same digits on any machine, so that only rounding in files is allowed for.
pub const TOLERANCE: f64 = 0.005;

/// A coefficient that is not what a refit gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Its name, as "gemm.bf16.compute".
    pub name: String,
    /// In the catalogue.
    pub present: Option<f64>,
    /// Of the refit.
    pub refit: Option<f64>,
}

/// Coefficients that differ by more than [`TOLERANCE`], or that one side lacks.
#[must_use]
pub fn differences(present: &Calibration, refit: &Calibration) -> Vec<Difference> {
    let (present, refit) = (coefficients(present), coefficients(refit));
    let mut names: Vec<&String> = present.keys().chain(refit.keys()).collect();
    names.sort();
    names.dedup();
    let differing = names.into_iter().filter_map(|name| {
        let (present, refit) = (present.get(name).copied(), refit.get(name).copied());
        (!alike(present, refit)).then(|| Difference {
            name: name.clone(),
            present,
            refit,
        })
    });
    differing.collect()
}

fn alike(present: Option<f64>, refit: Option<f64>) -> bool {
    match (present, refit) {
        (Some(present), Some(refit)) => {
            (present - refit).abs() <= TOLERANCE * present.abs().max(refit.abs())
        }
        (None, None) => true,
        _ => false,
    }
}

/// All fitted numbers.
#[must_use]
pub fn coefficients(calibration: &Calibration) -> BTreeMap<String, f64> {
    let mut found = Named(BTreeMap::new());
    for (class, curves) in [
        ("gemm", &calibration.gemm),
        ("grouped_gemm", &calibration.grouped_gemm),
    ] {
        for (format, curve) in curves {
            found.product(class, *format, curve);
        }
    }
    for (format, curve) in &calibration.attention_prefill {
        let mut add = |name, value| found.add("attention_prefill", *format, name, value);
        add("compute", curve.compute);
        add("half", curve.half);
        add("softmax", curve.softmax);
        add("memory", curve.memory);
        add("launch_us", micros(curve.launch));
        add("median_error", curve.median_error);
        add("p90_error", curve.p90_error);
    }
    for (class, curves) in [
        ("attention_decode", &calibration.attention_decode),
        (
            "attention_decode_latent",
            &calibration.attention_decode_latent,
        ),
    ] {
        for (format, curve) in curves {
            let mut add = |name, value| found.add(class, *format, name, value);
            add("peak", curve.peak);
            add("half", curve.half);
            add("launch_us", micros(curve.launch));
            add("median_error", curve.median_error);
            if let Some(tile) = curve.tile {
                add("tile_us", micros(tile));
            }
            if let Some(compute) = curve.compute {
                add("compute", compute);
            }
            if let Some(p90) = curve.p90_error {
                add("p90_error", p90);
            }
        }
    }
    for (name, engine) in &calibration.engine {
        for class in EngineKernel::ALL {
            for (format, factors) in engine.class(class) {
                let class = format!("engine.{name}.{}", class.name());
                for (range, factor) in ["32", "256", "2048", "more"].iter().zip(factors.0) {
                    found.add(&class, *format, range, factor);
                }
            }
        }
    }
    found.0
}

struct Named(BTreeMap<String, f64>);

impl Named {
    fn add(&mut self, class: &str, format: NumberFormat, name: &str, value: f64) {
        self.0.insert(format!("{class}.{format}.{name}"), value);
    }

    fn product(&mut self, class: &str, format: NumberFormat, curve: &GemmCurve) {
        let mut add = |name, value| self.add(class, format, name, value);
        add("compute", curve.compute);
        add("memory", curve.memory);
        add("launch_us", micros(curve.launch));
        add("prologue", curve.prologue);
        add("median_error", curve.median_error);
        add("p90_error", curve.p90_error);
        if let Some(split) = curve.split {
            add("split", split);
        }
        if let Some(quantise) = curve.quantise {
            add("quantise", quantise);
        }
    }
}

fn micros(time: Seconds) -> f64 {
    time.get() * 1e6
}
