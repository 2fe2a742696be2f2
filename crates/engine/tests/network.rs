//! Collectives against the published measurements, where they exist beside the project, and rows
//! made up to check by hand what is compared.

#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "reads the published table and says when it is not there"
)]

use std::path::Path;
use std::sync::LazyLock;

use chokepoint_engine::{Data, NetworkPrediction, NetworkRow, NetworkValidation, validate_network};

static DATA: LazyLock<Data> = LazyLock::new(|| Data::load(&[]).unwrap());

/// The table as text and validated; absent where the table is.
static TABLE: LazyLock<Option<(String, NetworkValidation)>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/reference/collective_measurements.csv");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not here", path.display());
        return None;
    };
    let found = validate_network("collective_measurements.csv", &text, &DATA).unwrap();
    Some((text, found))
});

const HEADING: &str = "row_id,system,fabric,nodes,ranks,collective,algorithm,library,message_bytes,message_meaning,time_us,algbw_GBps,busbw_GBps,extra\n";

fn rows(lines: &str) -> Vec<NetworkRow> {
    let table = format!("{HEADING}{lines}");
    validate_network("made-up.csv", &table, &DATA).unwrap().rows
}

fn only(lines: &str) -> NetworkPrediction {
    let found = rows(lines).remove(0);
    assert_eq!(found.skipped, None);
    found.prediction.unwrap()
}

fn near(value: f64, expected: f64) {
    assert!(
        (value / expected - 1.0).abs() < 1e-9,
        "{value} instead of {expected}"
    );
}

/// Picks rows.
type Keep = fn(&NetworkRow) -> bool;

/// Median absolute error of rows that nothing was fitted on.
fn median(keep: Keep) -> Option<(usize, f64)> {
    let (_, found) = TABLE.as_ref()?;
    let predicted = found.rows.iter().filter(|row| keep(row));
    let mut errors: Vec<f64> = predicted
        .filter_map(|row| row.prediction.as_ref())
        .filter(|found| !found.fitted)
        .map(|found| found.relative_error().abs())
        .collect();
    errors.sort_by(f64::total_cmp);
    let middle = errors.get(errors.len() / 2).copied();
    Some((errors.len(), middle.unwrap_or(f64::NAN)))
}

#[test]
fn every_row_is_predicted_or_named() {
    let Some((text, found)) = &*TABLE else {
        return;
    };
    let mut table = csv::Reader::from_reader(text.as_bytes());
    let ids: Vec<String> = table
        .records()
        .map(|record| record.unwrap()[0].to_owned())
        .collect();
    let named: Vec<&str> = found.rows.iter().map(|row| row.row_id.as_str()).collect();
    assert_eq!(ids, named);
    for row in &found.rows {
        let reason = row.skipped.as_deref().unwrap_or_default();
        assert_ne!(
            row.prediction.is_some(),
            !reason.is_empty(),
            "{}",
            row.row_id
        );
        let Some(found) = &row.prediction else {
            continue;
        };
        let times = [
            found.predicted,
            found.measured,
            found.low,
            found.high,
            found.with_all,
        ];
        assert!(
            times.iter().all(|time| *time > 0.0 && time.is_finite()),
            "{}",
            row.row_id
        );
    }
    let all = &found.summary[0];
    let skipped: usize = all.skipped.iter().map(|(_, rows)| rows).sum();
    assert_eq!(all.rows, found.rows.len());
    assert_eq!(all.predicted + skipped, all.rows);
    assert!(all.predicted > 1_300, "{}", all.predicted);
}

/// No row of NCCL or TensorRT-LLM rests on curves of its own rank count.
#[test]
fn no_row_sees_its_own_curves() {
    let Some((_, found)) = &*TABLE else {
        return;
    };
    let measured = ["NCCL", "TensorRT-LLM"];
    let mut checked = 0;
    for row in &found.rows {
        let (Some(prediction), Some(ranks)) = (&row.prediction, row.ranks) else {
            continue;
        };
        if measured.iter().any(|name| row.library.starts_with(name)) {
            assert!(!prediction.curves.contains(&ranks), "{}", row.row_id);
            checked += 1;
        }
    }
    assert!(checked > 1_000, "{checked}");
}

/// What was reached in November 2026 with a little room.
#[test]
fn errors_stay_within_their_bounds() {
    let bounds: [(&str, usize, f64, Keep); 9] = [
        ("one node", 1_000, 0.06, |row| row.span == "node"),
        ("one domain", 120, 0.14, |row| row.span == "domain"),
        ("several domains", 70, 0.08, |row| row.span == "domains"),
        ("NCCL in one node", 800, 0.06, |row| {
            row.library.ends_with("half")
        }),
        ("kernels of one step", 70, 0.08, |row| {
            row.library.starts_with("TensorRT-LLM 1.3")
        }),
        ("DeepEP by its authors", 20, 0.07, |row| {
            row.library.starts_with("DeepEP V")
        }),
        ("DeepEP through SGLang", 70, 0.11, |row| {
            row.library.starts_with("DeepEP via")
        }),
        ("CloudMatrix", 5, 0.08, |row| {
            row.library.starts_with("CloudMatrix")
        }),
        ("Ascend A3", 3, 0.12, |row| {
            row.library.starts_with("sgl-kernel-npu")
        }),
    ];
    for (name, least, bound, keep) in bounds {
        let Some((count, median)) = median(keep) else {
            return;
        };
        println!("{name}: {:.1}% of {count}", median * 100.0);
        assert!(count >= least, "{name}: {count} rows");
        assert!(median <= bound, "{name}: {median}");
    }
}

