//! Which instance gets a request.

use chokepoint_diag::Diagnostic;

use super::{Observer, Sim};
use crate::config::{Role, Router};
use crate::request::{Outcome, Phase, Request};

impl<I, O> Sim<'_, I, O>
where
    I: Iterator<Item = Result<Request, Diagnostic>>,
    O: Observer,
{
    /// Gives a request to an instance, or lets it wait for one.
    pub(super) fn route(&mut self, place: u32) {
        let sent = self.live[place].phase == Phase::Sent;
        let Some(index) = self.choose(place, sent) else {
            self.stranded[usize::from(sent)].push_back(place);
            return;
        };
        let live = &self.live[place];
        if !self.instances[index].fits(live.input, live.output) {
            self.end(place, Outcome::RejectedTooLong);
            return;
        }
        let now = self.now;
        if self.instances[index].enqueue(place, now, &mut self.live) {
            self.restless.push(index as u32);
        } else {
            self.tree.set(index, self.instances[index].next);
        }
    }

    /// Routes requests that waited for an instance.
    pub(super) fn route_stranded(&mut self) {
        for kind in 0..self.stranded.len() {
            for place in std::mem::take(&mut self.stranded[kind]) {
                self.route(place);
            }
        }
    }

    fn takes(&self, index: usize, sent: bool) -> bool {
        let decodes_only = self.instances[index].role == Role::Decode;
        self.statuses[index].takes_requests() && sent == decodes_only
    }

    fn choose(&mut self, place: u32, sent: bool) -> Option<usize> {
        match self.fleet.router {
            Router::RoundRobin => self.next_in_turn(sent),
            // A request whose prompt is computed has nothing to gain from cached prefixes.
            Router::KvAware { prefill_weight } if !sent => self.cheapest(place, prefill_weight),
            _ => {
                let all = (0..self.instances.len()).filter(|&index| self.takes(index, sent));
                all.min_by_key(|&index| self.instances[index].load())
            }
        }
    }

    fn next_in_turn(&mut self, sent: bool) -> Option<usize> {
        let count = self.instances.len();
        let start = self.next_in_turn[usize::from(sent)];
        let mut turn = (0..count).map(|offset| (start + offset) % count);
        let chosen = turn.find(|&index| self.takes(index, sent))?;
        self.next_in_turn[usize::from(sent)] = chosen + 1;
        Some(chosen)
    }

    /// The instance with the least work for this prompt and the least kept already.
    fn cheapest(&mut self, place: u32, prefill_weight: f64) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for index in 0..self.instances.len() {
            if !self.takes(index, false) {
                continue;
            }
            let instance = &mut self.instances[index];
            instance.catch_up(self.now);
            let request = &self.live[place];
            let found = if instance.engine.prefix_cache {
                let ids = request.reusable(self.fleet.hash_tokens);
                instance.kv.prefix.find(ids).blocks as u64 * u64::from(self.fleet.hash_tokens)
            } else {
                0
            };
            let (backlog, kept) = instance.tokens();
            let computed = backlog + u64::from(request.target) - found;
            let cost = prefill_weight * computed as f64 + kept as f64;
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, index));
            }
        }
        best.map(|best| best.1)
    }
}
