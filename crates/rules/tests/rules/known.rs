//! Chips whose fate is known.

use chokepoint_rules::{
    ChipFacts, DISCLAIMER, Fact, Maker, Outcome, RuleKind, Standing, Transaction, Truth,
};
use chokepoint_units::NumberFormat;

use super::support::{book, chip, country, day, export, maker, to_china};

fn h20() -> ChipFacts {
    chip("H20 96GB", [2368.0, 2.91, 4000.0, 1028.0], true)
}

fn h800() -> ChipFacts {
    chip("H800 SXM", [15832.0, 19.45, 3350.0, 528.0], true)
}

fn a800() -> ChipFacts {
    chip("A800 SXM 80GB", [4992.0, 6.04, 2039.0, 464.0], true)
}

/// H200 from its datasheet: dense peaks and area instead of stated figures.
fn h200() -> ChipFacts {
    ChipFacts {
        peaks: vec![
            (NumberFormat::Bf16, Fact::Known(989.5)),
            (NumberFormat::Fp8, Fact::Known(1979.0)),
        ],
        applicable_area_mm2: Fact::Known(814.0),
        dram_bandwidth_gb_s: Fact::Known(4800.0),
        io_both_ways_gb_s: Fact::Known(1028.0),
        datacenter: Fact::Known(true),
        maker: Some(maker("H200")),
        us_commercial_on_2026_01_15: Fact::Known(true),
        ..ChipFacts::named("H200 SXM")
    }
}

#[test]
fn h20_was_never_in_3a090_and_needs_a_letter_licence() {
    let before = to_china(&h20(), "2024-06-01");
    assert_eq!(before.outcome, Outcome::NotControlled);
    assert_eq!(before.eccn, None);
    assert_eq!(before.rule_ids, ["acs-ifr-2023"]);
    let after = to_china(&h20(), "2025-05-01");
    assert_eq!(after.outcome, Outcome::LetterLicenseRequired);
    assert_eq!(after.eccn, None);
    assert_eq!(after.rule_ids, ["letters-2025-04"]);
    assert_eq!(after.license_required(), Truth::True);
    let closest = before
        .margins
        .iter()
        .find(|margin| margin.eccn == "3A090.b.1" && margin.threshold > 2399.0)
        .unwrap();
    assert_eq!(closest.ratio, Fact::Known(2368.0 * (1.0 / 2400.0)));
}

#[test]
fn h800_and_a800_were_free_until_the_2023_rule() {
    for (facts, letter) in [(h800(), "2023-10-30"), (a800(), "2023-10-30")] {
        let name = &facts.name;
        assert_eq!(
            to_china(&facts, "2023-06-01").outcome,
            Outcome::NotControlled,
            "{name}"
        );
        assert_eq!(
            to_china(&facts, letter).outcome,
            Outcome::LetterLicenseRequired,
            "{name}"
        );
        let denied = to_china(&facts, "2023-12-01");
        assert_eq!(
            denied.outcome,
            Outcome::LicensePresumptionOfDenial,
            "{name}"
        );
        assert_eq!(
            denied.eccn.as_deref(),
            Some("3A090.a.1+3A090.a.2"),
            "{name}"
        );
    }
}

#[test]
fn h200_is_reviewed_case_by_case_from_2026() {
    let before = to_china(&h200(), "2026-01-14");
    assert_eq!(before.outcome, Outcome::LicensePresumptionOfDenial);
    let after = to_china(&h200(), "2026-02-01");
    assert_eq!(after.outcome, Outcome::LicenseCaseByCase);
    assert_eq!(after.open_conditions.len(), 8);
    assert!(
        after
            .open_conditions
            .iter()
            .any(|c| c.starts_with("volume_cap: "))
    );
    assert_eq!(after.missing_facts, Vec::<String>::new());
    assert!(after.rule_ids.contains(&"review-2026-01".to_owned()));
    let taxed = after
        .trace
        .iter()
        .find(|step| step.statement.starts_with("tariff-band-1"))
        .unwrap();
    assert_eq!(
        (taxed.holds, taxed.kind),
        (Truth::True, Some(RuleKind::Tariff))
    );
    assert_eq!(after.disclaimer, DISCLAIMER);
}

#[test]
fn a_part_made_for_china_alone_stays_out_of_the_2026_path() {
    let with = |sold| ChipFacts {
        us_commercial_on_2026_01_15: sold,
        ..h800()
    };
    let never_sold = to_china(&with(Fact::Known(false)), "2026-02-01");
    assert_eq!(never_sold.outcome, Outcome::LicensePresumptionOfDenial);
    let unclear = to_china(&with(Fact::Unknown), "2026-02-01");
    assert_eq!(unclear.outcome, Outcome::LicenseCaseByCase);
    assert_eq!(unclear.missing_facts, ["us_commercial_on_2026_01_15"]);
}