/// All-reduce of one, two and twenty racks of GB200, each row within 25%.
#[test]
fn racks_of_gb200_come_out_within_a_quarter() {
    let Some((_, found)) = &*TABLE else {
        return;
    };
    for ranks in [72, 144, 1440] {
        let series = found.rows.iter().filter(|row| {
            row.ranks == Some(ranks)
                && row.system.starts_with("gb200")
                && row.library.contains("2.26")
        });
        let errors: Vec<f64> = series
            .map(|row| row.prediction.as_ref().unwrap().relative_error())
            .collect();
        assert!(errors.len() >= 5, "{ranks} ranks: {} rows", errors.len());
        assert!(
            errors.iter().all(|error| error.abs() < 0.25),
            "{ranks} ranks: {errors:?}"
        );
    }
}

/// nccl-tests: 1 GB at 100 GB/s of algorithm bandwidth are 10 ms, at 100 GB/s of bus bandwidth of
/// all-reduce on 8 ranks 17.5 ms, of all-gather 8.75 ms.
#[test]
fn bandwidths_become_times_as_nccl_tests_define_them() {
    let row = |rates: &str, collective: &str| {
        format!("a,h100,NVLink,1,8,{collective},auto,NCCL,1e9,nccl-tests size,,{rates},\n")
    };
    near(only(&row("100,", "all_reduce")).measured, 10e-3);
    near(only(&row(",100", "all_reduce")).measured, 17.5e-3);
    near(only(&row(",100", "all_gather")).measured, 8.75e-3);
}

/// `DeepEP` counts a token once for each node, its own included: of 8 experts on 2 nodes 2 (1 - 1/2^8)
/// are expected. 4,096 tokens of 7,168 + 224 bytes at 43 GB/s take 1.403 ms.
#[test]
fn deepep_counts_its_own_node() {
    let row = "a,h800,IB,2,16,moe_dispatch,DeepEP V1 normal,DeepEP V1,,4096 tokens 7168 top-4 groups top-8 FP8 dispatch,,,43,\n";
    let nodes = 2.0 * (1.0 - 1.0 / 256.0);
    near(only(row).measured, 4096.0 * 7392.0 * nodes / 43e9);
}

/// The same series stated in time and in bandwidth gives the same prediction, whose baseline needs
/// three rows.
#[test]
fn a_baseline_needs_three_rows() {
    let line = |id: &str, size: &str, time: &str| {
        format!("{id},h100,NVLink,1,4,all_reduce,auto,NCCL,{size},nccl-tests size,{time},,,\n")
    };
    let two = line("a", "1000", "10") + &line("b", "1000000", "20");
    assert!(
        rows(&two)
            .iter()
            .all(|row| row.prediction.as_ref().unwrap().baseline.is_none())
    );
    // 10 us and 1 us for each 100 kB.
    let three = two + &line("c", "2000000", "30");
    for row in rows(&three) {
        let found = row.prediction.unwrap();
        let baseline = found.baseline.unwrap();
        assert!((baseline / found.measured - 1.0).abs() < 1e-3, "{baseline}");
    }
}

#[test]
fn what_cannot_be_predicted_says_why() {
    for (line, reason) in [
        (
            "a,abacus,beads,1,8,all_reduce,auto,NCCL,8,nccl-tests size,1,,,",
            "no system",
        ),
        (
            "a,h100,NVLink,1,8,all_reduce,auto,NCCL,,,1,,,",
            "message_bytes",
        ),
        (
            "a,h100,NVLink,1,,all_reduce,auto,NCCL,8,nccl-tests size,1,,,",
            "ranks",
        ),
        (
            "a,h100,NVLink,1,8,all_reduce,auto,NCCL,8,nccl-tests size,,,,",
            "neither",
        ),
        (
            "a,h100,NVLink,1,8,gossip,auto,NCCL,8,nccl-tests size,1,,,",
            "no collective",
        ),
        (
            "a,h100,NVLink,1,8,moe_dispatch,DeepEP normal,DeepEP,8,,1,,,",
            "tokens",
        ),
        (
            "a,h100,NVLink,1,8,moe_prepare,,TensorRT-LLM,8,,1,,,",
            "moves no tokens",
        ),
    ] {
        let found = rows(&format!("{line}\n")).remove(0);
        let skipped = found.skipped.unwrap();
        assert!(skipped.contains(reason), "{line}: {skipped}");
    }
}
