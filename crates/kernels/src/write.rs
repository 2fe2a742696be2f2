//! A calibration file with new curves; what a refit does not touch stays as it is written.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chokepoint_catalog::{
    Calibration, DecodeCurve, EngineKernel, EngineKernels, GemmCurve, PrefillCurve, Refit,
};
use chokepoint_units::{NumberFormat, Seconds};

/// The order in which formats are written.
const ORDER: [NumberFormat; 5] = [
    NumberFormat::Bf16,
    NumberFormat::Fp16,
    NumberFormat::Fp8,
    NumberFormat::Int8,
    NumberFormat::Fp4,
];

/// The text of a file with the curves, factors and provenance of a calibration.
#[must_use]
pub fn write(text: &str, calibration: &Calibration) -> String {
    let mut out = String::new();
    let mut written = false;
    for section in sections(text) {
        if !fitted(section) {
            out.push_str(section);
        } else if !written {
            out.push_str(&curves(calibration));
            written = true;
        }
    }
    if !written {
        out.push('\n');
        out.push_str(&curves(calibration));
    }
    let trimmed = out.trim_end().len();
    out.truncate(trimmed);
    out.push('\n');
    out
}

/// Whether a refit writes a section.
fn fitted(section: &str) -> bool {
    let header = section.lines().find(|line| line.starts_with('['));
    header.is_some_and(|line| {
        let name = line.trim_matches(|c| c == '[' || c == ']');
        name == "refit"
            || name.starts_with("engine.")
            || EngineKernel::ALL.iter().any(|class| class.name() == name)
    })
}

/// The text cut before each header, with the comments and blank lines that lead to it.
fn sections(text: &str) -> Vec<&str> {
    let mut cuts = vec![0];
    let (mut place, mut lead) = (0, None);
    for line in text.split_inclusive('\n') {
        if line.starts_with('[') {
            cuts.push(lead.unwrap_or(place));
            lead = None;
        } else if line.starts_with('#') {
            lead = lead.or(Some(place));
        } else {
            lead = None;
        }
        place += line.len();
    }
    cuts.push(text.len());
    cuts.windows(2).map(|two| &text[two[0]..two[1]]).collect()
}

fn curves(calibration: &Calibration) -> String {
    let mut out = String::new();
    if let Some(refit) = &calibration.refit {
        provenance(&mut out, refit);
    }
    class(&mut out, "gemm", &calibration.gemm, product);
    class(&mut out, "grouped_gemm", &calibration.grouped_gemm, product);
    class(
        &mut out,
        "attention_prefill",
        &calibration.attention_prefill,
        prefill,
    );
    class(
        &mut out,
        "attention_decode",
        &calibration.attention_decode,
        decode,
    );
    let latent = &calibration.attention_decode_latent;
    if !latent.is_empty() {
        class(&mut out, "attention_decode_latent", latent, decode);
    }
    for (name, kernels) in &calibration.engine {
        engine(&mut out, name, kernels);
    }
    out
}

fn provenance(out: &mut String, refit: &Refit) {
    let _ = writeln!(out, "[refit]");
    let _ = writeln!(out, "chip = {:?}", refit.chip);
    let _ = writeln!(out, "tables = {:?}", refit.tables);
    let _ = writeln!(out, "package = {:?}", refit.package);
    let _ = writeln!(out, "date = {:?}", refit.date);
    for (name, list) in [("held", &refit.held), ("left_out", &refit.left_out)] {
        if !list.is_empty() {
            let _ = writeln!(out, "{name} = {list:?}");
        }
    }
    out.push('\n');
}

fn class<T>(
    out: &mut String,
    name: &str,
    curves: &BTreeMap<NumberFormat, T>,
    line: impl Fn(&T) -> String,
) {
    let _ = writeln!(out, "[{name}]");
    for format in ORDER {
        if let Some(curve) = curves.get(&format) {
            let _ = writeln!(out, "{format} = {{ {} }}", line(curve));
        }
    }
    out.push('\n');
}

fn product(curve: &GemmCurve) -> String {
    let mut line = format!(
        "compute = {:.3}, memory = {:.3}, launch = {}, prologue = {:.0}",
        curve.compute,
        curve.memory,
        micros(curve.launch),
        curve.prologue
    );
    if let Some(split) = curve.split {
        let _ = write!(line, ", split = {split:.0}");
    }
    if let Some(quantise) = curve.quantise {
        let _ = write!(line, ", quantise = {quantise:.3}");
    }
    line + &errors(curve.median_error, Some(curve.p90_error))
}

fn prefill(curve: &PrefillCurve) -> String {
    let line = format!(
        "compute = {:.3}, half = {:.0}, softmax = {:.0}, memory = {:.3}, launch = {}",
        curve.compute,
        curve.half,
        curve.softmax,
        curve.memory,
        micros(curve.launch)
    );
    line + &errors(curve.median_error, Some(curve.p90_error))
}

fn decode(curve: &DecodeCurve) -> String {
    let mut line = format!(
        "peak = {:.3}, half = {}, launch = {}",
        curve.peak,
        if curve.half > 0.0 {
            format!("{:.2e}", curve.half)
        } else {
            "0".to_owned()
        },
        micros(curve.launch)
    );
    if let Some(tile) = curve.tile {
        let _ = write!(line, ", tile = {}", micros(tile));
    }
    if let Some(compute) = curve.compute {
        let _ = write!(line, ", compute = {compute:.3}");
    }
    line + &errors(curve.median_error, curve.p90_error)
}

fn errors(median: f64, p90: Option<f64>) -> String {
    let mut line = format!(", median_error = {median:.3}");
    if let Some(p90) = p90 {
        let _ = write!(line, ", p90_error = {p90:.3}");
    }
    line
}

fn engine(out: &mut String, name: &str, kernels: &EngineKernels) {
    let _ = writeln!(out, "[engine.{name}]");
    let _ = writeln!(out, "version = {:?}", kernels.version);
    let _ = writeln!(out, "source = {:?}", kernels.source);
    for class in EngineKernel::ALL {
        let factors = kernels.class(class);
        for format in ORDER {
            if let Some(factors) = factors.get(&format) {
                let [few, some, many, most] = factors.0;
                let _ = writeln!(
                    out,
                    "{}.{format} = [{few:.2}, {some:.2}, {many:.2}, {most:.2}]",
                    class.name()
                );
            }
        }
    }
    out.push('\n');
}

/// Microseconds, without zeros that say nothing.
fn micros(time: Seconds) -> String {
    let micros = time.get() * 1e6;
    let digits = if micros < 10.0 { 2 } else { 1 };
    let text = format!("{micros:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("\"{text} us\"")
}

#[cfg(test)]
mod tests {
    use super::sections;

    #[test]
    fn comments_go_with_the_section_after_them() {
        let text = "a = 1\n\n[gemm]\nx = 1\n\n# of two runs\n# each\n[[collective]]\nk = 2\n";
        assert_eq!(
            sections(text),
            [
                "a = 1\n\n",
                "[gemm]\nx = 1\n\n",
                "# of two runs\n# each\n[[collective]]\nk = 2\n"
            ]
        );
    }
}
