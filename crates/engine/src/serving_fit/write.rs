//! The file of a fitted engine: the given one's text with the fitted figures in place, under an id of
//! its own, so that all else keeps its sources. Its first lines name every result file with its
//! SHA-256 and what it says of itself.

use std::fmt::Write as _;

use chokepoint_catalog::{Catalog, ServingEngine};
use chokepoint_diag::{Code, Diagnostic};
use chokepoint_units::Seconds;

use super::{BenchmarkFile, FittedTime, ServingFit};

/// Source of figures that a user measured.
const OWN: &str = "own-measurement";
/// Files that a figure names; the first lines of the file name all.
const NAMED: usize = 3;

/// The text of an engine file `engines/ID.toml`; `text` is that of the engine that was fitted.
///
/// # Errors
/// When the id cannot be one, or the text has a figure on several lines.
pub fn engine_file(
    fit: &ServingFit,
    id: &str,
    text: &str,
    date: &str,
) -> Result<String, Diagnostic> {
    named(fit, id)?;
    let mut out = String::new();
    // Writing to a string cannot fail.
    for file in &fit.files {
        let _ = writeln!(out, "# fitted on {}", described(file));
    }
    let mut top = true;
    for line in text.lines() {
        top &= !line.starts_with('[');
        let key = line.split_once('=').map(|(key, _)| key.trim());
        match key.filter(|_| top) {
            Some("id") => {
                let _ = writeln!(out, "id = \"{id}\"");
            }
            Some("name") => {
                let _ = writeln!(out, "name = \"{}, fitted\"", plain(&fit.engine.name));
                let _ = writeln!(out, "note = \"{}\"", note(fit));
            }
            Some("names") => {
                let _ = writeln!(out, "names = [\"{id}\"]");
            }
            Some("note" | "releases") => {}
            Some(key) => {
                let fitted = fit.times.iter().find(|time| time.field == key);
                let fitted = fitted.filter(|time| time.verdict.is_fitted());
                let line = fitted.map_or_else(|| line.to_owned(), |time| figure(fit, time, date));
                let _ = writeln!(out, "{line}");
            }
            None => {
                let _ = writeln!(out, "{line}");
            }
        }
    }
    check(fit, id, &out)?;
    Ok(out)
}

/// # Errors
/// When the id cannot be one.
fn named(fit: &ServingFit, id: &str) -> Result<(), Diagnostic> {
    let letter = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    if id.is_empty() || !id.chars().all(letter) {
        let message = format!("\"{id}\" is no id of an engine");
        return Err(Diagnostic::new(Code::Usage, message).help(
            "name the file of --output with lower-case letters, digits and hyphens, such as \
             my-data/engines/my-vllm.toml",
        ));
    }
    if id == fit.request.engine {
        let message = format!("--output would replace the engine \"{id}\" that is fitted");
        return Err(Diagnostic::new(Code::Usage, message)
            .help("give the file a name of its own, which becomes the engine's id"));
    }
    Ok(())
}

/// The name of a file without its folder.
fn base(file: &BenchmarkFile) -> &str {
    file.file.rsplit(['/', '\\']).next().unwrap_or(&file.file)
}

/// A file in a line.
fn described(file: &BenchmarkFile) -> String {
    let runs = file.points.len();
    let mut words = vec![base(file), file.tool.name()];
    words.extend(file.said.iter().map(String::as_str));
    plain(&format!(
        "{}: {runs} runs, sha256 {}",
        words.join(", "),
        file.sha256
    ))
}

fn note(fit: &ServingFit) -> String {
    let asked = &fit.request;
    let own = fit.engine.note.as_deref().unwrap_or_default();
    let text = format!(
        "{own} From engine {}, host times fitted on own runs of {} on {}, {}x[{}].",
        asked.engine, asked.model, asked.system, asked.instances, asked.plan
    );
    plain(text.trim())
}

/// A fitted figure in TOML.
fn figure(fit: &ServingFit, time: &FittedTime, date: &str) -> String {
    let files = fit.files.iter().take(NAMED).map(|file| {
        let digest = file.sha256.get(..12).unwrap_or_default();
        format!("{} sha256 {digest}", base(file))
    });
    let mut place = files.collect::<Vec<_>>().join("; ");
    if fit.files.len() > NAMED {
        let _ = write!(place, "; and {} more", fit.files.len() - NAMED);
    }
    let errors = fit.errors.iter().map(|error| {
        let (before, after) = (error.before * 100.0, error.after * 100.0);
        format!("{} {before:.1}% to {after:.1}%", error.figure.key())
    });
    let errors = errors.collect::<Vec<_>>().join(", ");
    format!(
        "{} = {{ value = \"{}\", source = \"{OWN}\", where = \"{}\", grade = \"B\", as_of = \"{date}\", derived = \"least squares of log errors of times over {} runs; median absolute error {errors}\" }}",
        time.field,
        microseconds(time.fitted),
        plain(&place),
        fit.points().count(),
    )
}

/// A time with five digits.
fn microseconds(time: Seconds) -> String {
    let value = time.get() * 1e6;
    let digits = 4 - libm::floor(libm::log10(value.max(1e-9))).clamp(-3.0, 4.0) as i32;
    let digits = usize::try_from(digits).unwrap_or(0);
    format!("{value:.digits$} us")
}

/// A text that needs no escapes in a TOML string or comment.
fn plain(text: &str) -> String {
    let plain = text
        .chars()
        .filter(|it| !it.is_control() && !matches!(it, '"' | '\\'));
    plain.collect()
}

/// # Errors
/// When the text does not say what it must, because the given one is not written a field a line.
fn check(fit: &ServingFit, id: &str, text: &str) -> Result<(), Diagnostic> {
    let file = format!("engines/{id}.toml");
    let read = Catalog::load([(file.as_str(), text)]);
    let same = |engine: &ServingEngine| {
        let pairs = engine.host_times().into_iter().zip(&fit.times);
        pairs
            .into_iter()
            .all(|((_, own), time)| (own.value / time.fitted - 1.0).abs() < 1e-3)
    };
    match read {
        Ok(catalog) if catalog.engine(id).is_ok_and(same) => Ok(()),
        Ok(_) | Err(_) => {
            let message = format!(
                "the file of engine \"{}\" cannot be taken over",
                fit.request.engine
            );
            Err(Diagnostic::new(Code::Value, message).help("write each field of it on one line"))
        }
    }
}
