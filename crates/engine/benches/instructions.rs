//! How many instructions the inner loop of the plan search executes, compared with the counts kept
//! in `instructions.toml`: `cargo bench -p chokepoint-engine --bench instructions`.
//!
//! Times move by tens of percent on a busy machine; instructions by less than a millionth. A count that is more than
//! 3% above the kept one fails; `UPDATE=1` before the command keeps the counts of this run. Words
//! after `--` choose the routines whose names hold one of them.
//!
//! The benchmark runs itself under Valgrind's Callgrind, one process for each routine, and collects
//! only inside of [`counted`]: what is loaded and built before is not in the counts. Gungraun
//! (formerly iai-callgrind), the library for this, was left out because it needs a runner of exactly
//! its own version, installed by hand with `cargo install`, and the crates of a whole front end.
//!
//! Limits: only x86-64 Linux is compared, because other machines have other instructions; Callgrind
//! sees neither caches nor branches here, so that a slower mix of as many instructions does not
//! show. `malloc` and `memcpy` are those of the machine's C library.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark may fail")]
#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "reads and writes the kept counts and shows them"
)]

mod setup;

use std::collections::BTreeMap;
use std::env::{args, consts, current_exe, var_os};
use std::fmt::Write as _;
use std::fs::{read_to_string, remove_file, write};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use chokepoint_engine::model::Recompute;
use chokepoint_engine::units::{Bytes, NumberFormat, Seconds};
use chokepoint_train::{
    Chunk, Optimizer, Pipeline, Plan, Schedule, Scheduler, SearchResult, Timeline, measure, search,
    search_in,
};
use serde::Deserialize;
use setup::{Setup, calculon};

/// A count this much above the kept one is a regression.
const TOLERANCE: f64 = 0.03;

/// Builds what it needs, runs what is counted and returns what it worked on.
type Routine = fn() -> Work;

/// What is counted, by name.
const ROUTINES: [(&str, Routine); 4] = [
    ("calculons-space", calculons_space),
    ("one-plan", one_plan),
    ("catalogue-search", catalogue_search),
    ("timeline", timeline),
];

/// Before the name of the routine that a process under Callgrind runs.
const RUN: &str = "--routine";

/// What a routine worked on.
struct Work {
    number: u64,
    /// In one word the thing, with more about it after.
    what: String,
}

impl Work {
    fn of(found: &SearchResult) -> Self {
        let evaluated = found.evaluated;
        Self {
            number: evaluated + found.pruned,
            what: format!("plan, {} evaluated", grouped(evaluated)),
        }
    }
}

/// Only what runs in here is counted. Callgrind finds it by its name.
#[inline(never)]
fn counted<T>(run: impl FnOnce() -> T) -> T {
    black_box(run())
}

/// Calculon's space for Megatron-1T on 4,096 A100, without its offload tier.
fn calculons_space() -> Work {
    let setup = Setup::calculon();
    let case = setup.case();
    let space = calculon(&case, false);
    let found = counted(|| search_in(black_box(&case), &space, 1));
    assert!(!found.plans.is_empty());
    Work::of(&found)
}

/// The published plan of DeepSeek-V3 on 2,048 H800 (technical report, section 3.2), its table of
/// layer costs included.
fn one_plan() -> Work {
    let mut setup = Setup::new("deepseek-v3", "deepseek-2048", 2048, 4096, 15_360);
    setup.workload.optimizer = Optimizer::AdamBf16Moments;
    setup.workload.imbalance = 1.2;
    let plan = Plan {
        pp: 16,
        dp: 128,
        ep: 64,
        recompute: Recompute::Modules,
        schedule: Schedule::DualPipe,
        overlap_ep: true,
        ..Plan::one(NumberFormat::Fp8)
    };
    let case = setup.case();
    measure(&case, &plan).unwrap();
    counted(|| measure(black_box(&case), black_box(&plan))).unwrap();
    Work {
        number: 1,
        what: "plan".to_owned(),
    }
}

/// Llama 3.1 405B on 100,000 chips of CloudMatrix384, in all that mainstream frameworks run.
fn catalogue_search() -> Work {
    let setup = Setup::new("llama-3.1-405b", "cloudmatrix384", 100_000, 4096, 15_360);
    let case = setup.case();
    let found = counted(|| search(black_box(&case), 5));
    assert!(!found.plans.is_empty());
    Work::of(&found)
}

