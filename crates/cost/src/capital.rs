//! Purchase price of a number of chips with their network and storage.

use chokepoint_catalog::{PriceBook, System};
use chokepoint_fabric::FabricParts;
use chokepoint_units::Usd;
use serde::Serialize;

/// Purchase price, US dollars of the price book's date.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Capital {
    /// Servers or racks with their chips.
    pub systems: Usd,
    /// Scale-out network.
    pub network: Usd,
    /// Storage and management.
    pub storage: Usd,
    /// All of it.
    pub total: Usd,
    /// Value of the optical modules within `network`.
    pub optics: Usd,
    /// Relative half-width (80%) of the system price.
    pub spread: f64,
}

/// Purchase price of a scale-out network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NetworkCapital {
    /// All of it.
    pub total: Usd,
    /// The optical modules within it.
    pub optics: Usd,
}

/// Purchase price of a network by endpoint and tiers, which covers switches, links and modules of
/// all its tiers. Absent when the price book has none, or none for what is built: books price
/// trees without oversubscription.
#[must_use]
pub fn network_capital(
    book: &PriceBook,
    network: &str,
    parts: &FabricParts,
) -> Option<NetworkCapital> {
    let price = book.networks.get(network).filter(|_| parts.as_priced)?;
    let per_endpoint = match parts.tiers {
        0 => Usd::ZERO,
        1 => price.one_tier_per_endpoint.value,
        2 => price.two_tier_per_endpoint.value,
        _ => price.three_tier_per_endpoint.value,
    };
    Some(NetworkCapital {
        total: per_endpoint * parts.endpoints as f64,
        optics: price.module.value * parts.modules as f64,
    })
}

/// Purchase price of `chips` chips: the unit's price by the chip, the network, storage by the
/// chip. Absent when the price book has no price for the system, or none for a network of the shape
/// that is built.
///
/// `optics` repeats the modules, which are within the network, apart.
///
/// Limits: fractions of the unit that is sold are priced in proportion; a network without prices
/// costs nothing; no discounts by volume beyond the book's.
#[must_use]
pub fn capital(
    book: &PriceBook,
    system: &System,
    parts: &FabricParts,
    chips: u64,
) -> Option<Capital> {
    let entry = book.systems.get(&system.id)?;
    let count = chips as f64;
    let systems = entry.price.value * (count / entry.chips.max(1) as f64);
    let priced = network_capital(book, &system.scale_out.network, parts);
    if priced.is_none() && !parts.as_priced {
        return None;
    }
    let (network, optics) =
        priced.map_or((Usd::ZERO, Usd::ZERO), |price| (price.total, price.optics));
    let storage = book.storage_per_chip.value * count;
    Some(Capital {
        systems,
        network,
        storage,
        total: systems + network + storage,
        optics,
        spread: entry.price.relative_spread(),
    })
}
