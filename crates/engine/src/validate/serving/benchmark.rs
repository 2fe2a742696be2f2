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
    /// is answered, ten requests for each in all (`InferenceMAX` README: `--num-prompts` ten times
    /// `--max-concurrency`, `--request-rate inf`), lengths drawn as the source does. Absent where the
    /// load is another, does not fit, or finds prefixes in the cache. With `prefill` workers prompts are
    /// theirs, and their cache is sent on.
    pub(super) fn replayed(&self, prefill: Option<&Workers>) -> Option<Summary> {
        let (clients, requests) = match self.case.load {
            Load::Running(clients) | Load::Concurrency(clients) => (clients, clients * ROUNDS),
            Load::AtOnce(requests) => (requests, requests),
            Load::Saturated | Load::Rate(_) | Load::Within(_) => return None,
        };
        let drawn_whole = self.case.lengths.cached <= 0.0;
        let some = self.case.lengths.output > 1.0 && clients >= 1.0;
        if !drawn_whole || !some || requests > MOST_REPLAYED {
            return None;
        }
        let time = InstanceTime::new(self.instance);
        let instances = count(&self.decoders)?;
        let engine = if self.fits {
            time.engine()
        } else {
            time.engine_for(clients / f64::from(instances))
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
        let lengths = &self.case.lengths;
        let drawn = |mean: f64| Lengths {
            least: whole(mean * (1.0 - lengths.spread)) as u32,
            most: whole(mean * (1.0 + lengths.spread)) as u32,
        };
        let synthetic = Synthetic {
            requests: whole(requests),
            process: Process::AtOnce,
            input: drawn(lengths.input),
            output: drawn(lengths.output),
            seed: 1,
        };
        let load = chokepoint_replay::Load::Closed {
            requests: synthetic.draw().ok()?,
            concurrency: u32::try_from(whole(clients)).ok()?,
        };
        let mut watch = |_: &Record| {};
        let summary = replay(&fleet, load, &mut watch).ok()?;
        (summary.finished == summary.requests).then_some(summary)
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
