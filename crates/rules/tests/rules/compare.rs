//! One row of the reference cases against the engine.

use std::collections::BTreeMap;

use chokepoint_rules::{
    ChipFacts, Country, Fact, Metric, Outcome, RuleBook, Standing, StatedMetrics, Transaction,
    Truth, Verdict, metrics,
};
use chokepoint_units::NumberFormat;

use super::support::{country, day, maker};

/// A row by column name.
pub type Row = BTreeMap<String, String>;

/// Known figures of a chip: those of its derived rows.
pub type Figures = BTreeMap<String, Row>;

/// Whether the engine agrees with a row; what it says instead where it does not.
pub fn compare(book: &RuleBook, figures: &Figures, row: &Row) -> Result<(), String> {
    match row["chip"].as_str() {
        "calendar" => calendar(book, row),
        "metric" => worked_example(row),
        "cluster of H100 SXM" => cap(book, figures, row),
        _ => judged(book, figures, row),
    }
}

fn number(text: &str) -> Fact<f64> {
    Fact::from_option(text.trim().parse().ok())
}

fn flag(text: &str) -> Fact<bool> {
    match text {
        "Y" => Fact::Known(true),
        "N" => Fact::Known(false),
        _ => Fact::Unknown,
    }
}

/// The facts that a row states, filled from the chip's other rows.
pub fn facts(figures: &Figures, row: &Row) -> ChipFacts {
    let chip = row["chip"].as_str();
    if let Some(density) = chip.strip_prefix("bare HBM stack, ") {
        let density = number(density.trim_end_matches(" GB/s/mm2"));
        return ChipFacts::memory_stack(chip, density, None);
    }
    let known = figures.get(match chip {
        "any 3A090.a/4A090.a" => "H100 SXM",
        other => other,
    });
    let field = |name: &str| -> String {
        let own = row[name].as_str();
        match known {
            Some(known) if own.is_empty() => known[name].clone(),
            _ => own.to_owned(),
        }
    };
    let (mut tpp, mut density) = (number(&field("tpp")), number(&field("pd")));
    // Rows on letters and on co-packaged memory say nothing of computing, which the law would
    // have to know: none is assumed, so that the letter or 3A090.c alone answers.
    let apart = chip.starts_with("HBM co-packaged")
        || (chip == "synthetic" && row["rule_id"].starts_with("letters"));
    if apart {
        (tpp, density) = (Fact::Known(0.0), Fact::Known(0.0));
    }
    let stated = StatedMetrics {
        tpp,
        performance_density: density,
    };
    ChipFacts {
        name: chip.to_owned(),
        ..ChipFacts::from_metrics(
            stated,
            number(&field("dram_gbps")),
            number(&field("io_gbps_bidir")),
            flag(&field("datacenter")),
            Some(maker(chip)),
        )
    }
}

/// The transaction of a row; an empty destination is China, an empty origin the United States.
fn transaction(row: &Row) -> Transaction {
    let code = |name: &str, or: Country| -> Country { row[name].get(..2).map_or(or, country) };
    let destination = code("destination", country("CN"));
    Transaction {
        origin: code("origin", Country::US),
        destination,
        end_user_hq: Some(code("hq_of_end_user", destination)),
        on: day(&row["as_of"]),
    }
}

fn judged(book: &RuleBook, figures: &Figures, row: &Row) -> Result<(), String> {
    let facts = facts(figures, row);
    let verdict = book.check(&facts, &transaction(row));
    // A published list of caught chips counts those that may go after a notification.
    let notified =
        row["note"].contains("NAC-eligible") && verdict.outcome == Outcome::NotificationRequired;
    // A published row may name the leading limb alone; boundary rows name them all.
    let leads = row["kind"] == "published"
        && verdict
            .eccn
            .as_deref()
            .and_then(|eccn| eccn.split('+').next())
            == Some(row["expected_eccn"].as_str());
    let agrees = stated_figures_agree(figures, row)
        && (leads || control_agrees(&row["expected_eccn"], &verdict))
        && (notified || licence_agrees(&row["expected_license"], &verdict))
        && exception_agrees(&row["expected_exception"], &verdict)
        && review_agrees(&row["expected_review"], &verdict);
    if agrees {
        Ok(())
    } else {
        Err(format!(
            "{:?} of {:?}, {:?}",
            verdict.outcome, verdict.possible, verdict.eccn
        ))
    }
}

