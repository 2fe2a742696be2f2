//! Keys and values on their way from prefill to decoding instances.

use chokepoint_diag::Diagnostic;

use super::{Observer, Sim, Timer};
use crate::request::{Phase, Request};
use crate::time::Femtos;

/// The way out of an instance: one transfer after the other.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Link {
    /// Taken until then.
    busy_until: Femtos,
}

impl<I, O> Sim<'_, I, O>
where
    I: Iterator<Item = Result<Request, Diagnostic>>,
    O: Observer,
{
    /// Sends the keys and values of a request whose prompt was computed in an iteration that
    /// started at `start` and ends now.
    pub(super) fn send(&mut self, index: usize, place: u32, start: Femtos) {
        let Some(transfer) = self.fleet.transfer else {
            return;
        };
        let bytes = transfer.bytes_per_token * f64::from(self.live[place].target);
        let time = Femtos::of(bytes / transfer.bandwidth).unwrap_or_default();
        let link = &mut self.links[index];
        let (earliest, after) = match transfer.overlapped_layers {
            None => (self.now, Femtos::ZERO),
            Some(layers) => (start, Femtos(time.0 / u128::from(layers))),
        };
        let end = link.busy_until.max(earliest) + time;
        let end = end.max(self.now + after);
        link.busy_until = end;
        let latency = Femtos::of(transfer.latency).unwrap_or_default();
        let admission = self.live[place].admission;
        self.set_timer(end + latency, Timer::Sent(place, admission));
    }

    /// Keys and values have arrived, unless the sender failed meanwhile.
    pub(super) fn receive(&mut self, place: u32, admission: u64) {
        let request = &mut self.live[place];
        if request.phase != Phase::Sending || request.admission != admission {
            return;
        }
        let sender = request.instance as usize;
        request.phase = Phase::Sent;
        self.instances[sender].sent(place, &mut self.live);
        self.restless.push(sender as u32);
        self.route(place);
    }

    /// The instance lost what it was sending.
    pub(super) fn clear_link(&mut self, index: usize) {
        self.links[index] = Link::default();
    }
}
