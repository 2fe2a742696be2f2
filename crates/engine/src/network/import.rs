//! Measured collectives of a user's system as an override of the catalogue: the system's file with
//! their curves, and the list of sources with where they come from.

use std::fmt::Write as _;

use chokepoint_catalog::CollectiveKind;
use chokepoint_diag::{Code, Diagnostic};
use chokepoint_fabric::Group;
use chokepoint_fabric::algorithm::Collective;
use chokepoint_units::Bytes;

use super::{NcclRow, NcclRun, bus_share, parse_collective};
use crate::Data;

/// Where what is imported comes from, beyond what the output says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Id of the system that was measured.
    pub system: String,
    /// Name of the file that was read.
    pub file: String,
    /// What was run, where the output does not say.
    pub collective: Option<String>,
    /// Ranks, where the output does not say.
    pub ranks: Option<u64>,
}

/// Files of an override, and what they hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Name within a data folder, and text.
    pub files: [(String, String); 2],
    /// What was measured.
    pub collective: Collective,
    /// Ranks.
    pub ranks: u64,
    /// The device that the output names and the chip of the system, where they differ.
    pub device: Option<(String, String)>,
    /// Sizes and times.
    pub rows: Vec<NcclRow>,
}

/// Makes the override; `system` and `sources` are the files to start from, where a data folder has
/// them already.
///
/// # Errors
/// When the output does not say what was measured and nothing else does, or the system is unknown.
pub fn import(
    import: &Import,
    run: &NcclRun,
    data: &Data,
    (system, sources): (Option<String>, Option<String>),
) -> Result<Imported, Diagnostic> {
    data.catalog.system(&import.system)?;
    let kind = kind(import, run)?;
    let ranks = ranks(import, run)?;
    placed(import, run, ranks, data)?;
    let own = format!("systems/{}.toml", import.system);
    let name = collective(kind).name();
    let source = format!("measured-{}-{name}-{ranks}", import.system);
    let system = start(system, &own)?;
    let sources = start(sources, "sources.toml")?;
    let collective = collective(kind);
    let curve = curve(collective, ranks, run, &source);
    let mark = format!("# measured: {} on {ranks} ranks", collective.name());
    let system = format!("{}\n{mark}\n{curve}", without(&system, &mark, "]"));
    let known = without(&sources, &format!("[sources.{source}]"), "");
    let sources = format!("{}\n\n{}", known.trim_end(), entry(&source, import, run));
    Ok(Imported {
        files: [(own, system), ("sources.toml".to_owned(), sources)],
        collective,
        ranks,
        device: device(import, run, data)?,
        rows: run.rows.clone(),
    })
}

/// The text of a file: what a data folder has, else what is built in.
fn start(own: Option<String>, name: &str) -> Result<String, Diagnostic> {
    let built_in = || {
        let files = crate::embedded().iter();
        files
            .clone()
            .find(|(file, _)| *file == name)
            .map(|(_, text)| (*text).to_owned())
    };
    own.or_else(built_in).ok_or_else(|| {
        Diagnostic::new(Code::File, format!("{name} is in no data folder"))
            .help("write --into the folder that has it")
    })
}

fn kind(import: &Import, run: &NcclRun) -> Result<CollectiveKind, Diagnostic> {
    let named = import
        .collective
        .as_deref()
        .map(parse_collective)
        .transpose()?;
    let said = run.collective().map_err(|test| {
        let message = format!("the catalogue holds no curves of {test}");
        Diagnostic::new(Code::Usage, message)
    })?;
    let asked = match named {
        None => None,
        Some(named) => Some(super::kind(named).ok_or_else(|| {
            let message = format!("the catalogue holds no curves of {}", named.name());
            Diagnostic::new(Code::Usage, message)
        })?),
    };
    match (said, asked) {
        (Some(said), Some(asked)) if said != asked => {
            let message = format!("the file is of {}", collective(said).name());
            Err(Diagnostic::new(Code::Usage, message).help("leave --collective out"))
        }
        (said, asked) => said.or(asked).ok_or_else(|| {
            Diagnostic::new(Code::Usage, "the file does not say what was run")
                .help("write --collective, such as all-reduce")
        }),
    }
}