/// Whether figures that a row states agree with the chip's other rows, as far as it rounds.
fn stated_figures_agree(figures: &Figures, row: &Row) -> bool {
    let Some(known) = figures.get(&row["chip"]) else {
        return true;
    };
    let near = |name: &str, tolerance: f64| match (number(&row[name]), number(&known[name])) {
        (Fact::Known(a), Fact::Known(b)) => (a / b - 1.0).abs() <= tolerance,
        _ => true,
    };
    near("tpp", 0.001) && near("pd", 0.003)
}

fn control_agrees(expected: &str, verdict: &Verdict) -> bool {
    let eccn = verdict.eccn.as_deref();
    let word = expected.split([' ', ',']).next().unwrap_or_default();
    match expected {
        "" => true,
        "within ECCN 3A090/4A090 thresholds" => eccn.is_some(),
        "3A090 (2022)" => eccn == Some("3A090"),
        "3A090.a" | "3A090.b" => eccn.is_some_and(|eccn| eccn.starts_with(expected)),
        _ if expected.starts_with("undetermined") => verdict.outcome == Outcome::Undetermined,
        _ if expected.starts_with("not ") || expected.starts_with("none") => {
            eccn.is_none() && limbs_fail(verdict)
        }
        _ if expected.ends_with("exception HBM possible") => {
            eccn == Some(word) && verdict.outcome == Outcome::ExceptionAvailable
        }
        _ if expected.ends_with("exception HBM not available") => {
            eccn == Some(word) && verdict.license_required() == Truth::True
        }
        _ => eccn == Some(word),
    }
}

/// Whether every paragraph was ruled out: its limbs fail, or Note 2 takes the item out.
fn limbs_fail(verdict: &Verdict) -> bool {
    let noted = |step: &str| step.starts_with("Note 2");
    let excluded = |rule: &str| {
        verdict
            .trace
            .iter()
            .any(|step| step.rule == rule && noted(&step.statement) && step.holds == Truth::True)
    };
    verdict
        .trace
        .iter()
        .filter(|step| step.statement.starts_with("3A090"))
        .all(|step| step.holds == Truth::False || excluded(&step.rule))
}

fn licence_agrees(expected: &str, verdict: &Verdict) -> bool {
    match expected {
        "" => true,
        "?" => verdict.outcome == Outcome::Undetermined,
        "n/a" => verdict.outcome == Outcome::NotUsOrigin,
        "Y unless NAC" => verdict.outcome == Outcome::NotificationRequired,
        _ if expected.starts_with('Y') => verdict.license_required() == Truth::True,
        _ => verdict.license_required() == Truth::False,
    }
}

fn exception_agrees(expected: &str, verdict: &Verdict) -> bool {
    match expected {
        "NAC" | "NAC then (ACA from 2024-04-04)" => {
            verdict.outcome == Outcome::NotificationRequired
        }
        _ => true,
    }
}

fn review_agrees(expected: &str, verdict: &Verdict) -> bool {
    let is = |outcome| verdict.outcome == outcome;
    let letter = || {
        verdict.license_required() == Truth::True
            && verdict.rule_ids.iter().any(|id| id.starts_with("letters"))
    };
    let starts = |start: &str| expected.starts_with(start);
    if starts("presumption of denial") || starts("gate failed") {
        is(Outcome::LicensePresumptionOfDenial)
    } else if starts("case-by-case") || starts("gate passed") || starts("numeric gate passed") {
        is(Outcome::LicenseCaseByCase)
    } else if starts("is-informed letter") {
        letter()
    } else if starts("NLR") {
        verdict.license_required() == Truth::False
    } else if starts("25-day") {
        is(Outcome::NotificationRequired)
    } else if starts("3A090.a parameters met: General Prohibition 10 risk anywhere") {
        is(Outcome::NotUsOrigin) && verdict.rule_ids.iter().any(|id| id == "gp10-2025-05")
    } else if starts("3A090.a parameters met") {
        is(Outcome::NotUsOrigin)
    } else if starts("25% Section 232") {
        tariff(verdict)
            == expected
                .strip_prefix("25% Section 232 tariff on import to US: ")
                .unwrap()
    } else if starts("no tariff") {
        tariff(verdict) == "N"
    } else if expected == "?" {
        is(Outcome::Undetermined)
    } else {
        expected.is_empty()
    }
}

/// The band that holds, in the reference's words.
fn tariff(verdict: &Verdict) -> &'static str {
    let holds = |band: &str| {
        verdict
            .trace
            .iter()
            .any(|step| step.statement.starts_with(band) && step.holds == Truth::True)
    };
    if holds("tariff-band-1") {
        "Y band 1"
    } else if holds("tariff-band-2") {
        "Y band 2"
    } else {
        "N"
    }
}