#[test]
fn b200_and_reexports_and_offices_abroad_stay_denied() {
    let b200 = chip("B200", [36000.0, 22.1, 8000.0, 2056.0], true);
    let denied = Outcome::LicensePresumptionOfDenial;
    assert_eq!(to_china(&b200, "2026-02-01").outcome, denied);
    let reexport = Transaction {
        origin: country("TW"),
        ..export("CN", "2026-02-01")
    };
    assert_eq!(book().check(&h200(), &reexport).outcome, denied);
    let abroad = Transaction {
        end_user_hq: Some(country("CN")),
        ..export("SG", "2026-02-01")
    };
    assert_eq!(book().check(&h200(), &abroad).outcome, denied);
}

#[test]
fn mi308x_depends_on_what_area_counts() {
    let with_area = |area| ChipFacts {
        peaks: vec![(NumberFormat::Fp8, Fact::Known(414.0))],
        applicable_area_mm2: area,
        dram_bandwidth_gb_s: Fact::Known(5300.0),
        io_both_ways_gb_s: Fact::Known(1024.0),
        datacenter: Fact::Known(true),
        maker: Some(maker("MI308X")),
        ..ChipFacts::named("MI308X")
    };
    let judged = |area| to_china(&with_area(area), "2024-06-01");
    let compute_dies = judged(Fact::Known(920.0));
    assert_eq!(compute_dies.outcome, Outcome::NotificationRequired);
    assert_eq!(compute_dies.eccn.as_deref(), Some("3A090.b.1+3A090.b.2"));
    assert_eq!(judged(Fact::Known(2400.0)).outcome, Outcome::NotControlled);
    for open in [Fact::Range(920.0, 2400.0), Fact::Unknown] {
        let verdict = judged(open);
        assert_eq!(verdict.outcome, Outcome::Undetermined);
        assert_eq!(verdict.missing_facts, ["applicable_area_mm2"]);
        assert!(verdict.possible.contains(&Outcome::NotControlled));
    }
    let letter = to_china(&with_area(Fact::Known(2400.0)), "2025-05-01");
    assert_eq!(letter.outcome, Outcome::LetterLicenseRequired);
}

#[test]
fn ascend_is_outside_us_control_but_not_outside_general_prohibition_10() {
    let ascend = chip("Ascend 910C", [12032.0, 9.05, 3200.0, 784.0], true);
    let before = to_china(&ascend, "2025-05-12");
    assert_eq!(before.outcome, Outcome::NotUsOrigin);
    assert!(!before.rule_ids.contains(&"gp10-2025-05".to_owned()));
    let after = to_china(&ascend, "2025-05-13");
    assert_eq!(after.outcome, Outcome::NotUsOrigin);
    assert_eq!(after.eccn.as_deref(), Some("3A090.a.1+3A090.a.2"));
    assert!(after.rule_ids.contains(&"gp10-2025-05".to_owned()));
    assert!(
        after
            .open_conditions
            .iter()
            .any(|c| c.starts_with("gp10: "))
    );
    let small = chip("Ascend 310P", [700.0, 2.0, 200.0, 64.0], true);
    let spared = to_china(&small, "2025-06-01");
    assert!(spared.open_conditions.is_empty(), "{spared:?}");
}

#[test]
fn consumer_cards_fall_under_note_2_below_4800() {
    let d = chip("RTX 4090D", [4707.0, 7.73, 1008.0, 64.0], false);
    let full = chip("RTX 4090", [5285.0, 8.68, 1008.0, 64.0], false);
    let free = to_china(&d, "2024-01-15");
    assert_eq!(free.outcome, Outcome::NotControlled);
    assert!(
        free.trace
            .iter()
            .any(|step| step.statement.starts_with("Note 2") && step.holds == Truth::True)
    );
    let notified = to_china(&full, "2024-01-15");
    assert_eq!(notified.outcome, Outcome::NotificationRequired);
    assert_eq!(notified.license_required(), Truth::False);
    let as_server = ChipFacts {
        datacenter: Fact::Unknown,
        ..d
    };
    let open = to_china(&as_server, "2024-01-15");
    assert_eq!(
        open.possible,
        [Outcome::NotControlled, Outcome::LicensePresumptionOfDenial]
    );
    assert_eq!(open.missing_facts, ["datacenter"]);
}

