//! Money and power: published owner costs, annuities, and what must always hold.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    reason = "helpers of tests fail the test and print its errors"
)]

#[path = "../../../tests/support/shared.rs"]
mod shared;

use std::sync::LazyLock;

use chokepoint_catalog::{Catalog, PriceBook, System};
use chokepoint_cost::{
    Capital, HourlyCost, capital, capital_recovery_factor, hourly, network_capital, system_power,
};
use chokepoint_fabric::{FabricParts, scale_out_parts};
use chokepoint_units::{Power, Usd};
use proptest::prelude::*;
use shared::catalog;

static CATALOG: LazyLock<Catalog> = LazyLock::new(catalog);

fn system(id: &str) -> &'static System {
    CATALOG.system(id).unwrap()
}

fn book() -> PriceBook {
    CATALOG.price_book("volume-2025").unwrap().clone()
}

fn parts(system: &System, chips: u64) -> FabricParts {
    let network = CATALOG.network(&system.scale_out.network).unwrap();
    scale_out_parts(system, network, chips)
}

fn near(what: &str, value: f64, expected: f64, tolerance: f64) {
    assert!(
        (value / expected - 1.0).abs() <= tolerance,
        "{what}: {value} instead of {expected}"
    );
}

const CHIPS: u64 = 1024;

/// Owner cost of one chip-hour as InferenceX defines it (tco reference, section 8.1): rent is charged
/// on critical power = utility power / 1.25, electricity on 0.8 of utility power. The catalogue's
/// `provisioned_per_chip` is the utility power, so the IT power to provision is that / 1.25, and the
/// average IT power is 0.8 of it, which times the book's PUE of 1.25 is 0.8 of utility power again.
fn owner(book: &PriceBook, id: &str) -> HourlyCost {
    let system = system(id);
    let utility = system.power.provisioned_per_chip.as_ref().unwrap().value;
    let provisioned = utility / book.pue.value;
    let average = provisioned * 0.8;
    let bought = capital(book, system, &parts(system, CHIPS), CHIPS).unwrap();
    hourly(book, &bought, CHIPS, provisioned, average)
}

#[test]
fn published_owner_costs() {
    let book = book();
    near("PUE", book.pue.value, 1.25, 1e-12);
    let mut errors = Vec::new();
    for (id, published) in [
        ("hgx-h100", 1.30),
        ("hgx-h200", 1.41),
        ("hgx-b200", 1.95),
        ("gb200-nvl72", 2.21),
        ("mi300x-8", 1.12),
        ("mi325x-8", 1.28),
        ("mi355x-8", 1.48),
    ] {
        let cost = owner(&book, id).total.get();
        println!(
            "{id:12} {cost:.3} USD/h, published {published}, {:+.1}%",
            (cost / published - 1.0) * 100.0
        );
        near(id, cost, published, 0.10);
        errors.push(cost / published - 1.0);
    }
    let bias = errors.iter().sum::<f64>() / errors.len() as f64;
    assert!(bias.abs() < 0.05, "{bias}");
    // Ratios do not hang on the terms: GB200 over H100 is 1.70.
    let ratio = owner(&book, "gb200-nvl72").total / owner(&book, "hgx-h100").total;
    near("GB200 over H100", ratio, 1.70, 0.07);
}

/// Capital is about 80% of an owner's hour, rent 13%, electricity 5 to 7% (tco reference, section 0).
#[test]
fn shares_of_an_hour() {
    let book = book();
    for id in ["hgx-h100", "hgx-h200", "hgx-b200", "gb200-nvl72"] {
        let cost = owner(&book, id);
        let share = |part: chokepoint_units::UsdPerHour| part / cost.total;
        assert!(
            (0.74..0.88).contains(&share(cost.capital)),
            "{id}: {cost:?}"
        );
        assert!(
            (0.09..0.17).contains(&share(cost.colocation)),
            "{id}: {cost:?}"
        );
        assert!(
            (0.04..0.09).contains(&share(cost.electricity)),
            "{id}: {cost:?}"
        );
        assert!(
            cost.maintenance.get() <= 0.0 && cost.staff.get() <= 0.0,
            "{id}: not in this book"
        );
    }
}

