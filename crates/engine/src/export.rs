//! From a chip of the catalogue to the facts that export rules ask for.

use chokepoint_catalog::{Chip, Figure, Maker};
use chokepoint_rules::{ChipFacts, Country, Fact, Maker as RuleMaker, StatedMetrics};
use chokepoint_units::Quantity;

/// The facts of a chip. Ranges of the catalogue stay ranges; what it does not state is unknown.
#[must_use]
pub fn facts(chip: &Chip) -> ChipFacts {
    let area = chip.die.applicable_area.as_ref().or(chip.die.area.as_ref());
    let area = area.map_or(Fact::Unknown, |figure| fact(figure, 1.0));
    let peaks = chip
        .peak
        .iter()
        .map(|(format, figure)| (*format, fact(figure, 1e12)))
        .collect();
    let stated = match (chip.export.tpp_low, chip.export.tpp_high) {
        (Some(low), Some(high)) => {
            let tpp = Fact::from_bounds(low, high);
            Some(StatedMetrics {
                tpp,
                performance_density: tpp.over(area),
            })
        }
        _ => None,
    };
    let headquarters = match chip.export.maker {
        Maker::Us => "US",
        Maker::China => "CN",
    };
    ChipFacts {
        peaks,
        applicable_area_mm2: area,
        dram_bandwidth_gb_s: chip
            .memory
            .bandwidth
            .as_ref()
            .map_or(Fact::Unknown, |f| fact(f, 1e9)),
        io_both_ways_gb_s: io_both_ways(chip),
        datacenter: Fact::Known(chip.export.datacenter),
        maker: Country::parse(headquarters)
            .ok()
            .map(|country| RuleMaker::new(chip.vendor.clone(), country)),
        us_commercial_on_2026_01_15: Fact::from_option(chip.export.us_sale_2026_01_15),
        stated,
        ..ChipFacts::named(chip.id.clone())
    }
}

/// A figure over a unit, as a range where the catalogue gives one.
fn fact<T: Quantity>(figure: &Figure<T>, unit: f64) -> Fact<f64> {
    match (figure.low, figure.high) {
        (Some(low), Some(high)) => Fact::from_bounds(low.base() / unit, high.base() / unit),
        _ => Fact::Known(figure.value.base() / unit),
    }
}

/// All external links, both directions summed, GB/s: scale-up and host.
fn io_both_ways(chip: &Chip) -> Fact<f64> {
    let scale_up = chip.scale_up.as_ref().map(|link| link.bandwidth.as_ref());
    let host = chip.host.as_ref().and_then(|link| link.bandwidth.as_ref());
    match (scale_up, host) {
        (Some(Some(link)), Some(host)) if link.value != host.value => {
            Fact::Known(2.0 * (link.value.get() + host.value.get()) / 1e9)
        }
        (_, Some(host)) => Fact::Known(2.0 * host.value.get() / 1e9),
        (Some(Some(link)), None) => Fact::Known(2.0 * link.value.get() / 1e9),
        _ => Fact::Unknown,
    }
}
