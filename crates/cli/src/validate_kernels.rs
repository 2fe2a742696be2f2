//! `chokepoint validate --kernels`: kernels of a user's own machine beside the curves of its chip.

use std::fmt::Write as _;
use std::path::Path;

use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_engine::units::{Power, Seconds};
use chokepoint_kernels::{Errors, KernelComparison, KernelRow, Measurement, compare};
use chokepoint_report::{Language, Messages};
use serde_json::{Value, json};

use crate::args::{Format, Shared, Validate};
use crate::catalog::plain_table;
use crate::files;

/// The comparison in the form that is asked for.
///
/// # Errors
/// What is wrong with the file, or a chip that is not named or not known.
pub fn text(path: &Path, options: &Validate, shared: &Shared) -> Result<String, Diagnostic> {
    let text = files::read(path)?;
    let measurement = Measurement::parse(&path.display().to_string(), &text)?;
    let data = files::data(shared.data.as_deref())?;
    let named = measurement.said("chip").filter(|id| !id.is_empty());
    let Some(id) = options.chip.as_deref().or(named) else {
        let message = format!("{} does not say which chip was measured", path.display());
        return Err(Diagnostic::new(Code::Usage, message)
            .help("write --chip with the id of a chip, such as --chip h100-sxm"));
    };
    let chip = data.catalog.chip(id)?;
    let curves = data.catalog.calibration(&chip.calibration.curve)?;
    let found = compare(chip, curves, &measurement)?;
    Ok(match options.format {
        Format::Table => table(&found, options.summary_only, Language::from(shared.lang)),
        Format::Json => format!("{:#}\n", json_of(&found)),
        Format::Csv => csv_of(&found),
    })
}

fn table(found: &KernelComparison, summary_only: bool, language: Language) -> String {
    let messages = Messages::load();
    let word = |key: &str| {
        messages
            .text(&format!("kernels.{key}"), language)
            .to_owned()
    };
    let gpu = found.header.iter().find(|(name, _)| name == "gpu");
    let mut out = messages.fill(
        "kernels.title",
        language,
        [
            ("gpu", gpu.map_or("", |(_, value)| value)),
            ("curves", &found.curves),
            ("chip", &found.chip),
        ],
    );
    out.push('\n');
    if !summary_only {
        out += &rows(found, &word);
    }
    let mut summary = plain_table(&[
        &word("kernel"),
        &word("format"),
        &word("shapes"),
        &word("time"),
        &word("bias"),
        &word("power"),
    ]);
    for class in &found.classes {
        let both =
            |errors: &Errors| format!("{:.1} / {:.1}", errors.median * 100.0, errors.p90 * 100.0);
        summary.add_row([
            class.kernel.to_owned(),
            class.format.to_string(),
            class.time.count.to_string(),
            both(&class.time),
            format!("{:+.1}", class.bias * 100.0),
            class.power.as_ref().map_or_else(String::new, both),
        ]);
    }
    // Writing to a string cannot fail.
    let _ = writeln!(out, "\n{}\n{summary}", word("summary"));
    let unpredicted = found.rows.iter().filter(|row| row.predicted.is_none());
    let unpredicted = unpredicted.count();
    if unpredicted > 0 {
        let number = unpredicted.to_string();
        let note = messages.fill("kernels.unpredicted", language, [("number", &number)]);
        let _ = writeln!(out, "\n{note}");
    }
    out
}

/// Every shape.
fn rows(found: &KernelComparison, word: &dyn Fn(&str) -> String) -> String {
    let mut table = plain_table(&[
        &word("kernel"),
        &word("format"),
        &word("sizes"),
        &word("library"),
        &word("measured"),
        &word("predicted"),
        &word("error"),
        &word("measured-power"),
        &word("predicted-power"),
    ]);
    let micro = |time: Seconds| format!("{:.2}", time.get() * 1e6);
    let watts = |power: Power| format!("{:.0}", power.get());
    for row in &found.rows {
        table.add_row([
            row.kernel.to_owned(),
            row.format.to_string(),
            row.sizes.clone(),
            row.library.clone(),
            micro(row.measured),
            row.predicted.map_or_else(String::new, micro),
            error(row).map_or_else(String::new, |error| format!("{:+.1}", error * 100.0)),
            row.measured_power.map_or_else(String::new, watts),
            row.predicted_power.map_or_else(String::new, watts),
        ]);
    }
    format!("{table}\n")
}

/// Predicted over measured time, less one.
fn error(row: &KernelRow) -> Option<f64> {
    row.predicted
        .map(|predicted| predicted / row.measured - 1.0)
}

/// Rows and errors in the keys that every validation has.
fn json_of(found: &KernelComparison) -> Value {
    let rows = found.rows.iter().map(|row| {
        json!({
            "row_id": format!("line {}", row.line),
            "status": if row.predicted.is_some() { "predicted" } else { "skipped" },
            "metric": "kernel_seconds",
            "kernel": row.kernel,
            "format": row.format,
            "sizes": row.sizes,
            "library": row.library,
            "predicted": row.predicted.map(Seconds::get),
            "measured": row.measured.get(),
            "relative_error": error(row),
            "predicted_power_watts": row.predicted_power.map(Power::get),
            "measured_power_watts": row.measured_power.map(Power::get),
        })
    });
    let summary = found.classes.iter().map(|class| {
        let power = class.power.as_ref();
        json!({
            "group": format!("kernel={} format={}", class.kernel, class.format),
            "predicted": class.time.count,
            "median_abs_error": class.time.median,
            "p90_abs_error": class.time.p90,
            "bias": class.bias,
            "power_rows": power.map_or(0, |errors| errors.count),
            "power_median_abs_error": power.map(|errors| errors.median),
            "power_p90_abs_error": power.map(|errors| errors.p90),
        })
    });
    let machine: Value = found
        .header
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
        .collect();
    json!({
        "schema": 1,
        "chip": found.chip,
        "curves": found.curves,
        "machine": machine,
        "rows": rows.collect::<Vec<_>>(),
        "summary": summary.collect::<Vec<_>>(),
    })
}

/// Rows for spreadsheets.
fn csv_of(found: &KernelComparison) -> String {
    let mut out = String::from(
        "line,kernel,format,sizes,library,measured_seconds,predicted_seconds,relative_error,measured_power_watts,predicted_power_watts\n",
    );
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    // A library is a word of the user's file.
    let plain = |text: &str| text.replace([',', '"', '\n'], " ");
    for row in &found.rows {
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{},{},{},{},{},{},{},{},{},{}",
            row.line,
            row.kernel,
            row.format,
            row.sizes,
            plain(&row.library),
            row.measured.get(),
            number(row.predicted.map(Seconds::get)),
            number(error(row)),
            number(row.measured_power.map(Power::get)),
            number(row.predicted_power.map(Power::get)),
        );
    }
    out
}