/// Changes of the H200 hour that the reference works out (tco reference, section 8.2).
#[test]
fn sensitivities_of_an_h200_hour() {
    type Change = fn(&mut PriceBook);
    let base = owner(&book(), "hgx-h200").total;
    let changes: [(&str, Change, f64); 10] = [
        ("life 3", |b| b.life_years.value = 3.0, 0.22),
        ("life 6", |b| b.life_years.value = 6.0, -0.22),
        (
            "free power",
            |b| b.electricity_usd_per_kwh.value = 0.0,
            -0.07,
        ),
        (
            "double power",
            |b| b.electricity_usd_per_kwh.value = 0.14,
            0.07,
        ),
        (
            "rent 150",
            |b| b.colocation_usd_per_kw_month.value = 150.0,
            0.07,
        ),
        (
            "rent 200",
            |b| b.colocation_usd_per_kw_month.value = 200.0,
            0.13,
        ),
        ("interest 5.5%", |b| b.cost_of_capital.value = 0.055, -0.06),
        ("interest 13%", |b| b.cost_of_capital.value = 0.13, 0.07),
        ("residual 30%", |b| b.residual.value = 0.3, -0.17),
        // Idle hours draw no power here: 43% of all but the electricity.
        (
            "utilisation 0.7",
            |b| b.utilisation.value = 0.7,
            0.43 * 0.93,
        ),
    ];
    for (what, change, expected) in changes {
        let mut book = book();
        change(&mut book);
        let effect = owner(&book, "hgx-h200").total / base - 1.0;
        assert!(
            (effect - expected).abs() < 0.015,
            "{what}: {effect:+.3} instead of {expected:+.3}"
        );
    }
}

/// A purchase by hand: 1,024 H100 in 128 servers of 190,000, two tiers of NDR at 4,248 for each of
/// 1,024 ports, 700 of storage.
#[test]
fn a_purchase_by_hand() {
    let bought = capital(
        &book(),
        system("hgx-h100"),
        &parts(system("hgx-h100"), 1024),
        1024,
    )
    .unwrap();
    let expected = Capital {
        systems: Usd::new(128.0 * 190e3),
        network: Usd::new(1024.0 * 4248.0),
        storage: Usd::new(1024.0 * 700.0),
        total: Usd::new(128.0 * 190e3 + 1024.0 * 4948.0),
        // 2,048 links, two ends each, two ends a module.
        optics: Usd::new(2048.0 * 1250.0),
        spread: (250.0 - 180.0) / (2.0 * 190.0),
    };
    assert_eq!(bought, expected);
    let mut unknown = system("hgx-h100").clone();
    unknown.id = "nobody-sells-it".to_owned();
    assert_eq!(
        capital(&book(), &unknown, &parts(&unknown, 8), 8),
        None,
        "no price is not free"
    );
}

/// An hour by hand: 1 million for 100 chips, 10% for 2 years with 20% left, 1 kW each.
#[test]
fn an_hour_by_hand() {
    let mut book = book();
    book.cost_of_capital.value = 0.10;
    book.life_years.value = 2.0;
    book.residual.value = 0.20;
    book.maintenance.value = 0.05;
    book.staff_usd_per_mw_year.value = 50_000.0;
    book.utilisation.value = 0.5;
    let bought = Capital {
        systems: Usd::new(1e6),
        network: Usd::ZERO,
        storage: Usd::ZERO,
        total: Usd::new(1e6),
        optics: Usd::ZERO,
        spread: 0.0,
    };
    let cost = hourly(&book, &bought, 100, Power::new(1000.0), Power::new(600.0));
    // 10,000 less 2,000 / 1.21 = 8,347.1; 1/1.1 + 1/1.21 = 1.735537; 4,809.5 a year; 4,383 hours.
    near("capital", cost.capital.get(), 4809.5238 / 4383.0, 1e-6);
    near("rent", cost.colocation.get(), 1200.0 / 4383.0, 1e-12);
    near(
        "electricity",
        cost.electricity.get(),
        0.6 * 1.25 * 0.07,
        1e-12,
    );
    near("maintenance", cost.maintenance.get(), 500.0 / 4383.0, 1e-12);
    near("people", cost.staff.get(), 50.0 / 4383.0, 1e-12);
}

/// The price of a port rises with the tiers that it needs.
#[test]
fn tiers_set_the_price_of_the_network() {
    let (book, h100) = (book(), system("hgx-h100"));
    let by_port = |chips| {
        let bought = capital(&book, h100, &parts(h100, chips), chips).unwrap();
        bought.network.get() / chips as f64
    };
    near("64", by_port(64), 1882.0, 1e-12);
    near("2,048", by_port(2048), 4248.0, 1e-12);
    near("2,049", by_port(2049), 6612.0, 1e-12);
    let none = parts(h100, 1);
    assert!(
        capital(&book, h100, &none, 1).unwrap().network <= Usd::ZERO,
        "nothing to join"
    );
    for (id, entry) in &CATALOG.prices {
        for (name, price) in &entry.value.networks {
            let tiers = [
                price.one_tier_per_endpoint.value,
                price.two_tier_per_endpoint.value,
                price.three_tier_per_endpoint.value,
            ];
            assert!(
                tiers[0] < tiers[1] && tiers[1] < tiers[2],
                "{id} {name}: {tiers:?}"
            );
        }
    }
}

