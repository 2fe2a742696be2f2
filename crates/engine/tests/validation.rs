//! Predictions against the published training runs of the tuning part, where they exist beside the
//! project: errors by tier, and what errors alone do not show: ratios, slopes and ranks.
//!
//! The calibration in `data/` was fitted on these very rows (per chip and format, and per
//! framework release and class of kernels); what is asserted here is that the physics between
//! carries it, and that it beats a constant fitted on the same rows.

#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "reads the published table and shows predictions beside it"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use chokepoint_engine::{
    Data, Errors, SummaryRow, Validation, ValidationRow, group_summary, validate_training,
};

/// A row of the table by column.
type Cells = BTreeMap<String, String>;

/// A predicted and a measured step, seconds.
type Steps = (f64, f64);

/// Two runs that differ along one column: a name, the first and the last.
type Pair = (String, Steps, Steps);

/// The table and its predictions; absent where the table is.
static TABLE: LazyLock<Option<(Vec<Cells>, Validation)>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/reference/validation_training.csv");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not here", path.display());
        return None;
    };
    let data = Data::load(&[]).unwrap();
    let cells = csv::Reader::from_reader(text.as_bytes())
        .deserialize()
        .map(Result::unwrap)
        .collect();
    let found = validate_training("validation_training.csv", &text, &data).unwrap();
    Some((cells, found))
});

/// Rows with their predictions that a condition holds for: (cells, predicted and measured step).
fn steps(keep: impl Fn(&Cells, &ValidationRow) -> bool) -> Vec<(&'static Cells, Steps)> {
    let Some((cells, found)) = &*TABLE else {
        return Vec::new();
    };
    let rows = cells.iter().zip(&found.rows);
    rows.filter(|(cells, row)| row.complete && keep(cells, row))
        .filter_map(|(cells, row)| Some((cells, row.prediction.as_ref()?.steps())))
        .collect()
}

fn show(summary: &SummaryRow) -> (Errors, Errors) {
    let (ours, constant) = (summary.errors.unwrap(), summary.baseline.unwrap());
    println!(
        "{:28} {:3} rows: median {:.1}% p90 {:.1}% bias {:+.1}% coverage {:.0}%; constant {:.1}% {:.1}%; without the chip {:.1}%",
        summary.group,
        summary.complete.1,
        100.0 * ours.median,
        100.0 * ours.p90,
        100.0 * summary.bias.unwrap(),
        100.0 * summary.coverage.unwrap(),
        100.0 * constant.median,
        100.0 * constant.p90,
        100.0 * summary.without_chip.unwrap().median,
    );
    (ours, constant)
}

#[test]
fn every_tier_clears_its_bar_and_a_constant() {
    let Some((_, found)) = &*TABLE else { return };
    let dense = |row: &ValidationRow| row.class == "dense";
    let large = |row: &ValidationRow| row.model.contains("405B") || row.model.contains("GPT-3");
    let tier = |row: &ValidationRow| match row.source.as_str() {
        "llmfoundry" | "simumax" | "flagperf" if dense(row) => Some(0),
        "dgxc" | "sc21" | "korthikanti" | "bigscience" if dense(row) => Some(1),
        "mlperf_train" if dense(row) && large(row) => Some(1),
        "mbridge" => Some(2),
        "modellink" => Some(3),
        _ => None,
    };
    let bars = [
        ("single-node dense", 0.10, 0.25),
        ("3D-parallel dense", 0.07, 0.18),
        ("Blackwell and mixtures", 0.15, 0.35),
        ("Ascend 910B", 0.15, 0.30),
    ];
    for (index, (name, median, p90)) in bars.into_iter().enumerate() {
        let rows = found.rows.iter().filter(|row| tier(row) == Some(index));
        let rows: Vec<&ValidationRow> = rows.collect();
        let summary = group_summary(name, &rows, &found.rows);
        let (ours, constant) = show(&summary);
        assert!(ours.median <= median && ours.p90 <= p90, "{name}: {ours:?}");
        assert!(ours.median < constant.median, "{name}: {constant:?}");
        assert!(ours.p90 < constant.p90, "{name}: {constant:?}");
        assert!(summary.bias.unwrap().abs() <= 0.05, "{name}");
    }
    let all = &found.summary[0];
    show(all);
    let (complete, predicted) = all.complete;
    assert!(predicted as f64 >= 0.85 * complete as f64, "{predicted}");
    assert!(
        (0.75..=0.97).contains(&all.coverage.unwrap()),
        "{:?}",
        all.coverage
    );
}

/// Every row is predicted or named with a reason, and the counts of a summary add up.
#[test]
fn no_row_is_dropped() {
    let Some((cells, found)) = &*TABLE else {
        return;
    };
    assert_eq!(cells.len(), found.rows.len());
    for row in &found.rows {
        assert!(
            row.prediction.is_some() != row.skipped.is_some(),
            "{}",
            row.row_id
        );
    }
    for summary in &found.summary {
        let skipped: usize = summary.skipped.iter().map(|(_, count)| count).sum();
        assert_eq!(
            summary.rows,
            summary.predicted + skipped,
            "{}",
            summary.group
        );
    }
}

