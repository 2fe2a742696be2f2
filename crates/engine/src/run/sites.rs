//! What is asked of training over several sites.

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_train::Wan;
use chokepoint_units::{Bandwidth, NumberFormat, Seconds};

use super::RunRequest;
use super::link::{Link, Local};
use crate::limits;

/// Bits of an outer gradient where nothing is said (`DiLoCo`: FP32), and the most of an exchanged
/// parameter.
const BITS: u64 = 32;

/// What is asked of training over several sites, as options; none for a single site.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SitesOptions {
    /// Sites over which chips and batch are split evenly.
    pub sites: Option<u64>,
    /// What one site can send, and at the same time receive.
    pub wan: Option<Bandwidth>,
    /// Time to the neighbouring site and back.
    pub round_trip: Option<Seconds>,
    /// Share of the backward pass under which a synchronous exchange runs.
    pub wan_overlap: Option<f64>,
    /// Steps between two exchanges of parameters, instead of gradients at every step.
    pub local_steps: Option<u64>,
    /// Bits of an exchanged parameter.
    pub exchange_bits: Option<u64>,
    /// Parts of the model that are exchanged one after the other.
    pub fragments: Option<u64>,
    /// Steps during which the exchange of a fragment may run.
    pub delay: Option<u64>,
}

impl SitesOptions {
    /// What joins the sites of a request whose gradients have a format; nothing for a single site.
    ///
    /// # Errors
    /// The option that is missing, contradicts another or cannot be.
    pub(super) fn link(
        &self,
        request: &RunRequest,
        gradients: NumberFormat,
    ) -> Result<Option<Link>, Diagnostic> {
        self.lacking()?;
        self.ranges()?;
        let sites = self.sites.unwrap_or(1);
        let local = self.local()?;
        if sites == 1 {
            return Ok(None);
        }
        divides("--chips", request.chips, sites)?;
        divides("--batch", request.batch, sites)?;
        let several = |option, example| {
            let problem = missing(&format!("--sites {sites}"), option);
            problem.help(format!("add {option} {example}"))
        };
        let bandwidth = self
            .wan
            .ok_or_else(|| several("--wan", "\"100 Gb/s\": what a site sends, in one direction"))?;
        let round_trip = self
            .round_trip
            .ok_or_else(|| several("--round-trip", "\"30 ms\": to the next site and back"))?;
        if let Some(target) = request.target {
            let message = format!(
                "arguments of {} are written for one site, not {sites}",
                target.name()
            );
            let help = "leave out --emit or --sites";
            return Err(Diagnostic::new(Code::Usage, message).help(help));
        }
        Ok(Some(Link {
            wan: Wan {
                sites,
                bandwidth,
                round_trip,
            },
            bits: self.exchange_bits.unwrap_or_else(|| match local {
                Some(_) => BITS,
                None => u64::from(gradients.bits()),
            }),
            overlap: self.wan_overlap.unwrap_or(0.0),
            local,
            extra_tokens: request.extra_tokens,
        }))
    }

    /// Options that need another one.
    fn lacking(&self) -> Result<(), Diagnostic> {
        let of_sites = [
            ("--wan", self.wan.is_some()),
            ("--round-trip", self.round_trip.is_some()),
            ("--wan-overlap", self.wan_overlap.is_some()),
            ("--local-steps", self.local_steps.is_some()),
            ("--exchange-bits", self.exchange_bits.is_some()),
            ("--fragments", self.fragments.is_some()),
            ("--delay", self.delay.is_some()),
        ];
        let given = of_sites.into_iter().find(|(_, given)| *given);
        if let (None, Some((option, _))) = (self.sites, given) {
            let help = "add --sites 2, or however many sites there are";
            return Err(missing(option, "--sites").help(help));
        }
        let streamed = &of_sites[5..];
        let given = streamed.iter().find(|(_, given)| *given);
        if let (None, Some((option, _))) = (self.local_steps, given) {
            let help = "add --local-steps 100, or however many steps lie between two exchanges";
            return Err(missing(option, "--local-steps").help(help));
        }
        Ok(())
    }

    /// Numbers that cannot be.
    fn ranges(&self) -> Result<(), Diagnostic> {
        let count = |option, value: Option<u64>| value.and_then(|n| limits::count(option, n));
        let wrong = [
            count("--sites", self.sites),
            count("--local-steps", self.local_steps),
            count("--fragments", self.fragments),
            self.wan
                .and_then(|rate| limits::positive("--wan", rate.get())),
            self.exchange_bits
                .filter(|bits| !(1..=BITS).contains(bits))
                .map(|bits| {
                    let what = format!("must lie between 1 and {BITS}, found {bits}");
                    ("--exchange-bits", what)
                }),
            self.wan_overlap
                .and_then(|overlap| limits::share("--wan-overlap", overlap)),
        ];
        match wrong.into_iter().flatten().next() {
            Some((option, what)) => Err(Diagnostic::new(Code::Value, format!("{option} {what}"))),
            None => Ok(()),
        }
    }

    fn local(&self) -> Result<Option<Local>, Diagnostic> {
        let Some(inner_steps) = self.local_steps else {
            return Ok(None);
        };
        let local = Local {
            inner_steps,
            fragments: self.fragments.unwrap_or(1),
            delay: self.delay.unwrap_or(0),
        };
        // A fragment is exchanged before the next: the library's rule, in the words of options.
        let room = local.fragments.saturating_mul(local.delay.max(1));
        if room > inner_steps {
            let message = format!(
                "--fragments {} and --delay {} need {room} steps between two exchanges, \
                 --local-steps gives {inner_steps}",
                local.fragments, local.delay
            );
            let help = format!(
                "--local-steps must be at least {room}: fragments x delay, a delay of 0 as 1"
            );
            return Err(Diagnostic::new(Code::Value, message).help(help));
        }
        Ok(Some(local))
    }
}

fn missing(given: &str, option: &str) -> Diagnostic {
    Diagnostic::new(Code::Usage, format!("{given} needs {option}"))
}

fn divides(option: &str, value: u64, sites: u64) -> Result<(), Diagnostic> {
    if value.is_multiple_of(sites) {
        return Ok(());
    }
    let message = format!("{option} {value} cannot be split evenly over --sites {sites}");
    let (less, more) = (value / sites * sites, value.div_ceil(sites) * sites);
    let help = if less == 0 {
        format!("write {option} {more}")
    } else {
        format!("write {option} {less} or {option} {more}")
    };
    Err(Diagnostic::new(Code::Value, message).help(help))
}
