//! A training run as CSV: the best plan, then those beside it.

use chokepoint_engine::{RunPlan, TrainingRun};
use csv::{Error, Writer};

use crate::messages::{Language, Words};
use crate::records::text;
use crate::view::metric;

const HEADS: [&str; 14] = [
    "model",
    "system",
    "chips",
    "kind",
    "plan",
    "step_seconds",
    "relative_slower",
    "memory_bytes",
    "mfu",
    "tokens_per_second",
    "run_days",
    "days_with_failures",
    "reason",
    "step_seconds_contended_at_most",
];

/// The run as CSV: a line for the best plan, each next-best plan and each of the front; without a
/// result one line with the reason.
///
/// # Errors
/// When a record cannot be written.
pub fn run_csv(run: &TrainingRun, language: Language) -> Result<String, Error> {
    let words = Words::new(language);
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(HEADS)?;
    let mut write = |kind: &str, cells: [String; 10]| {
        let chips = run.chips.to_string();
        let first = [&run.model, &run.system, &chips, kind].map(str::to_owned);
        writer.write_record(first.iter().chain(&cells))
    };
    let Some(found) = &run.found else {
        let mut cells: [String; 10] = Default::default();
        let reason = run.reason.as_ref();
        cells[8] = reason.map_or_else(String::new, |reason| words.statement(reason));
        write("none", cells)?;
        return text(writer);
    };
    let outcome = &found.outcome;
    let number = |key| metric(outcome, key).map_or_else(String::new, |value| value.to_string());
    let days = found.goodput.as_ref();
    let contended = found.contention.as_ref().and_then(|beside| beside.step);
    write(
        "best",
        [
            outcome.plan.clone(),
            number("step_seconds"),
            "0".to_owned(),
            number("memory_bytes"),
            number("mfu"),
            number("tokens_per_second"),
            number("run_days"),
            days.map_or_else(String::new, |left| left.days.to_string()),
            String::new(),
            contended.map_or_else(String::new, |step| step.get().to_string()),
        ],
    )?;
    for (kind, plans) in [("alternative", &found.others), ("front", &found.front)] {
        for plan in plans {
            write(kind, beside(plan))?;
        }
    }
    text(writer)
}

fn beside(plan: &RunPlan) -> [String; 10] {
    let mut cells: [String; 10] = Default::default();
    cells[0].clone_from(&plan.plan);
    cells[1] = plan.step_seconds.to_string();
    cells[2] = plan.slower.to_string();
    cells[3] = plan.memory_bytes.to_string();
    cells
}