/// Modules are a part of what a network costs.
#[test]
fn optics_are_within_the_network() {
    for (id, entry) in &CATALOG.prices {
        for (name, system) in &CATALOG.systems {
            let system = &system.value;
            for chips in [256, 2048, 32_768].map(|chips| chips.max(2 * system.domain.chips)) {
                let bought = capital(&entry.value, system, &parts(system, chips), chips).unwrap();
                let share = bought.optics.get() / bought.network.get();
                assert!((0.0..=1.0).contains(&share), "{id} {name} {chips}: {share}");
            }
        }
    }
}

/// Books price trees without oversubscription: the price of another network is unknown, not that
/// of a tree and not nothing.
#[test]
fn other_networks_have_no_price() {
    let (book, h100) = (book(), system("hgx-h100"));
    let tree = parts(h100, 2048);
    let priced = network_capital(&book, "ib-ndr-400g", &tree).unwrap();
    near("two tiers", priced.total.get(), 2048.0 * 4248.0, 1e-12);
    near("modules", priced.optics.get(), 4096.0 * 1250.0, 1e-12);
    assert_eq!(network_capital(&book, "no-such", &tree), None);
    let other = FabricParts {
        as_priced: false,
        ..tree
    };
    assert_eq!(network_capital(&book, "ib-ndr-400g", &other), None);
    assert_eq!(capital(&book, h100, &other, 2048), None);
}

fn no_network() -> FabricParts {
    parts(system("hgx-h100"), 1)
}

/// Nodes by the wall power of MLPerf logs under load (hardware reference, section 5.4): design power
/// of the chips, or their cap, and the host.
#[test]
fn nodes_as_measured() {
    for (id, watts, measured) in [
        ("hgx-h100", 700.0, 7950.0),    // air, training
        ("hgx-h100", 700.0, 6850.0),    // immersion, training
        ("hgx-h200", 500.0, 6150.0),    // capped, offline inference
        ("hgx-h200", 500.0, 6280.0),    // capped, server inference
        ("hgx-b200", 1000.0, 10_400.0), // air, inference
        ("hgx-b200", 1000.0, 9890.0),   // water, inference
        ("hgx-b200", 1000.0, 9570.0),   // water, training
        ("hgx-b200", 1000.0, 10_040.0), // water, training
    ] {
        let power = system_power(system(id), Power::new(watts), &no_network(), 8);
        assert!(!power.host_unknown);
        near(id, power.provisioned.get() * 8.0, measured, 0.15);
    }
}

#[test]
fn ratings_of_whole_systems() {
    let tdp = |id: &str| {
        let chip = CATALOG.chip(&system(id).chip).unwrap();
        chip.tdp.as_ref().unwrap().value
    };
    let power = |id: &str| system_power(system(id), tdp(id), &no_network(), 1);
    near(
        "NVL72, 132 kW",
        power("gb200-nvl72").provisioned.get() * 72.0,
        132e3,
        1e-9,
    );
    near(
        "CloudMatrix, 559 kW",
        power("cloudmatrix384").provisioned.get() * 384.0,
        559e3,
        1e-9,
    );
    // A rack of 4 loose nodes is rated too, but larger than a domain: its rating does not count.
    near(
        "HGX H100",
        power("hgx-h100").provisioned.get(),
        700.0 + 2150.0 / 8.0,
        1e-9,
    );
    // The host is what the rating leaves above the chips.
    near(
        "host",
        power("gb200-nvl72").host.get(),
        132e3 / 72.0 - 1200.0,
        1e-9,
    );
    let mut bare = system("hgx-h100").clone();
    bare.power.host = None;
    bare.power.rack_rated = None;
    let unknown = system_power(&bare, Power::new(700.0), &no_network(), 1);
    assert!(unknown.host_unknown && unknown.host <= Power::ZERO);
}

