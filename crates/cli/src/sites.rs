//! Options of training over several sites.

use chokepoint_engine::SitesOptions;
use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_engine::units::{Quantity, parse_quantity};
use clap::Args;

/// Options of training over several sites.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several sites")]
pub struct Sites {
    /// Sites over which chips and batch are split evenly; each holds whole replicas and a plan of
    /// its share of the chips.
    #[arg(long, value_name = "N")]
    pub sites: Option<u64>,
    /// What a site can send, and at the same time receive, as "100 Gb/s" or "12.5 GB/s".
    #[arg(long, value_name = "BANDWIDTH")]
    pub wan: Option<String>,
    /// Time to the next site and back, as "30 ms".
    #[arg(long, value_name = "TIME")]
    pub round_trip: Option<String>,
    /// Share of the backward pass, of the last micro-batch, under which the exchange of gradients
    /// runs [default: 0].
    #[arg(long, value_name = "SHARE")]
    pub wan_overlap: Option<f64>,
    /// Exchange parameters every H steps (DiLoCo) instead of gradients at every step.
    #[arg(long, value_name = "H")]
    pub local_steps: Option<u64>,
    /// Bits of an exchanged parameter [default: as --gradients; 32 for local steps].
    #[arg(long, value_name = "B")]
    pub exchange_bits: Option<u64>,
    /// Parts of the model that local steps exchange one after the other [default: 1].
    #[arg(long, value_name = "F")]
    pub fragments: Option<u64>,
    /// Steps during which the exchange of a fragment may run [default: 0: it is waited for].
    #[arg(long, value_name = "STEPS")]
    pub delay: Option<u64>,
}

impl Sites {
    /// What the engine is asked.
    ///
    /// # Errors
    /// When a quantity cannot be read.
    pub fn options(&self) -> Result<SitesOptions, Diagnostic> {
        Ok(SitesOptions {
            sites: self.sites,
            wan: quantity("--wan", self.wan.as_deref())?,
            round_trip: quantity("--round-trip", self.round_trip.as_deref())?,
            wan_overlap: self.wan_overlap,
            local_steps: self.local_steps,
            exchange_bits: self.exchange_bits,
            fragments: self.fragments,
            delay: self.delay,
        })
    }
}

fn quantity<T: Quantity>(option: &str, text: Option<&str>) -> Result<Option<T>, Diagnostic> {
    let read = |text: &str| {
        let value = parse_quantity(T::DIMENSION, text).map_err(|error| {
            let problem = Diagnostic::new(Code::Unit, error.to_string());
            problem.at(option, text, 0..text.len())
        })?;
        Ok(T::from_base(value))
    };
    text.map(read).transpose()
}