/// Memory where it was read from the allocator: SimuMax's runs on B200.
#[test]
fn memory_is_as_measured() {
    let Some((_, found)) = &*TABLE else { return };
    let rows = found.rows.iter().filter(|row| row.source == "simumax");
    let errors: Vec<f64> = rows
        .filter_map(|row| row.prediction.as_ref()?.memory_error())
        .collect();
    let worst = errors
        .iter()
        .fold(0.0_f64, |worst, error| worst.max(error.abs()));
    println!("{} rows, worst {:.1}%", errors.len(), 100.0 * worst);
    assert!(errors.len() >= 25 && worst <= 0.05, "{worst}");
}

/// Full against selective recomputation: 1.26 to 1.32 measured (Korthikanti et al. 2022, table 5).
/// The smallest model, 22B, is the one furthest off: its all-reduces, run again, come out too long.
#[test]
fn full_recomputation_costs_what_it_did() {
    let mut by_model: BTreeMap<&str, Vec<(&str, Steps)>> = BTreeMap::new();
    for (cells, steps) in steps(|cells, _| cells["source_id"] == "korthikanti") {
        let entry = by_model.entry(&cells["model"]).or_default();
        entry.push((&cells["recompute"], steps));
    }
    for (model, runs) in by_model {
        let of = |what: &str| runs.iter().find(|(name, _)| name.starts_with(what));
        let (Some((_, full)), Some((_, selective))) = (of("full"), of("selective")) else {
            continue;
        };
        let (predicted, measured) = (full.0 / selective.0, full.1 / selective.1);
        println!("{model}: full over selective {predicted:.3}, measured {measured:.3}");
        assert!((predicted / measured - 1.0).abs() < 0.10, "{model}");
    }
}

/// Pairs of rows that agree in some columns: of each group the two at the ends of another column.
fn pairs(same: &[&str], along: &str, keep: impl Fn(&Cells) -> bool) -> Vec<Pair> {
    let mut groups: BTreeMap<Vec<&str>, Vec<(f64, Steps)>> = BTreeMap::new();
    for (cells, steps) in steps(|cells, _| keep(cells)) {
        let key = same.iter().map(|column| cells[*column].as_str()).collect();
        let at: f64 = cells[along].parse().unwrap();
        groups.entry(key).or_default().push((at, steps));
    }
    let mut found = Vec::new();
    for (key, mut runs) in groups {
        runs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (first, last) = (runs[0], runs[runs.len() - 1]);
        if last.0 >= 4.0 * first.0 {
            let name = format!("{} {} to {}", key.join(" "), first.0, last.0);
            found.push((name, first.1, last.1));
        }
    }
    found
}

/// Weak scaling of NeMo on H100, 8 to 2,304 chips: the step grows as measured.
#[test]
fn weak_scaling_is_as_measured() {
    let columns = [
        "model",
        "n_layers",
        "precision",
        "framework_version",
        "tp",
        "pp",
        "vp",
        "cp",
        "mbs",
        "ga",
    ];
    let weak = pairs(&columns, "n_chips", |cells| {
        cells["source_id"] == "dgxc" && cells["chip"] == "H100" && !cells["ga"].is_empty()
    });
    if TABLE.is_none() {
        return;
    }
    let mut errors = Vec::new();
    for (name, few, many) in weak {
        let (predicted, measured) = (many.0 / few.0, many.1 / few.1);
        println!("{name}: {predicted:.3}, measured {measured:.3}");
        errors.push((predicted / measured - 1.0).abs());
    }
    errors.sort_by(f64::total_cmp);
    let (median, worst) = (errors[errors.len() / 2], errors[errors.len() - 1]);
    println!(
        "{} slopes: median error {:.1}%, worst {:.1}%",
        errors.len(),
        100.0 * median,
        100.0 * worst
    );
    assert!(errors.len() >= 15 && median < 0.02, "{median}");
}

/// FP8 over BF16 of the same model, chips, layout and release.
#[test]
fn fp8_gains_what_it_did() {
    let key = |cells: &Cells| {
        let columns = [
            "source_id",
            "model",
            "chip",
            "n_chips",
            "n_layers",
            "framework_version",
            "tp",
            "pp",
            "cp",
            "ep",
            "gbs",
            "mbs",
            "seq_len",
        ];
        columns.map(|column| cells[column].clone())
    };
    let mut runs: BTreeMap<_, BTreeMap<&str, Steps>> = BTreeMap::new();
    for (cells, steps) in steps(|_, _| true) {
        runs.entry(key(cells))
            .or_default()
            .insert(&cells["precision"], steps);
    }
    let mut errors: Vec<f64> = runs
        .values()
        .filter_map(|by| {
            let (wide, narrow) = (by.get("BF16")?, by.get("FP8")?);
            Some((wide.0 / narrow.0 / (wide.1 / narrow.1) - 1.0).abs())
        })
        .collect();
    if TABLE.is_none() {
        return;
    }
    errors.sort_by(f64::total_cmp);
    let median = errors[errors.len() / 2];
    println!(
        "{} pairs: median error of the gain {:.1}%",
        errors.len(),
        100.0 * median
    );
    assert!(errors.len() >= 20 && median < 0.06, "{median}");
}

