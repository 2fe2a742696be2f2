//! What must hold whatever the chip.

use chokepoint_rules::{ChipFacts, Fact, Maker, Outcome, RuleBook, Transaction};
use chokepoint_units::NumberFormat;
use proptest::prelude::*;

use super::support::{book, country, day, export, files};

const DATES: [&str; 9] = [
    "2022-07-01",
    "2022-09-15",
    "2022-11-15",
    "2023-10-30",
    "2023-12-01",
    "2024-06-01",
    "2025-05-01",
    "2025-10-15",
    "2026-06-15",
];

/// How far an outcome holds a sale back. A letter and a review case by case count alike: the
/// review of letters is not published.
fn strictness(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::NotUsOrigin | Outcome::OutOfScopeDestination | Outcome::NotControlled => 0,
        Outcome::ExceptionAvailable => 1,
        Outcome::NotificationRequired => 2,
        Outcome::LicensePresumptionOfApproval => 3,
        Outcome::LetterLicenseRequired | Outcome::LicenseCaseByCase => 4,
        Outcome::LicensePresumptionOfDenial => 5,
        Outcome::Undetermined => panic!("all facts are known"),
    }
}

prop_compose! {
    /// A chip of which everything is known; rates and areas crowd the thresholds.
    fn known_chip()(
        fp8 in prop_oneof![100.0..700.0f64, 100.0..8000.0f64],
        fp4_ratio in 1.0..4.0f64,
        area in prop_oneof![100.0..900.0f64, 500.0..3500.0f64],
        dram in prop_oneof![200.0..2000.0f64, 1000.0..9000.0f64],
        io in 50.0..2200.0f64,
        datacenter in any::<bool>(),
        sold in any::<bool>(),
        maker in prop::sample::select(vec!["NVIDIA", "AMD", "Google"]),
    ) -> ChipFacts {
        ChipFacts {
            peaks: vec![
                (NumberFormat::Fp8, Fact::Known(fp8)),
                (NumberFormat::Fp4, Fact::Known(fp8 * fp4_ratio)),
            ],
            applicable_area_mm2: Fact::Known(area),
            dram_bandwidth_gb_s: Fact::Known(dram),
            io_both_ways_gb_s: Fact::Known(io),
            datacenter: Fact::Known(datacenter),
            maker: Some(Maker::new(maker, country("US"))),
            us_commercial_on_2026_01_15: Fact::Known(sold),
            ..ChipFacts::named("synthetic")
        }
    }
}

prop_compose! {
    fn transaction()(
        on in prop::sample::select(DATES.to_vec()),
        to in prop::sample::select(vec!["CN", "HK", "MO", "VN", "SA", "DE", "RU", "AE"]),
        hq in prop::sample::select(vec!["CN", "US", "VN", "DE"]),
        origin in prop::sample::select(vec!["US", "TW"]),
    ) -> Transaction {
        Transaction {
            origin: country(origin),
            end_user_hq: Some(country(hq)),
            ..export(to, on)
        }
    }
}

/// A fact with less in it: kept, widened or dropped.
fn blurred(fact: Fact<f64>, how: u8, by: f64) -> Fact<f64> {
    let (low, high) = fact.bounds();
    match how {
        0 => fact,
        1 => Fact::Range(low / by, high * by),
        2 => Fact::Range(low, high * by),
        _ => Fact::Unknown,
    }
}

fn blurred_chip(facts: &ChipFacts, how: [u8; 5], flags: [bool; 3], by: f64) -> ChipFacts {
    let mut blurred_facts = facts.clone();
    for ((_, peak), how) in blurred_facts.peaks.iter_mut().zip(how) {
        *peak = blurred(*peak, how, by);
    }
    blurred_facts.applicable_area_mm2 = blurred(facts.applicable_area_mm2, how[2], by);
    blurred_facts.dram_bandwidth_gb_s = blurred(facts.dram_bandwidth_gb_s, how[3], by);
    blurred_facts.io_both_ways_gb_s = blurred(facts.io_both_ways_gb_s, how[4], by);
    if flags[0] {
        blurred_facts.datacenter = Fact::Unknown;
    }
    if flags[1] {
        blurred_facts.maker = None;
    }
    blurred_facts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn more_compute_never_loosens(
        chip in known_chip(),
        factor in 1.0..6.0f64,
        transaction in transaction(),
    ) {
        let book = book();
        let mut faster = chip.clone();
        for (_, peak) in &mut faster.peaks {
            *peak = peak.scaled(factor);
        }
        let before = book.check(&chip, &transaction).outcome;
        let after = book.check(&faster, &transaction).outcome;
        prop_assert!(
            strictness(after) >= strictness(before),
            "{before:?} became {after:?} on {}", transaction.on
        );
    }

    #[test]
    fn a_fact_less_never_rules_the_truth_out(
        chip in known_chip(),
        how in prop::array::uniform5(0..4u8),
        flags in prop::array::uniform3(any::<bool>()),
        by in 1.0..3.0f64,
        transaction in transaction(),
    ) {
        let book = book();
        let truth = book.check(&chip, &transaction);
        prop_assert_eq!(truth.possible.len(), 1);
        let less = blurred_chip(&chip, how, flags, by);
        let asked = Transaction {
            end_user_hq: transaction.end_user_hq.filter(|_| !flags[2]),
            ..transaction
        };
        let verdict = book.check(&less, &asked);
        prop_assert!(
            verdict.possible.contains(&truth.outcome),
            "{:?} is not among {:?}", truth.outcome, verdict.possible
        );
        if verdict.outcome != Outcome::Undetermined {
            prop_assert_eq!(verdict.outcome, truth.outcome);
        }
    }

    #[test]
    fn a_later_end_changes_no_earlier_day(
        chip in known_chip(),
        transaction in transaction(),
        extra_days in 1..2000i32,
    ) {
        let files = files();
        let before = RuleBook::parse(files.clone()).unwrap().check(&chip, &transaction);
        for (index, (_, text)) in files.iter().enumerate() {
            let Some(at) = text.find("\nuntil = ") else { continue };
            let start = at + "\nuntil = ".len();
            let end = day(&text[start..start + 10]);
            if transaction.on >= end {
                continue;
            }
            let later = end.checked_add(jiff::Span::new().days(extra_days)).unwrap();
            let mut longer = files.clone();
            longer[index].1 = text.replacen(&end.to_string(), &later.to_string(), 1);
            let after = RuleBook::parse(longer).unwrap().check(&chip, &transaction);
            prop_assert_eq!(&before, &after);
        }
    }
}

#[test]
fn a_range_across_two_paragraphs_is_surely_controlled() {
    // From 2,500 TPP on 814 mm2 every value is in .b.1 or in .a: never free.
    let facts = ChipFacts {
        peaks: vec![
            (NumberFormat::Fp8, Fact::Known(312.5)),
            (NumberFormat::Fp4, Fact::Unknown),
        ],
        applicable_area_mm2: Fact::Known(814.0),
        datacenter: Fact::Known(true),
        maker: Some(Maker::new("Google", country("US"))),
        ..ChipFacts::named("synthetic")
    };
    let verdict = book().check(&facts, &export("CN", "2024-06-01"));
    assert_eq!(verdict.outcome, Outcome::Undetermined);
    assert_eq!(
        verdict.possible,
        [
            Outcome::NotificationRequired,
            Outcome::LicensePresumptionOfDenial
        ]
    );
}
