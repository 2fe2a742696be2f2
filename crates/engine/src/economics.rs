//! Network, power, capital and cost of a number of chips of a system.

use chokepoint_catalog::PriceBook;
use chokepoint_chip::ChipSpec;
use chokepoint_cost::{Capital, HourlyCost, SystemPower, capital, hourly, system_power};
use chokepoint_fabric::FabricParts;
use chokepoint_units::{Power, SECONDS_PER_DAY, SECONDS_PER_HOUR};

use crate::equal::network_parts;
use crate::resolve::SystemParts;
use crate::row::Outcome;

/// What a number of chips needs and costs.
#[derive(Debug, Clone)]
pub(crate) struct Economics {
    /// Sites, each of as many chips with a network of its own.
    pub sites: u64,
    /// Chips of a site that are paid for.
    pub chips: u64,
    /// Scale-out network.
    pub network: FabricParts,
    /// Power.
    pub power: SystemPower,
    /// Purchase price, where the price book has one.
    pub capital: Option<Capital>,
}

impl Economics {
    /// Of a number of chips.
    pub(crate) fn of(parts: &SystemParts, prices: &PriceBook, chips: u64) -> Self {
        Self::of_sites(parts, prices, 1, chips)
    }

    /// Of a number of sites, each of a number of chips.
    pub(crate) fn of_sites(
        parts: &SystemParts,
        prices: &PriceBook,
        sites: u64,
        chips: u64,
    ) -> Self {
        let network = network_parts(parts, chips);
        Self {
            power: system_power(&parts.system, tdp(parts), &network, chips),
            capital: capital(prices, &parts.system, &network, chips).filter(|_| chips > 0),
            network,
            sites,
            chips,
        }
    }

    /// Mean IT power of a chip's share while a result runs on its chips and the others idle.
    fn average(&self, parts: &SystemParts, outcome: &Outcome) -> Power {
        let tdp = tdp(parts);
        let drawn = outcome.metrics.get("chip_power_watts");
        let drawn = drawn.copied().map_or(tdp, Power::new);
        let idle = parts.spec.as_ref().map_or(tdp, ChipSpec::idle);
        let used = outcome.chips_used as f64 / self.all_chips().max(1) as f64;
        drawn * used + idle * (1.0 - used) + self.power.host + self.power.network
    }

    /// Adds cost and energy to a result.
    pub(crate) fn add_to(&self, parts: &SystemParts, prices: &PriceBook, outcome: &mut Outcome) {
        let average = self.average(parts, outcome);
        let provisioned = self.power.provisioned;
        let cost = |capital: &Capital| hourly(prices, capital, self.chips, provisioned, average);
        outcome.hourly = self.capital.as_ref().map(cost);
        add_money_and_energy(outcome, self.all_chips(), average);
    }

    /// Chips of all sites.
    const fn all_chips(&self) -> u64 {
        self.chips * self.sites
    }
}

fn tdp(parts: &SystemParts) -> Power {
    let figure = parts.chip.tdp.as_ref();
    figure.map_or(Power::ZERO, |figure| figure.value)
}

/// Cost and energy of a unit of work, for all chips that are paid for.
fn add_money_and_energy(outcome: &mut Outcome, chips: u64, average: Power) {
    let kilowatts = average.get() * chips as f64 / 1e3;
    let hourly = outcome
        .hourly
        .map(|cost: HourlyCost| cost.total.get() * chips as f64);
    outcome
        .metrics
        .insert("power_watts", average.get() * chips as f64);
    if let Some(days) = outcome.metrics.get("run_days").copied() {
        let hours = days * SECONDS_PER_DAY / SECONDS_PER_HOUR;
        outcome
            .metrics
            .insert("energy_kilowatt_hours", kilowatts * hours);
        if let Some(hourly) = hourly {
            outcome.metrics.insert("usd_per_run", hourly * hours);
        }
        let seconds = outcome
            .metrics
            .get("tokens_per_second")
            .map(|rate| 1.0 / rate);
        if let (Some(hourly), Some(seconds)) = (hourly, seconds) {
            outcome.metrics.insert(
                "usd_per_million_tokens",
                hourly * seconds * 1e6 / SECONDS_PER_HOUR,
            );
        }
    } else if let Some(rate) = outcome.metrics.get("output_tokens_per_second").copied() {
        outcome
            .metrics
            .insert("joules_per_output_token", kilowatts * 1e3 / rate);
        if let Some(hourly) = hourly {
            outcome.metrics.insert(
                "usd_per_million_output_tokens",
                hourly / rate * 1e6 / SECONDS_PER_HOUR,
            );
        }
    }
}
