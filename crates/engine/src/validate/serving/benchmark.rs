//! A benchmark replayed request by request.

use std::iter;

use chokepoint_replay::{
    Fleet, Lengths, Pool, Process, Record, Role, Router, Summary, Synthetic, replay,
};
use chokepoint_units::Seconds;

use super::case::{Load, Predicted, Rates, Workers};
use super::predict::{Server, whole};
use crate::fleet::transfer;
use crate::step_time::InstanceTime;

/// Most requests of a benchmark that is replayed; larger ones take the closed form.
const MOST_REPLAYED: f64 = 1e6;
/// Requests that a client of a benchmark sends in all.
const ROUNDS: f64 = 10.0;

impl Server<'_> {
    /// The benchmark as it runs: all clients start at once, each sends its next request when the last
    /// is answered, as many as the source says or ten for each (`InferenceMAX` README: `--num-prompts`
    /// ten times `--max-concurrency`, `--request-rate inf`), lengths drawn as the source does; or
    /// requests that come at a rate, where the source says how many and how. Absent where the load is
    /// another, does not fit, or finds prefixes in the cache. With `prefill` workers prompts are theirs,
    /// and their cache is sent on.
    pub(super) fn replayed(&self, prefill: Option<&Workers>) -> Option<Summary> {
        let sent = self.case.sent;
        let (clients, process, requests) = match (self.case.load, sent) {
            (Load::Running(clients) | Load::Concurrency(clients), _) => {
                let requests = sent.map_or(clients * ROUNDS, |sent| sent.requests);
                (Some(clients), Process::AtOnce, requests)
            }
            (Load::AtOnce(requests), _) => (Some(requests), Process::AtOnce, requests),
            (Load::Rate(_), Some(sent)) if self.fits => (None, sent.process, sent.requests),
            (Load::Rate(_) | Load::Saturated | Load::Within(_), _) => return None,
        };
        let drawn_whole = self.case.lengths.cached <= 0.0;
        let some = self.case.lengths.output > 1.0 && clients.is_none_or(|clients| clients >= 1.0);
        if !drawn_whole || !some || requests > MOST_REPLAYED {
            return None;
        }
        let time = InstanceTime::new(self.instance);
        let instances = count(&self.decoders)?;
        let engine = match clients {
            Some(clients) if !self.fits => time.engine_for(clients / f64::from(instances)),
            _ => time.engine(),
        };
        let mut fleet = Fleet {
            router: Router::RoundRobin,
            ..Fleet::of(instances, engine, &time)
        };
        let prefill_time = prefill.map(|workers| InstanceTime::new(self.prefiller(workers)));
        if let Some((workers, time)) = prefill.zip(prefill_time.as_ref()) {
            let decode = fleet.pools.iter().map(|pool| Pool {
                role: Role::Decode,
                ..*pool
            });
            let prompts = Pool {
                role: Role::Prefill,
                instances: count(workers)?,
                engine: time.engine(),
                time,
            };
            fleet.pools = iter::once(prompts).chain(decode).collect();
            fleet.transfer = Some(transfer(time.instance()));
        }
        let requests = self.drawn(process, requests).draw().ok()?;
        let load = match clients {
            Some(clients) => chokepoint_replay::Load::Closed {
                requests,
                concurrency: u32::try_from(whole(clients)).ok()?,
            },
            None => chokepoint_replay::Load::Timed(requests),
        };
        let mut watch = |_: &Record| {};
        let summary = replay(&fleet, load, &mut watch).ok()?;
        (summary.finished == summary.requests).then_some(summary)
    }

    /// Requests of the case's lengths.
    fn drawn(&self, process: Process, requests: f64) -> Synthetic {
        let lengths = &self.case.lengths;
        let drawn = |mean: f64| Lengths {
            least: whole(mean * (1.0 - lengths.spread)) as u32,
            most: whole(mean * (1.0 + lengths.spread)) as u32,
        };
        Synthetic {
            requests: whole(requests),
            process,
            input: drawn(lengths.input),
            output: drawn(lengths.output),
            seed: 1,
        }
    }

    /// Takes latencies and rates from a replay; the parts of a token's time keep their shares.
    pub(super) fn take(&self, found: &mut Predicted, summary: &Summary) {
        let host = self.case.engine.request_host.value;
        let Some((first, later)) = summary
            .first_token
            .as_ref()
            .zip(summary.token_interval.as_ref())
        else {
            return;
        };
        let steady = found.tpot.map_or(1.0, Seconds::get);
        let share = later.mean_seconds.get() / steady;
        for (_, seconds) in &mut found.parts {
            *seconds *= share;
        }
        found.ttft = Some(first.mean_seconds + host);
        found.tpot = Some(later.mean_seconds);
        found.whole = summary.whole.as_ref().map(|all| all.mean_seconds + host);
        found.rates = Rates {
            requests_per_second: summary.requests_per_second,
            input_tokens_per_second: summary.requests_per_second * self.case.lengths.input,
            output_tokens_per_second: summary.output_tokens_per_second,
        };
    }
}

/// Instances of a pool.
fn count(workers: &Workers) -> Option<u32> {
    u32::try_from(workers.count).ok()
}