#[test]
fn scope_follows_destination_and_headquarters() {
    let h100 = chip("H100 SXM", [15832.0, 19.45, 3350.0, 1028.0], true);
    let judged = |to: &str, hq: Option<&str>, on: &str| {
        let transaction = Transaction {
            end_user_hq: hq.map(country),
            ..export(to, on)
        };
        book().check(&h100, &transaction)
    };
    let germany = judged("DE", Some("DE"), "2024-06-01");
    assert_eq!(germany.outcome, Outcome::OutOfScopeDestination);
    assert!(germany.open_conditions[0].starts_with("other_controls"));
    let unknown_parent = judged("DE", None, "2024-06-01");
    assert_eq!(unknown_parent.outcome, Outcome::Undetermined);
    assert_eq!(unknown_parent.missing_facts, ["end_user_hq"]);
    assert_eq!(
        judged("SA", Some("SA"), "2024-06-01").outcome,
        Outcome::LicensePresumptionOfApproval
    );
    assert_eq!(
        judged("NI", Some("NI"), "2024-01-15").outcome,
        Outcome::OutOfScopeDestination
    );
    assert_eq!(
        judged("NI", Some("NI"), "2024-06-01").outcome,
        Outcome::LicensePresumptionOfDenial
    );
    let emirates = judged("AE", Some("AE"), "2026-08-01");
    assert!(emirates.open_conditions[0].starts_with("uae_exempt_party"));
    for place in ["HK", "MO"] {
        assert_eq!(
            judged(place, Some(place), "2024-06-01").outcome,
            Outcome::LicensePresumptionOfDenial
        );
    }
}

#[test]
fn before_the_first_rule_nothing_is_controlled() {
    let verdict = to_china(&h200(), "2022-08-01");
    assert_eq!(verdict.outcome, Outcome::NotControlled);
    assert!(verdict.trace[0].statement.starts_with("no rule in force"));
    assert!(verdict.rule_ids.is_empty());
}

#[test]
fn letters_bind_their_addressees_only() {
    let figures = [2368.0, 2.91, 4000.0, 1028.0];
    let of = |maker: Option<Maker>| ChipFacts {
        maker,
        ..chip("unnamed", figures, true)
    };
    let judged = |maker| to_china(&of(maker), "2025-05-01");
    let other = judged(Some(Maker::new("Qualcomm", country("US"))));
    assert_eq!(other.outcome, Outcome::NotControlled);
    assert_eq!(
        judged(Some(Maker::new("nvidia", country("US")))).outcome,
        Outcome::LetterLicenseRequired
    );
    let unknown = judged(None);
    assert_eq!(unknown.outcome, Outcome::Undetermined);
    assert_eq!(unknown.missing_facts, ["maker"]);
}

#[test]
fn one_format_decides_and_so_may_the_width_of_tf32() {
    let trainium = |tf32| ChipFacts {
        peaks: vec![
            (NumberFormat::Tf32, Fact::Known(tf32)),
            (NumberFormat::Bf16, Fact::Known(667.0)),
        ],
        dram_bandwidth_gb_s: Fact::Known(2900.0),
        datacenter: Fact::Known(true),
        maker: Some(maker("Trainium2")),
        ..ChipFacts::named("Trainium2")
    };
    let verdict = to_china(&trainium(667.0), "2026-02-01");
    assert_eq!(verdict.outcome, Outcome::LicensePresumptionOfDenial);
    assert_eq!(verdict.metrics.tpp_format, Some(NumberFormat::Tf32));
    assert!(
        verdict
            .open_conditions
            .iter()
            .any(|c| c.starts_with("tf32_width") && c.ends_with("license_case_by_case")),
        "{:?}",
        verdict.open_conditions
    );
    let slower = to_china(&trainium(300.0), "2026-02-01");
    assert!(
        slower
            .open_conditions
            .iter()
            .all(|c| !c.starts_with("tf32_width"))
    );
}

#[test]
fn every_version_of_the_reference_is_there_and_diffusion_never_binds() {
    let book = book();
    assert_eq!(book.rules().len(), 17);
    let diffusion = book.rule("diffusion-2025-01").unwrap();
    assert!(!diffusion.ever_binds());
    assert_eq!(diffusion.standing(day("2025-05-20")), Standing::NotEnforced);
    let h100 = chip("H100 SXM", [15832.0, 19.45, 3350.0, 1028.0], true);
    let verdict = book.check(&h100, &export("DE", "2025-05-12"));
    assert_eq!(verdict.outcome, Outcome::OutOfScopeDestination);
    assert!(
        verdict
            .trace
            .iter()
            .any(|step| step.rule == "diffusion-2025-01" && step.holds == Truth::False)
    );
    let affiliates = book.rule("affiliates-2025").unwrap();
    assert_eq!(affiliates.standing(day("2026-03-01")), Standing::Suspended);
    assert_eq!(affiliates.standing(day("2026-11-10")), Standing::InForce);
    let later = book.check(&h100, &export("CN", "2027-01-01"));
    assert!(
        later
            .open_conditions
            .iter()
            .any(|c| c.starts_with("later_changes"))
    );
}

#[test]
fn a_verdict_serializes_with_stable_keys() {
    let json = serde_json::to_value(to_china(&h200(), "2026-02-01")).unwrap();
    assert_eq!(json["outcome"], "license_case_by_case");
    assert_eq!(json["as_of"], "2026-02-01");
    assert_eq!(json["metrics"]["tpp"], 15832.0);
    for outcome in Outcome::ALL {
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.key());
    }
}
