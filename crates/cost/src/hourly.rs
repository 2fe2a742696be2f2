//! Cost of a chip for an hour: capital recovery, rent, electricity, maintenance, people.

use chokepoint_catalog::PriceBook;
use chokepoint_units::{HOURS_PER_YEAR, Power, Usd, UsdPerHour};
use serde::Serialize;

use crate::Capital;

/// Cost of one chip for one earning hour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct HourlyCost {
    /// Capital recovery.
    pub capital: UsdPerHour,
    /// Rent of space and critical power.
    pub colocation: UsdPerHour,
    /// Electricity.
    pub electricity: UsdPerHour,
    /// Maintenance.
    pub maintenance: UsdPerHour,
    /// People.
    pub staff: UsdPerHour,
    /// All of it.
    pub total: UsdPerHour,
}

/// Share of a loan paid each year (annuity): r / (1 - (1 + r)^-n), and 1/n without interest. Written
/// with expm1 and log1p, so that it runs into 1/n without loss as r goes to nothing.
#[must_use]
pub fn capital_recovery_factor(rate: f64, years: f64) -> f64 {
    if rate <= 0.0 {
        1.0 / years
    } else {
        rate / -libm::expm1(-years * libm::log1p(rate))
    }
}

/// Cost of one chip-hour.
///
/// Annual capital = (C - R (1+r)^-n) CRF(r, n) with residual R after n years (the annuity of
/// textbooks; Epoch AI and InferenceX use the same); rent on provisioned IT power; maintenance by
/// purchase price; people by IT power: each over the earning hours of a year, 8,766 times the
/// utilisation. Electricity of an earning hour: average IT power times PUE. `provisioned` and
/// `average` are of one chip.
///
/// Limits: hours that earn nothing draw no power here; one life for chips, network and storage; no
/// taxes, duties or failures. With the published utility power of seven chips it meets the owner
/// cost of InferenceX within 10% (`tests/laws.rs`).
#[must_use]
pub fn hourly(
    book: &PriceBook,
    capital: &Capital,
    chips: u64,
    provisioned: Power,
    average: Power,
) -> HourlyCost {
    let count = chips.max(1) as f64;
    let per_chip = capital.total / count;
    let (rate, years) = (book.cost_of_capital.value, book.life_years.value);
    let residual = per_chip * (book.residual.value * libm::pow(1.0 + rate, -years));
    let kilowatts = provisioned.get() / 1e3;
    let earning = HOURS_PER_YEAR * book.utilisation.value;
    let by_year = |annual: Usd| UsdPerHour::new(annual.get() / earning);
    let capital_hour = by_year((per_chip - residual) * capital_recovery_factor(rate, years));
    let colocation = by_year(Usd::new(
        12.0 * book.colocation_usd_per_kw_month.value * kilowatts,
    ));
    let electricity =
        UsdPerHour::new(average.get() / 1e3 * book.pue.value * book.electricity_usd_per_kwh.value);
    let maintenance = by_year(per_chip * book.maintenance.value);
    let staff = by_year(Usd::new(book.staff_usd_per_mw_year.value * kilowatts / 1e3));
    HourlyCost {
        capital: capital_hour,
        colocation,
        electricity,
        maintenance,
        staff,
        total: capital_hour + colocation + electricity + maintenance + staff,
    }
}

#[cfg(test)]
mod tests {
    use super::capital_recovery_factor;

    /// Standard annuity values quoted in `tco.md` section 1.
    #[test]
    fn annuities() {
        for (rate, years, expected) in [
            (0.09, 4.0, 0.309),
            (0.13, 4.0, 0.336),
            (0.055, 4.0, 0.285),
            (0.08, 5.0, 0.2505),
            (0.08, 14.0, 0.121),
        ] {
            assert!((capital_recovery_factor(rate, years) - expected).abs() < 6e-4);
        }
        assert!((capital_recovery_factor(0.0, 4.0) - 0.25).abs() < 1e-15);
    }
}
