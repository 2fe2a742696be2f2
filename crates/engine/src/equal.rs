//! How many chips a system gets when something else than the number of chips is held equal.

use chokepoint_catalog::PriceBook;
use chokepoint_cost::{capital, system_power};
use chokepoint_fabric::{FabricParts, scale_out_parts};
use chokepoint_units::{Power, Usd};

use crate::resolve::SystemParts;
use crate::row::Statement;

/// Most chips of one system that a comparison considers.
pub(crate) const MOST_CHIPS: u64 = 1 << 20;

/// The scale-out network of a number of chips; a cluster that is one domain needs none.
pub(crate) fn network_parts(parts: &SystemParts, chips: u64) -> FabricParts {
    scale_out_parts(&parts.system, &parts.network, chips)
}

/// Provisioned power of a number of chips.
pub(crate) fn provisioned(parts: &SystemParts, chips: u64) -> Power {
    let tdp = parts
        .chip
        .tdp
        .as_ref()
        .map_or(Power::ZERO, |figure| figure.value);
    system_power(&parts.system, tdp, &network_parts(parts, chips), chips).provisioned * chips as f64
}

/// Chips of the smallest unit that is sold: that of the price book, else a node.
pub(crate) fn sale_unit(parts: &SystemParts, prices: &PriceBook) -> u64 {
    prices
        .systems
        .get(&parts.system.id)
        .map_or(parts.system.node.chips, |entry| entry.chips)
        .max(1)
}

/// The most whole units, in chips, whose power stays within a limit.
pub(crate) fn chips_for_power(parts: &SystemParts, prices: &PriceBook, limit: Power) -> u64 {
    largest(sale_unit(parts, prices), |chips| {
        provisioned(parts, chips) <= limit
    })
}

/// The most whole units, in chips, whose purchase price stays within a limit.
///
/// # Errors
/// When the price book has no price for the system.
pub(crate) fn chips_for_budget(
    parts: &SystemParts,
    prices: &PriceBook,
    limit: Usd,
) -> Result<u64, Statement> {
    let price = |chips| {
        capital(prices, &parts.system, &network_parts(parts, chips), chips).map(|cost| cost.total)
    };
    if price(parts.system.node.chips).is_none() {
        return Err(Statement::new("no-price", [("book", prices.id.clone())]));
    }
    Ok(largest(sale_unit(parts, prices), |chips| {
        price(chips).is_some_and(|cost| cost <= limit)
    }))
}

/// The largest multiple of a unit that satisfies a condition which larger ones lose; 0 when none
/// does.
fn largest(unit: u64, fits: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, MOST_CHIPS / unit.max(1));
    while low < high {
        let middle = high - (high - low) / 2;
        if fits(middle * unit) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low * unit
}

/// The smallest multiple of a unit up to a limit that satisfies a condition which smaller ones lose,
/// to within one part in sixteen of itself where it is larger than sixteen units; absent when none
/// does, or when the limit is below the unit.
pub(crate) fn smallest<T>(
    unit: u64,
    start: u64,
    limit: u64,
    mut meets: impl FnMut(u64) -> Option<T>,
) -> Option<(u64, T)> {
    let unit = unit.max(1);
    let most = limit / unit;
    if most == 0 {
        return None;
    }
    let (mut failed, mut next) = (0, (start / unit).clamp(1, most));
    let mut found = loop {
        match meets(next * unit) {
            Some(result) => break (next, result),
            None if next >= most => return None,
            None => {
                failed = next;
                next = (next * 2).min(most);
            }
        }
    };
    while found.0 - failed > 1 + found.0 / 16 {
        let middle = failed + (found.0 - failed) / 2;
        match meets(middle * unit) {
            Some(result) => found = (middle, result),
            None => failed = middle,
        }
    }
    Some((found.0 * unit, found.1))
}