/// Which test applies on a day.
fn calendar(book: &RuleBook, row: &Row) -> Result<(), String> {
    let on = day(&row["as_of"]);
    let standing = |id: &str| book.rule(id).unwrap().standing(on);
    let limbs_on = |metric| {
        book.in_force(on)
            .flat_map(|rule| &rule.limbs)
            .filter(|limb| limb.eccn.starts_with("3A090"))
            .flat_map(|limb| &limb.all)
            .any(|condition| condition.metric == metric)
    };
    let h200 = || {
        let stated = StatedMetrics {
            tpp: Fact::Known(15832.0),
            performance_density: Fact::Known(19.45),
        };
        let facts = ChipFacts::from_metrics(
            stated,
            Fact::Known(4800.0),
            Fact::Known(1028.0),
            Fact::Known(true),
            Some(maker("H200")),
        );
        book.check(&facts, &transaction(row)).outcome
    };
    let agrees = match row["expected_eccn"].as_str() {
        "no rule (letters only)" => !limbs_on(Metric::Tpp),
        "3A090 (2022) in force" => standing("ifr-2022-10") == Standing::InForce,
        "2022 test applies" => limbs_on(Metric::IoBidirectional),
        "2023 test applies" => {
            limbs_on(Metric::PerformanceDensity) && !limbs_on(Metric::IoBidirectional)
        }
        "no 3A090.c" => standing("hbm-2024") == Standing::NotYet,
        "3A090.c effective, HBM compliance not yet due" => {
            standing("hbm-2024") == Standing::AwaitingCompliance
        }
        "HBM compliance date" => standing("hbm-2024") == Standing::InForce,
        "foundry presumption compliance date" => standing("foundry-2025-01") == Standing::InForce,
        "Diffusion on the books, compliance date 2025-05-15" => {
            standing("diffusion-2025-01") == Standing::AwaitingCompliance
        }
        "Diffusion not enforced" => standing("diffusion-2025-01") == Standing::NotEnforced,
        "H200 to China: presumption of denial" => h200() == Outcome::LicensePresumptionOfDenial,
        "H200 to China from US: case-by-case path" => h200() == Outcome::LicenseCaseByCase,
        other => panic!("unknown calendar row: {other}"),
    };
    if agrees {
        Ok(())
    } else {
        Err("the calendar differs".to_owned())
    }
}

/// TPP from the rates in the note, such as "FP4 14000, FP8 4500 TOPS: ...".
fn worked_example(row: &Row) -> Result<(), String> {
    let words: Vec<&str> = row["note"].split([' ', ',']).collect();
    let peaks = words
        .windows(2)
        .filter_map(|pair| {
            let format = NumberFormat::ALL
                .into_iter()
                .find(|format| format.name().eq_ignore_ascii_case(pair[0]))?;
            Some((format, Fact::Known(pair[1].parse().ok()?)))
        })
        .collect();
    let found = metrics(&ChipFacts {
        peaks,
        ..ChipFacts::named("metric")
    });
    let expected = row["tpp"].split(' ').next().unwrap_or_default();
    if found.tpp == number(expected) {
        Ok(())
    } else {
        Err(format!("TPP {}", found.tpp))
    }
}

/// The caps of the Diffusion rule in chips.
fn cap(book: &RuleBook, figures: &Figures, row: &Row) -> Result<(), String> {
    let per_chip = |chip: &str| number(&figures[chip]["tpp"]).bounds().0;
    let rule = book.rule("diffusion-2025-01").unwrap();
    let tpp = number(&row["tpp"]).bounds().0;
    let key = if tpp < 1e8 {
        "lpp_tpp_per_consignee_per_year"
    } else {
        "country_allocation_2025_2027"
    };
    let value = rule.quantity(key).unwrap().value;
    // The analyses round the number of H100 and cut that of GB300.
    let in_h100 = (value / per_chip("H100 SXM")).round();
    let in_gb300 = (value / per_chip("GB300 (per GPU)")).floor();
    let expected = row["expected_review"].replace(',', "");
    let agrees = (value / tpp - 1.0).abs() < 1e-12
        && expected.contains(&format!("{in_h100}"))
        && (tpp < 1e8 || expected.contains(&format!("{in_gb300}")));
    if agrees {
        Ok(())
    } else {
        Err(format!("{in_h100} H100, {in_gb300} GB300"))
    }
}