fn ranks(import: &Import, run: &NcclRun) -> Result<u64, Diagnostic> {
    let found = match (run.ranks, import.ranks) {
        (Some(said), Some(asked)) if said != asked => {
            let message = format!("the file lists {said} ranks, not {asked}");
            return Err(Diagnostic::new(Code::Usage, message).help("leave --ranks out"));
        }
        (said, asked) => said.or(asked),
    };
    found.filter(|ranks| *ranks >= 2).ok_or_else(|| {
        Diagnostic::new(
            Code::Usage,
            "the file does not say how many ranks took part, at least 2",
        )
        .help("write --ranks")
    })
}

/// # Errors
/// When the ranks did not sit as ranks do here: neighbours in as few domains as hold them.
fn placed(import: &Import, run: &NcclRun, ranks: u64, data: &Data) -> Result<(), Diagnostic> {
    let system = data.catalog.system(&import.system)?;
    let (_, domains) = Group::adjacent(ranks).split(system.domain.chips);
    let nodes = system
        .domain
        .chips
        .div_ceil(system.node.chips.max(1))
        .max(1);
    let Some(hosts) = run.hosts else {
        return Ok(());
    };
    if (domains..=domains * nodes).contains(&hosts) {
        return Ok(());
    }
    let message = format!(
        "{ranks} ranks on {hosts} hosts do not sit in {domains} domains of {} chips, as curves of {} do",
        system.domain.chips, import.system
    );
    Err(Diagnostic::new(Code::Value, message).help("measure neighbours that fill their domains"))
}

/// The device that the output names and the chip of the system, where the one's name does not hold
/// the other's, such as "h200" of h200-sxm.
fn device(
    import: &Import,
    run: &NcclRun,
    data: &Data,
) -> Result<Option<(String, String)>, Diagnostic> {
    let chip = data
        .catalog
        .chip(&data.catalog.system(&import.system)?.chip)?;
    let short = chip.id.split('-').next().unwrap_or(&chip.id);
    let other = |device: &&String| !device.to_lowercase().contains(short);
    let device = run.device.as_ref().filter(other);
    Ok(device.map(|device| (device.clone(), chip.name.clone())))
}

const fn collective(kind: CollectiveKind) -> Collective {
    match kind {
        CollectiveKind::AllReduce => Collective::AllReduce,
        CollectiveKind::AllGather => Collective::AllGather,
        CollectiveKind::ReduceScatter => Collective::ReduceScatter,
        CollectiveKind::AllToAll => Collective::AllToAll,
    }
}

/// A curve in TOML. Bus bandwidths follow from the times, which are printed with more digits.
fn curve(collective: Collective, ranks: u64, run: &NcclRun, source: &str) -> String {
    let times = run.rows.iter().map(|row| row.time.get());
    let latency = times.fold(f64::INFINITY, f64::min) * 1e6;
    let mut text = format!(
        "[[collective]]\nkind = \"{}\"\nranks = {ranks}\nlatency = \"{latency:.3} us\"\nsource = \"{source}\"\npoints = [\n",
        collective.name(),
    );
    // A message of nothing has no bandwidth.
    for row in run.rows.iter().filter(|row| row.size > Bytes::ZERO) {
        let bus = row.size / row.time * bus_share(collective, ranks);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  {{ size = \"{} B\", bus = \"{:.6} GB/s\" }},",
            row.size.get(),
            bus.get() / 1e9
        );
    }
    text + "]\n"
}

/// A file without what begins with a line and ends with another.
fn without(text: &str, mark: &str, end: &str) -> String {
    let mut kept = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        inside |= line == mark;
        if !inside {
            kept.push(line);
        }
        inside &= line != end;
    }
    kept.join("\n").trim_end().to_owned() + "\n"
}

/// The source in TOML.
fn entry(source: &str, import: &Import, run: &NcclRun) -> String {
    let said = run.version.as_deref().unwrap_or("nccl-tests");
    let device = run.device.as_deref().unwrap_or(&import.system);
    let text = |text: &str| {
        let plain = text
            .chars()
            .filter(|it| !it.is_control() && !matches!(it, '"' | '\\'));
        plain.collect::<String>()
    };
    format!(
        "[sources.{source}]\ntitle = \"{} on {}\"\npublisher = \"own measurement\"\nat = \"{}\"\ngrade = \"A\"\n",
        text(said),
        text(device),
        text(&import.file),
    )
}
