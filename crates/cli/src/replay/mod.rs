//! `chokepoint replay`.

mod options;
mod records;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_engine::trace::Trace;
use chokepoint_engine::{ReplayRun, run_replay};
use chokepoint_report::{Language, replay_csv, replay_json, replay_svg, replay_table};

use crate::args::{Format, Shared};
use crate::{Ending, files};
pub use options::Replay;
use records::Records;

/// Replays requests and prints what came of it.
///
/// # Errors
/// What is wrong with the input, or a file that cannot be written.
pub fn run(options: &Replay, shared: &Shared) -> Result<Ending, Diagnostic> {
    check_files(options, shared)?;
    let mut data = files::data(shared.data.as_deref())?;
    files::read_model(&options.model, &mut data)?;
    let request = options::request(options)?;
    let mut records = Records::begin(options.records.as_deref())?;
    let mut open = || open(options.trace.as_deref().unwrap_or(Path::new("")));
    let found = run_replay(&request, &data, &mut open, &mut records)?;
    let language = Language::from(shared.lang);
    let text = shown(&found, options.format, language)?;
    deliver(options, shared, &found, records, &text)?;
    Ok(if found.found.is_ok() {
        Ending::Done
    } else {
        Ending::Failed
    })
}

/// Files that are written must differ from each other and from the trace.
fn check_files(options: &Replay, shared: &Shared) -> Result<(), Diagnostic> {
    let all = [
        ("the trace", &options.trace),
        ("--records", &options.records),
        ("--timeline", &options.timeline),
        ("--output", &shared.output),
    ];
    for (index, (name, path)) in all.iter().enumerate() {
        let same = |(_, other): &&(&str, &Option<PathBuf>)| path.is_some() && path == other;
        if let Some((other, _)) = all[index + 1..].iter().find(same) {
            let message = format!("{name} and {other} name the same file");
            return Err(Diagnostic::new(Code::Usage, message));
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<Trace<BufReader<File>>, Diagnostic> {
    let name = path.display().to_string();
    let file = File::open(path);
    let file =
        file.map_err(|error| Diagnostic::new(Code::File, format!("cannot read {name}: {error}")))?;
    Trace::open(&name, BufReader::with_capacity(1 << 16, file))
}

fn shown(run: &ReplayRun, format: Format, language: Language) -> Result<String, Diagnostic> {
    match format {
        Format::Table => Ok(replay_table(run, language)),
        Format::Json => replay_json(run)
            .map(|text| text + "\n")
            .map_err(|error| files::unwritten(&error)),
        Format::Csv => replay_csv(run).map_err(|error| files::unwritten(&error)),
    }
}

/// Records, drawing and text, where there is a result: all or none.
fn deliver(
    options: &Replay,
    shared: &Shared,
    run: &ReplayRun,
    mut records: Records<'_>,
    text: &str,
) -> Result<(), Diagnostic> {
    records.check()?;
    let mut written: Vec<&Path> = Vec::new();
    let attempt = |written: &mut Vec<_>| {
        if let (Some(path), true) = (&options.records, run.found.is_ok()) {
            records.finish()?;
            written.push(path.as_path());
        }
        if let Some(path) = &options.timeline
            && let Some(drawing) = replay_svg(run, Language::from(shared.lang))
        {
            files::write(path, &drawing)?;
            written.push(path.as_path());
        }
        files::deliver(shared.output.as_deref(), text)
    };
    attempt(&mut written).or_else(|problem| {
        for path in written {
            files::remove(path)?;
        }
        Err(problem)
    })
}
