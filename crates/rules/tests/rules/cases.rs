//! The reference cases, `export_cases.csv`.

use std::collections::BTreeMap;

use chokepoint_rules::{ChipFacts, Fact, Truth, metrics};
use chokepoint_units::NumberFormat;

use super::compare::{Figures, Row, compare, facts};
use super::support::{book, export, notice, read, root};

const LATER_CIRCUITS: &str = "the row holds that no unreleased part was reached; NVIDIA's filing \
    says that the 2022 letter reaches later parts as fast as A100 in computing and in links";
const UNPUBLISHED: &str = "the row takes a press report that the part is outside 3A090; its \
    computing figure is not public, and unknown is undetermined";
const AS_IF_US: &str = "the row tests the 2022 numbers on an Ascend as if the United States \
    controlled its sale in China; the engine says not_us_origin, as the later rows do";

/// Derived rows that differ, and why. Boundary and published rows have no exception.
const DIFFERING: [(&str, &str); 14] = [
    (
        "DER-0008",
        "the row states density 3.2, rounded, but expects what 3.196 gives",
    ),
    ("DER-0066", LATER_CIRCUITS),
    ("DER-0116", LATER_CIRCUITS),
    ("DER-0121", LATER_CIRCUITS),
    ("DER-0131", LATER_CIRCUITS),
    ("DER-0136", LATER_CIRCUITS),
    ("DER-0163", UNPUBLISHED),
    ("DER-0164", UNPUBLISHED),
    ("DER-0165", UNPUBLISHED),
    ("DER-0183", UNPUBLISHED),
    ("DER-0184", UNPUBLISHED),
    ("DER-0202", AS_IF_US),
    ("DER-0207", AS_IF_US),
    ("DER-0212", AS_IF_US),
];

fn rows() -> Option<Vec<Row>> {
    let path = root().join("../shared/reference/export_cases.csv");
    let Some(text) = read(&path) else {
        notice(&format!("skipped: {} is absent", path.display()));
        return None;
    };
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    Some(reader.deserialize().map(Result::unwrap).collect())
}

/// The fullest derived row of each chip: what is known of it.
fn figures(rows: &[Row]) -> Figures {
    let derived = rows.iter().filter(|row| row["kind"] == "derived");
    derived
        .map(|row| (row["chip"].clone(), row.clone()))
        .collect()
}

#[test]
fn every_case_of_the_reference_agrees_or_is_explained() {
    let Some(rows) = rows() else { return };
    let (book, figures) = (book(), figures(&rows));
    let mut counts: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let mut unexplained = Vec::new();
    let mut differing = BTreeMap::from(DIFFERING);
    for row in rows.iter().filter(|row| row["kind"] != "known_bad") {
        let count = counts.entry(row["kind"].as_str()).or_default();
        count.1 += 1;
        let id = row["case_id"].as_str();
        match compare(&book, &figures, row) {
            Ok(()) => count.0 += 1,
            Err(found) if differing.remove(id).is_none() => unexplained.push(format!(
                "{id} {} {}: {found}; expected {} {} {}",
                row["chip"],
                row["as_of"],
                row["expected_eccn"],
                row["expected_license"],
                row["expected_review"]
            )),
            Err(_) => {}
        }
    }
    notice(&format!("matched, of: {counts:?}"));
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    assert!(differing.is_empty(), "these agree after all: {differing:?}");
}

#[test]
fn mistakes_of_other_tools_are_not_repeated() {
    let Some(rows) = rows() else { return };
    let (book, figures) = (book(), figures(&rows));
    // Dense peaks, 10^12 operations per second.
    let peaks = |chip: &str| match chip {
        "RTX 4090" => vec![(NumberFormat::Fp8, 660.6)],
        "H20 96GB" => vec![(NumberFormat::Fp8, 296.0)],
        "L40S" => vec![(NumberFormat::Fp8, 733.0)],
        "RTX 5090" => vec![(NumberFormat::Fp4, 1676.0)],
        "Gaudi 3 (HL-325L)" => vec![(NumberFormat::Fp8, 1835.0), (NumberFormat::Bf16, 1835.0)],
        other => panic!("no peaks for {other}"),
    };
    let mut seen = 0;
    for row in rows.iter().filter(|row| row["kind"] == "known_bad") {
        seen += 1;
        let (id, chip) = (row["case_id"].as_str(), row["chip"].as_str());
        if row["tpp"].is_empty() {
            let verdict = book.check(&facts(&figures, row), &export("CN", &row["as_of"]));
            let eccn = verdict.eccn.clone().unwrap_or_default();
            match row["expected_eccn"].as_str() {
                "3A090.b for interconnect >= 600" => assert!(eccn.starts_with("3A090.a"), "{id}"),
                "3A090.b.2" => assert_eq!(eccn, "", "{id}"),
                "free" => assert!(eccn.starts_with("3A090.b"), "{id}"),
                other => panic!("unknown mistake {other}"),
            }
            assert_ne!(verdict.license_required(), Truth::Unknown, "{id}");
            continue;
        }
        let peaks = peaks(chip)
            .into_iter()
            .map(|(format, tops)| (format, Fact::Known(tops)))
            .collect();
        let found = metrics(&ChipFacts {
            peaks,
            ..ChipFacts::named(chip)
        });
        let (right, wrong) = (found.tpp.bounds().0, row["tpp"].parse::<f64>().unwrap());
        let known = figures[chip]["tpp"].parse::<f64>().unwrap();
        assert!((right / known - 1.0).abs() < 0.001, "{id}: {right}");
        assert!((right / wrong - 1.0).abs() > 0.01, "{id}: {right}");
    }
    assert_eq!(seen, 8);
}
