//! What calibration files must satisfy: known sources, shares and factors that can be, rising sizes.

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_units::NumberFormat;

use crate::check::{known_source, reference};
use crate::{Calibration, Catalog, CollectiveCurve, EngineKernel, PowerCurve};

/// Everything wrong with one calibration.
pub(crate) fn calibration(
    catalog: &Catalog,
    file: &str,
    value: &Calibration,
    found: &mut Vec<Diagnostic>,
) {
    known_source(catalog, file, "source", &value.source, found);
    for sustained in value.sustained.values() {
        known_source(catalog, file, "sustained.source", &sustained.source, found);
    }
    if value.sustained.is_empty() {
        let message = format!("{file}: sustained: no share for any format");
        found.push(Diagnostic::new(Code::Field, message));
    }
    if let Some(refit) = &value.refit {
        reference(catalog.chip(&refit.chip).err(), file, found);
    }
    shares(file, value, found);
    power(catalog, file, &value.power, found);
    engines(catalog, file, value, found);
    curves(catalog, file, &value.collective, found);
}

/// Measured collectives: a known source, ranks and rising sizes.
pub(crate) fn curves(
    catalog: &Catalog,
    file: &str,
    curves: &[CollectiveCurve],
    found: &mut Vec<Diagnostic>,
) {
    for curve in curves {
        known_source(catalog, file, "collective.source", &curve.source, found);
        let rising = curve.points.windows(2).all(|two| two[0].size < two[1].size);
        let whole = |bus: f64| bus > 0.0 && bus.is_finite();
        let points = curve.points.iter().all(|point| whole(point.bus.get()));
        if curve.ranks < 2 || !rising || !points || curve.points.is_empty() {
            let message = format!(
                "{file}: collective: {} ranks: at least 2 ranks and points of rising size with \
                 a bandwidth above zero are expected",
                curve.ranks
            );
            found.push(Diagnostic::new(Code::Value, message));
        }
    }
}

/// Shares of peaks above 0 and at most 1.
fn shares(file: &str, value: &Calibration, found: &mut Vec<Diagnostic>) {
    let mut share = |class: &str, format: NumberFormat, name: &str, value: Option<f64>| {
        if let Some(value) = value.filter(|value| !(*value > 0.0 && *value <= 1.0)) {
            let message = format!("{file}: {class}.{format}.{name}: {value} is no share of a peak");
            found.push(Diagnostic::new(Code::Value, message));
        }
    };
    for (class, curves) in [("gemm", &value.gemm), ("grouped_gemm", &value.grouped_gemm)] {
        for (format, curve) in curves {
            share(class, *format, "compute", Some(curve.compute));
            share(class, *format, "memory", Some(curve.memory));
            share(class, *format, "quantise", curve.quantise);
        }
    }
    for (format, curve) in &value.attention_prefill {
        share("attention_prefill", *format, "compute", Some(curve.compute));
        share("attention_prefill", *format, "memory", Some(curve.memory));
    }
    for (class, curves) in [
        ("attention_decode", &value.attention_decode),
        ("attention_decode_latent", &value.attention_decode_latent),
    ] {
        for (format, curve) in curves {
            share(class, *format, "peak", Some(curve.peak));
            share(class, *format, "compute", curve.compute);
        }
    }
}

/// Power: a known source, a floor below the limit, a limit that the design power holds.
fn power(catalog: &Catalog, file: &str, value: &PowerCurve, found: &mut Vec<Diagnostic>) {
    known_source(catalog, file, "power.source", &value.source, found);
    let shares = [
        ("active", value.active, value.limit),
        ("compute", value.compute, 2.0),
        ("memory", value.memory, 2.0),
        ("limit", value.limit, 1.0),
        ("communication", value.communication, value.limit),
    ];
    for (name, share, most) in shares {
        if !(share > 0.0 && share <= most) {
            let message =
                format!("{file}: power.{name}: {share} is not above 0 and at most {most}");
            found.push(Diagnostic::new(Code::Value, message));
        }
    }
}

/// Factors of engines: a known source, and a time within 20 times that of the curve.
fn engines(catalog: &Catalog, file: &str, value: &Calibration, found: &mut Vec<Diagnostic>) {
    for (name, engine) in &value.engine {
        let field = format!("engine.{name}.source");
        known_source(catalog, file, &field, &engine.source, found);
        for class in EngineKernel::ALL {
            for (format, factors) in engine.class(class) {
                for factor in factors.0 {
                    if !(0.05..=20.0).contains(&factor) {
                        let class = class.name();
                        let message = format!(
                            "{file}: engine.{name}.{class}.{format}: {factor} is outside 0.05 to \
                             20 times the curve"
                        );
                        found.push(Diagnostic::new(Code::Value, message));
                    }
                }
            }
        }
    }
}
