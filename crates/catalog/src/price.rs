//! A price book: named, dated prices and the terms of money.

use std::collections::BTreeMap;

use chokepoint_units::{Power, Usd};
use serde::Deserialize;

use crate::{Figure, FigureRow};

/// A price book file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceBook {
    /// Version of this schema.
    pub schema: u32,
    /// Lower-case id with hyphens; the file's name.
    pub id: String,
    /// Name.
    pub name: String,
    /// Date that the prices stand for.
    pub as_of: String,
    /// What a reader must know.
    #[serde(default)]
    pub note: Option<String>,
    /// Prices of systems by system id.
    pub systems: BTreeMap<String, SystemPrice>,
    /// Prices of scale-out networks by network id.
    pub networks: BTreeMap<String, NetworkPrice>,
    /// Storage and management for each chip.
    pub storage_per_chip: Figure<Usd>,
    /// Price of electricity, US dollars per kilowatt-hour.
    pub electricity_usd_per_kwh: Figure<f64>,
    /// Colocation rent, US dollars per kilowatt of critical power and month.
    pub colocation_usd_per_kw_month: Figure<f64>,
    /// Power usage effectiveness: facility power over IT power.
    pub pue: Figure<f64>,
    /// Cost of capital, a year.
    pub cost_of_capital: Figure<f64>,
    /// Economic life in years.
    pub life_years: Figure<f64>,
    /// Residual value at the end of life as a share of the purchase price.
    pub residual: Figure<f64>,
    /// Maintenance a year as a share of the purchase price.
    pub maintenance: Figure<f64>,
    /// People, US dollars a year for each MW of IT power.
    pub staff_usd_per_mw_year: Figure<f64>,
    /// Share of the hours of a year in which the cluster earns.
    pub utilisation: Figure<f64>,
}

/// Price of a system.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemPrice {
    /// Price of the unit that is sold.
    pub price: Figure<Usd>,
    /// Chips in the unit that is sold.
    pub chips: u64,
}

/// Price of a scale-out network for each endpoint, by tiers of switches.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPrice {
    /// One tier.
    pub one_tier_per_endpoint: Figure<Usd>,
    /// Two tiers.
    pub two_tier_per_endpoint: Figure<Usd>,
    /// Three tiers.
    pub three_tier_per_endpoint: Figure<Usd>,
    /// One optical module.
    pub module: Figure<Usd>,
    /// Power for each endpoint where the parts do not state theirs.
    #[serde(default)]
    pub power_per_endpoint: Option<Figure<Power>>,
}

impl PriceBook {
    /// Every figure of the price book, for printing with sources.
    #[must_use]
    pub fn figures(&self) -> Vec<FigureRow> {
        let mut rows: Vec<FigureRow> = self
            .systems
            .iter()
            .map(|(id, entry)| entry.price.row(format!("systems.{id}.price")))
            .collect();
        for (id, network) in &self.networks {
            rows.push(
                network
                    .one_tier_per_endpoint
                    .row(format!("networks.{id}.one_tier_per_endpoint")),
            );
            rows.push(
                network
                    .two_tier_per_endpoint
                    .row(format!("networks.{id}.two_tier_per_endpoint")),
            );
            rows.push(
                network
                    .three_tier_per_endpoint
                    .row(format!("networks.{id}.three_tier_per_endpoint")),
            );
            rows.push(network.module.row(format!("networks.{id}.module")));
            rows.extend(
                network
                    .power_per_endpoint
                    .iter()
                    .map(|f| f.row(format!("networks.{id}.power_per_endpoint"))),
            );
        }
        rows.push(self.storage_per_chip.row("storage_per_chip"));
        let rates = [
            ("electricity_usd_per_kwh", &self.electricity_usd_per_kwh),
            (
                "colocation_usd_per_kw_month",
                &self.colocation_usd_per_kw_month,
            ),
            ("pue", &self.pue),
            ("cost_of_capital", &self.cost_of_capital),
            ("life_years", &self.life_years),
            ("residual", &self.residual),
            ("maintenance", &self.maintenance),
            ("staff_usd_per_mw_year", &self.staff_usd_per_mw_year),
            ("utilisation", &self.utilisation),
        ];
        rows.extend(rates.into_iter().map(|(name, figure)| figure.row(name)));
        rows
    }
}