/// Switches and modules are shared by the chips: 96 switches of 691 W and 4,096 modules of 17 W on
/// 2,048 chips.
#[test]
fn the_network_draws_its_share() {
    let h100 = system("hgx-h100");
    let power = system_power(h100, Power::new(700.0), &parts(h100, 2048), 2048);
    near(
        "network",
        power.network.get(),
        (96.0 * 691.0 + 4096.0 * 17.0) / 2048.0,
        1e-9,
    );
    let sum = power.chip + power.host + power.network;
    near("sum", power.provisioned.get(), sum.get(), 1e-12);
    let mut silent = parts(h100, 2048);
    silent.power = None;
    let quiet = system_power(h100, Power::new(700.0), &silent, 2048);
    assert!(quiet.network <= Power::ZERO);
}

/// One price or term of a book, by number, times a factor; the sign of its effect on an hour.
fn change(book: &mut PriceBook, id: &str, which: usize, factor: f64) -> f64 {
    let network = system(id).scale_out.network.clone();
    match which {
        0 => {
            let price = &mut book.systems.get_mut(id).unwrap().price.value;
            *price = *price * factor;
        }
        1 => {
            let prices = book.networks.get_mut(&network).unwrap();
            for figure in [
                &mut prices.one_tier_per_endpoint,
                &mut prices.two_tier_per_endpoint,
                &mut prices.three_tier_per_endpoint,
            ] {
                figure.value = figure.value * factor;
            }
        }
        2 => book.storage_per_chip.value = book.storage_per_chip.value * factor,
        3 => book.electricity_usd_per_kwh.value *= factor,
        4 => book.colocation_usd_per_kw_month.value *= factor,
        5 => book.pue.value *= factor,
        6 => book.maintenance.value *= factor,
        7 => book.staff_usd_per_mw_year.value *= factor,
        8 => book.cost_of_capital.value *= factor,
        9 => book.life_years.value /= factor,
        10 => book.utilisation.value /= factor,
        _ => {
            book.residual.value = (book.residual.value * factor).min(1.0);
            return -1.0;
        }
    }
    1.0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// No price and no term makes an hour cheaper by rising, and shares sum to the total.
    #[test]
    fn dearer_is_never_cheaper(
        book in 0..CATALOG.prices.len(), system in 0..CATALOG.systems.len(), which in 0_usize..12,
        factor in 1.0..3.0_f64, chips in 1_u64..50_000, watts in 100.0..3000.0_f64, used in 0.3..1.0_f64,
    ) {
        let base = CATALOG.prices.values().nth(book).unwrap().value.clone();
        let (id, entry) = CATALOG.systems.iter().nth(system).unwrap();
        let network = parts(&entry.value, chips);
        let cost = |book: &PriceBook| {
            let bought = capital(book, &entry.value, &network, chips).unwrap();
            let sum = bought.systems + bought.network + bought.storage;
            assert!((sum.get() / bought.total.get() - 1.0).abs() < 1e-12);
            let cost = hourly(book, &bought, chips, Power::new(watts), Power::new(watts * used));
            let sum = cost.capital + cost.colocation + cost.electricity + cost.maintenance + cost.staff;
            assert!((sum.get() / cost.total.get() - 1.0).abs() < 1e-12);
            cost.total.get()
        };
        let mut dearer = base.clone();
        let sign = change(&mut dearer, id, which, factor);
        let (before, after) = (cost(&base), cost(&dearer));
        prop_assert!(before > 0.0 && before.is_finite());
        prop_assert!(sign * (after - before) >= -1e-12 * before, "{which}: {before} {after}");
    }

    /// An annuity pays back the loan: what is still owed after n payments is nothing.
    #[test]
    fn annuities_pay_back(rate in 0.0..0.5_f64, years in 1_u32..30) {
        let payment = capital_recovery_factor(rate, f64::from(years));
        let owed = (0..years).fold(1.0, |owed, _| owed * (1.0 + rate) - payment);
        let scale = (0..years).fold(1.0, |scale, _| scale * (1.0 + rate));
        prop_assert!(owed.abs() < 1e-9 * scale, "{owed}");
    }

    /// Towards no interest it runs into the straight line, however small the rate.
    #[test]
    fn small_rates_run_into_the_straight_line(exponent in -300.0..-6.0_f64, years in 1.0..30.0_f64) {
        let rate = libm::pow(10.0, exponent);
        let factor = capital_recovery_factor(rate, years);
        prop_assert!((factor * years - 1.0).abs() < rate * years + 1e-12, "{rate} {factor}");
        prop_assert!((capital_recovery_factor(0.0, years) * years - 1.0).abs() < 1e-15);
    }
}
