//! What `calibrate kernels` prints.

use std::fmt::Write as _;

use chokepoint_engine::catalog::{Calibration, EngineKernel};
use chokepoint_engine::units::NumberFormat;
use chokepoint_kernels::{ChipFit, Difference, EngineFit, Errors, Verdict, coefficients};

use crate::catalog::plain_table;

/// Errors and coefficients of the present and the fitted curves, and the factors of engines.
pub fn fit(present: &Calibration, fit: &ChipFit) -> String {
    let mut out = format!("{}\n", present.id);
    let mut table = plain_table(&[
        "curve",
        "fitted on",
        "error now",
        "refitted",
        "of",
        "apart",
        "verdict",
    ]);
    for class in &fit.classes {
        table.add_row([
            format!("{} {}", class.class.name(), class.format),
            class.shapes.to_string(),
            percent(&class.before),
            percent(&class.after),
            class.after.count.to_string(),
            percent(&class.apart),
            verdict(class.verdict).to_owned(),
        ]);
    }
    let _ = writeln!(out, "{table}\n\n{}", curves(present, fit));
    if !fit.engines.is_empty() {
        let _ = writeln!(out, "\n{}", engines(fit));
    }
    out
}

/// Coefficients that differ, for a check.
pub fn differences(found: &[Difference]) -> String {
    if found.is_empty() {
        return "check: the catalogue is what the tables give\n\n".to_owned();
    }
    let mut table = plain_table(&["differs", "catalogue", "refit"]);
    for difference in found {
        table.add_row([
            difference.name.clone(),
            value(difference.present),
            value(difference.refit),
        ]);
    }
    format!("{table}\n\n")
}

/// Coefficients of the curves of measured formats, now and refitted.
fn curves(present: &Calibration, fit: &ChipFit) -> String {
    let (now, new) = (coefficients(present), coefficients(&fit.fitted));
    let mut table = plain_table(&["coefficient", "catalogue", "refit"]);
    for class in &fit.classes {
        let start = format!("{}.{}.", class.class.name(), class.format);
        let names = now.keys().chain(new.keys());
        let mut names: Vec<&String> = names.filter(|name| name.starts_with(&start)).collect();
        names.sort();
        names.dedup();
        for name in names {
            table.add_row([
                name.clone(),
                value(now.get(name).copied()),
                value(new.get(name).copied()),
            ]);
        }
    }
    table.to_string()
}

/// Factors by engine, with the errors of the curve alone and times the factor.
fn engines(fit: &ChipFit) -> String {
    let mut table = plain_table(&[
        "engine",
        "kernel",
        "to 32",
        "to 256",
        "to 2048",
        "more",
        "curve",
        "times factor",
        "of",
    ]);
    for (name, engine) in &fit.engines {
        for (key, row) in &engine.factors {
            let mut cells = vec![engine_name(name, engine), kernel(*key)];
            cells.extend(row.factors.0.iter().map(|factor| format!("{factor:.2}")));
            cells.extend([percent(&row.without), percent(&row.with)]);
            cells.push(row.with.count.to_string());
            table.add_row(cells);
        }
    }
    table.to_string()
}

fn engine_name(name: &str, engine: &EngineFit) -> String {
    format!("{name} {}", engine.version)
}

fn kernel((class, format): (EngineKernel, NumberFormat)) -> String {
    format!("{} {format}", class.name())
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Stays => "stays",
        Verdict::Held => "held",
        Verdict::Replaced => "replaced",
    }
}

/// Median and 90th percentile in percent.
fn percent(errors: &Errors) -> String {
    format!("{:.1}/{:.0}%", errors.median * 100.0, errors.p90 * 100.0)
}

fn value(value: Option<f64>) -> String {
    value.map_or_else(
        || "none".to_owned(),
        |value| {
            if value.abs() >= 1e5 {
                format!("{value:.2e}")
            } else if value.abs() >= 100.0 {
                format!("{value:.0}")
            } else {
                let text = format!("{value:.3}");
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            }
        },
    )
}