/// An exact timeline of 16 ranks, 64 micro-batches and two chunks a rank, in buffers that are used
/// again.
fn timeline() -> Work {
    let chunks: Vec<Chunk> = (0..32)
        .map(|index| {
            let time = Seconds::new(1e-3 * (1.0 + 0.01 * (index % 7) as f64));
            Chunk {
                forward: time,
                input_gradient: time * 1.1,
                weight_gradient: time * 0.9,
                activations: Bytes::new(1e9),
            }
        })
        .collect();
    let pipeline = Pipeline {
        schedule: Schedule::OneForwardOneBackward,
        pp: 16,
        vp: 2,
        micro_batches: 64,
        chunks: &chunks,
        transfer: Seconds::new(1e-4),
    };
    let mut scheduler = Scheduler::new();
    scheduler.run(&pipeline).unwrap();
    counted(|| scheduler.run(black_box(&pipeline)).map(Timeline::step)).unwrap();
    let operations = scheduler.run(&pipeline).unwrap().operations.len();
    Work {
        number: operations as u64,
        what: "operation".to_owned(),
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = args().skip(1).collect();
    if let [run, name] = &words[..]
        && run == RUN
    {
        let (_, routine) = ROUTINES.iter().find(|(known, _)| known == name).unwrap();
        let work = routine();
        println!("{} {}", work.number, work.what);
        return ExitCode::SUCCESS;
    }
    // `cargo test --benches` builds without optimization, and without this word.
    if !words.iter().any(|word| word == "--bench") {
        return skipped("instructions are counted by `cargo bench` only");
    }
    match Command::new("valgrind").arg("--version").output() {
        Ok(found) if found.status.success() => {}
        Ok(found) => return skipped(&format!("`valgrind --version` failed: {}", found.status)),
        Err(error) => return skipped(&format!("valgrind did not start: {error}")),
    }
    let wanted = |name: &str| {
        let mut chosen = words.iter().filter(|word| !word.starts_with('-'));
        words.iter().all(|word| word.starts_with('-')) || chosen.any(|word| name.contains(word))
    };
    compare(wanted)
}

/// Says why nothing was counted, which is no failure.
fn skipped(reason: &str) -> ExitCode {
    eprintln!("skipped: {reason}");
    ExitCode::SUCCESS
}

/// Counts and shows the wanted routines and compares them with the kept counts, or keeps theirs.
fn compare(wanted: impl Fn(&str) -> bool) -> ExitCode {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.toml");
    let machine = format!("{} {}", consts::ARCH, consts::OS);
    let mut kept = Kept::read(&path);
    let update = var_os("UPDATE").is_some();
    let comparable = kept.machine == machine;
    if update && !comparable {
        kept.instructions.clear();
    }
    println!(
        "{:<17}{:>15}{:>15}{:>9}",
        "", "instructions", "kept", "change"
    );
    let percent = 100.0 * TOLERANCE;
    let (mut above, mut below) = (Vec::new(), false);
    for (name, _) in ROUTINES.iter().filter(|(name, _)| wanted(name)) {
        let (count, work) = count(name);
        let before = kept.instructions.insert((*name).to_owned(), count);
        let before = before.filter(|_| comparable);
        let change = before.map(|before| count as f64 / before as f64 - 1.0);
        if change.is_none_or(|change| change > TOLERANCE) && comparable {
            above.push(*name);
        }
        below |= change.is_some_and(|change| change < -TOLERANCE);
        println!(
            "{name:<17}{:>15}{:>15}{:>9}  {}",
            grouped(count),
            before.map_or_else(|| "-".to_owned(), grouped),
            change.map_or_else(
                || "-".to_owned(),
                |change| format!("{:+.2}%", 100.0 * change)
            ),
            per(count, &work),
        );
    }
    if update {
        kept.machine = machine;
        kept.write(&path);
        println!("kept in {}", path.display());
        return ExitCode::SUCCESS;
    }
    if !comparable {
        println!(
            "not compared: the kept counts are of {}, this is {machine}",
            kept.machine
        );
        return ExitCode::SUCCESS;
    }
    if above.is_empty() {
        if below {
            println!("more than {percent:.0}% below a kept count: UPDATE=1 holds what was gained");
        }
        return ExitCode::SUCCESS;
    }
    println!(
        "not kept before, or more than {percent:.0}% above: {}\n\
         where: callgrind_annotate {}\n\
         to keep these counts: UPDATE=1 cargo bench -p chokepoint-engine --bench instructions",
        above.join(", "),
        profile(above[0]).display(),
    );
    ExitCode::FAILURE
}

/// Counts the instructions of a routine in a process of its own.
fn count(name: &str) -> (u64, Work) {
    let profile = profile(name);
    // What an earlier run left must not be read for this one.
    let _ = remove_file(&profile);
    let found = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg("--toggle-collect=*instructions*counted*")
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(current_exe().unwrap())
        .args([RUN, name])
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&found.stdout);
    let work = shown.trim().split_once(' ').and_then(|(number, what)| {
        Some(Work {
            number: number.parse().ok()?,
            what: what.to_owned(),
        })
    });
    let text = read_to_string(&profile).unwrap_or_default();
    let mut totals = text
        .lines()
        .filter_map(|line| line.strip_prefix("totals: "));
    let total = totals.next().and_then(|total| total.parse::<u64>().ok());
    match (work, total) {
        (Some(work), Some(total)) if found.status.success() && total > 0 => (total, work),
        _ => panic!(
            "no count of {name} ({})\n{shown}{}",
            found.status,
            String::from_utf8_lossy(&found.stderr)
        ),
    }
}

/// Where the profile of a routine is written.
fn profile(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{name}"))
}

/// Instructions for each thing that a routine worked on.
fn per(count: u64, work: &Work) -> String {
    if work.number == 1 {
        return format!("1 {}", work.what);
    }
    let (thing, rest) = work
        .what
        .split_at(work.what.find(',').unwrap_or(work.what.len()));
    let each = grouped(count / work.number.max(1));
    format!(
        "{each} per {thing} ({} {thing}s{rest})",
        grouped(work.number)
    )
}

/// The kept counts.
#[derive(Deserialize)]
struct Kept {
    /// Architecture and operating system on which they were counted.
    machine: String,
    /// By routine.
    instructions: BTreeMap<String, u64>,
}

impl Kept {
    fn read(path: &Path) -> Self {
        toml::from_str(&read_to_string(path).unwrap()).unwrap()
    }

    fn write(&self, path: &Path) {
        let mut text = format!(
            "# Instructions of the inner loop; written by\n\
             # UPDATE=1 cargo bench -p chokepoint-engine --bench instructions\n\
             machine = \"{}\"\n\n[instructions]\n",
            self.machine
        );
        for (name, _) in ROUTINES {
            if let Some(count) = self.instructions.get(name) {
                writeln!(text, "{name} = {}", grouped(*count).replace(',', "_")).unwrap();
            }
        }
        write(path, text).unwrap();
    }
}

/// A number with its thousands set apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