/// Best tokens of a second and chip of a model on a chip: (predicted, measured).
fn best(model: &str, chip: &str) -> (f64, f64) {
    let runs = steps(|cells, _| {
        cells["source_id"] == "mbridge"
            && cells["model"] == model
            && cells["chip"] == chip
            && cells["precision"] == "FP8"
    });
    let rate = |cells: &Cells, step: f64| {
        let number = |column: &str| cells[column].parse::<f64>().unwrap();
        number("gbs") * number("seq_len") / step / number("n_chips")
    };
    let fastest = runs.into_iter().min_by(|a, b| {
        let of = |run: &(&Cells, Steps)| 1.0 / rate(run.0, run.1.1);
        of(a).total_cmp(&of(b))
    });
    fastest.map_or((0.0, 0.0), |(cells, (predicted, measured))| {
        (rate(cells, predicted), rate(cells, measured))
    })
}

/// A rack-wide domain is worth half as much again for a wide mixture, and nothing for a model that
/// fits a node: GB200 against B200, each at its own best published recipe.
#[test]
fn a_wide_domain_is_worth_what_it_was() {
    if TABLE.is_none() {
        return;
    }
    for (model, low, high) in [("DeepSeek-V3", 1.25, 1.75), ("Llama-3-8B", 0.93, 1.13)] {
        let (rack, node) = (best(model, "GB200"), best(model, "B200"));
        let (predicted, measured) = (rack.0 / node.0, rack.1 / node.1);
        println!("{model}: GB200 over B200 {predicted:.2}, measured {measured:.2}");
        assert!((low..high).contains(&predicted), "{model}: {predicted}");
    }
}

/// One experiment of BLOOM's design sweep: what is held equal, and its runs by layout.
type Sweep = BTreeMap<String, BTreeMap<(String, String, String), Vec<Steps>>>;

fn sweeps() -> Sweep {
    let mut sweeps = Sweep::new();
    for (cells, steps) in steps(|cells, _| cells["source_id"] == "bigscience") {
        // A quarter fewer sequences in the time of all: not the run that its heading says.
        if cells["gbs"] == "1568" {
            continue;
        }
        let experiment = cells["source_locator"]
            .split('(')
            .nth(1)
            .unwrap_or_default();
        let columns = [
            "n_layers",
            "hidden",
            "n_heads",
            "gbs",
            "n_chips",
            "precision",
        ];
        let same: Vec<&str> = columns
            .iter()
            .map(|column| cells[*column].as_str())
            .collect();
        let key = format!("{experiment} {}", same.join(" "));
        let layout = (
            cells["tp"].clone(),
            cells["pp"].clone(),
            cells["mbs"].clone(),
        );
        let runs = sweeps.entry(key).or_default();
        runs.entry(layout).or_default().push(steps);
    }
    sweeps
}

/// The order of layouts within each experiment of the sweep, and the loss from taking the layout
/// that is predicted to be fastest. Steps within 1% of each other have no order.
#[test]
fn layouts_are_ranked_as_measured() {
    if TABLE.is_none() {
        return;
    }
    let (mut agree, mut differ) = (0, 0);
    let mut regrets = Vec::new();
    for runs in sweeps().values().filter(|runs| runs.len() > 1) {
        let mean = |runs: &Vec<Steps>| {
            let count = runs.len() as f64;
            let sum = runs
                .iter()
                .fold((0.0, 0.0), |sum, run| (sum.0 + run.0, sum.1 + run.1));
            (sum.0 / count, sum.1 / count)
        };
        let means: Vec<Steps> = runs.values().map(mean).collect();
        for (index, a) in means.iter().enumerate() {
            for b in &means[..index] {
                if (a.1 / b.1 - 1.0).abs() < 0.01 {
                    continue;
                }
                if (a.1 > b.1) == (a.0 > b.0) {
                    agree += 1;
                } else {
                    differ += 1;
                }
            }
        }
        let best = means
            .iter()
            .map(|mean| mean.1)
            .fold(f64::INFINITY, f64::min);
        let chosen = means.iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        regrets.push(chosen.1 / best - 1.0);
    }
    let tau = f64::from(agree - differ) / f64::from(agree + differ);
    let regret = regrets.iter().sum::<f64>() / regrets.len() as f64;
    println!(
        "{agree} pairs agree, {differ} differ: tau {tau:.2}; mean regret {:.1}% over {} experiments",
        100.0 * regret,
        regrets.len()
    );
    assert!(tau >= 0.8 && regret <= 0.02, "{tau} {regret}");
}
