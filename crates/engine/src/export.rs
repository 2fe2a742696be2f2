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
        .map(|(format, figure)| (*format, fact(figure, 1e-12)))
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
            .map_or(Fact::Unknown, |f| fact(f, 1e-9)),
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

/// A figure in another unit, as a range where the catalogue gives one.
fn fact<T: Quantity>(figure: &Figure<T>, factor: f64) -> Fact<f64> {
    match (figure.low, figure.high) {
        (Some(low), Some(high)) => Fact::from_bounds(low.base() * factor, high.base() * factor),
        _ => Fact::Known(figure.value.base() * factor),
    }
}

/// All external links, both directions summed, GB/s: scale-up and host.
fn io_both_ways(chip: &Chip) -> Fact<f64> {
    let scale_up = chip.scale_up.as_ref().map(|link| link.bandwidth.as_ref());
    let host = chip.host.as_ref().and_then(|link| link.bandwidth.as_ref());
    match (scale_up, host) {
        (Some(Some(link)), Some(host)) if link.value != host.value => {
            Fact::Known(2e-9 * (link.value.get() + host.value.get()))
        }
        (_, Some(host)) => Fact::Known(2e-9 * host.value.get()),
        (Some(Some(link)), None) => Fact::Known(2e-9 * link.value.get()),
        _ => Fact::Unknown,
    }
}
