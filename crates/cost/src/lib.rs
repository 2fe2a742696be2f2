//! Power, capital and running cost of a number of chips of a system; how they compute is unknown
//! here.
//!
//! Left out for now: duties, fees, subsidies, taxes, land, failures, delays and carbon.

mod capital;
mod hourly;
mod power;

pub use capital::{Capital, NetworkCapital, capital, network_capital};
pub use hourly::{HourlyCost, capital_recovery_factor, hourly};
pub use power::{SystemPower, system_power};
