//! What a replay amounts to: latencies, throughput, what the instances did.

use chokepoint_units::Seconds;
use serde::Serialize;

use crate::config::Targets;
use crate::quantile::{Distribution, Times};
use crate::request::{Outcome, Record};
use crate::time::Femtos;

/// The result of a replay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Requests that arrived; each is in one of the next four counts.
    pub requests: u64,
    /// Those that made all their tokens.
    pub finished: u64,
    /// Those turned away or given up.
    pub rejected: u64,
    /// Those under way at the end.
    pub unfinished: u64,
    /// Finished requests that met all targets.
    pub good: u64,
    /// Time of the last event, or the horizon.
    pub seconds: Seconds,
    /// Tokens of the prompts of finished requests.
    pub input_tokens: u64,
    /// Tokens made by finished requests.
    pub output_tokens: u64,
    /// Tokens made by finished requests, a second.
    pub output_tokens_per_second: f64,
    /// Finished requests a second.
    pub requests_per_second: f64,
    /// Good requests a second.
    pub good_requests_per_second: f64,
    /// Arrival to first token, of finished requests.
    pub first_token: Option<Distribution>,
    /// Mean time between tokens, of finished requests with two tokens or more.
    pub token_interval: Option<Distribution>,
    /// Arrival to last token, of finished requests.
    pub whole: Option<Distribution>,
    /// What the instances did, in their order.
    pub instances: Vec<InstanceSummary>,
}

/// What an instance computed without a break in kind: one iteration with prompts, or a run of
/// decode iterations. For timelines.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Span {
    /// The instance.
    pub instance: u32,
    /// When it started.
    #[serde(rename = "start_seconds")]
    pub start: Seconds,
    /// When it ended.
    #[serde(rename = "end_seconds")]
    pub end: Seconds,
    /// Iterations.
    pub iterations: u64,
    /// Sequences that decoded.
    pub decoding: u64,
    /// Tokens of prompts computed.
    pub prompt_tokens: u64,
}

/// What one instance did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InstanceSummary {
    /// Time during which it took requests or finished those that it had.
    pub up_seconds: Seconds,
    /// Time in iterations with prompts only.
    pub prefill_seconds: Seconds,
    /// Time in iterations with prompts and decoding sequences.
    pub mixed_seconds: Seconds,
    /// Time in iterations with decoding sequences only.
    pub decode_seconds: Seconds,
    /// Time copying to and from the host before decode iterations (before others, it is in
    /// theirs).
    pub copy_seconds: Seconds,
    /// Time in iterations that a failure or the horizon ended.
    pub lost_seconds: Seconds,
    /// Share of the time up in which it computed or copied.
    pub utilisation: f64,
    /// Iterations.
    pub iterations: u64,
    /// Iterations with prompts.
    pub prompt_iterations: u64,
    /// Decoding sequences, mean over the time up.
    pub mean_decoding: f64,
    /// Tokens of prompts computed, those computed again included.
    pub computed_tokens: u64,
    /// Tokens of prompts found in the prefix cache.
    pub cached_tokens: u64,
    /// Tokens made.
    pub made_tokens: u64,
    /// Preemptions.
    pub preemptions: u64,
    /// Failures.
    pub failures: u64,
    /// Most blocks in use by requests at once.
    pub most_blocks: u64,
    /// Hash blocks evicted from the prefix cache.
    pub evicted: u64,
}

/// Counts of one instance.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) up: Femtos,
    pub(crate) prefilling: Femtos,
    pub(crate) mixed: Femtos,
    pub(crate) decoding: Femtos,
    pub(crate) copying: Femtos,
    pub(crate) lost: Femtos,
    pub(crate) iterations: u64,
    pub(crate) prompt_iterations: u64,
    /// Decoding sequences times femtoseconds.
    decoding_time: u128,
    pub(crate) computed_tokens: u64,
    pub(crate) cached_tokens: u64,
    pub(crate) made_tokens: u64,
    pub(crate) preemptions: u64,
    pub(crate) failures: u64,
}

impl Tally {
    /// Iterations in which sequences decoded.
    pub(crate) fn count_decodes(&mut self, iterations: u64, sequences: u64, time: Femtos) {
        self.iterations += iterations;
        self.decoding_time += u128::from(sequences) * time.0;
    }

    /// The counts with those of the blocks.
    pub(crate) fn summary(&self, most_blocks: u64, evicted: u64) -> InstanceSummary {
        let busy = self.prefilling + self.mixed + self.decoding + self.copying + self.lost;
        let share = |part: u128| {
            if self.up == Femtos::ZERO {
                0.0
            } else {
                part as f64 / self.up.0 as f64
            }
        };
        InstanceSummary {
            up_seconds: self.up.seconds(),
            prefill_seconds: self.prefilling.seconds(),
            mixed_seconds: self.mixed.seconds(),
            decode_seconds: self.decoding.seconds(),
            copy_seconds: self.copying.seconds(),
            lost_seconds: self.lost.seconds(),
            utilisation: share(busy.0),
            iterations: self.iterations,
            prompt_iterations: self.prompt_iterations,
            mean_decoding: share(self.decoding_time),
            computed_tokens: self.computed_tokens,
            cached_tokens: self.cached_tokens,
            made_tokens: self.made_tokens,
            preemptions: self.preemptions,
            failures: self.failures,
            most_blocks,
            evicted,
        }
    }
}

/// What happened to all requests so far.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    pub(crate) requests: u64,
    finished: u64,
    rejected: u64,
    unfinished: u64,
    good: u64,
    input_tokens: u64,
    output_tokens: u64,
    first_token: Times,
    token_interval: Times,
    whole: Times,
    targets: Targets,
}

impl Collector {
    pub(crate) fn new(targets: Targets) -> Self {
        Self {
            targets,
            ..Self::default()
        }
    }

    /// Counts a request with its exact times.
    pub(crate) fn add(
        &mut self,
        record: &Record,
        arrival: Femtos,
        first: Option<Femtos>,
        end: Femtos,
    ) {
        match record.outcome {
            Outcome::Finished => {}
            Outcome::Unfinished => {
                self.unfinished += 1;
                return;
            }
            _ => {
                self.rejected += 1;
                return;
            }
        }
        self.finished += 1;
        self.input_tokens += u64::from(record.input_tokens);
        self.output_tokens += u64::from(record.output_tokens);
        let whole = end - arrival;
        self.whole.add(whole);
        let meets = |time: Femtos, target: Option<Seconds>| {
            target.is_none_or(|target| time.seconds() <= target)
        };
        let mut good = meets(whole, self.targets.whole);
        if let Some(first) = first {
            self.first_token.add(first - arrival);
            good &= meets(first - arrival, self.targets.first_token);
            if record.output_tokens > 1 {
                let gaps = u128::from(record.output_tokens - 1);
                let interval = Femtos((end - first).0 / gaps);
                self.token_interval.add(interval);
                good &= meets(interval, self.targets.token_interval);
            }
        }
        self.good += u64::from(good);
    }

    /// The result at the end.
    pub(crate) fn summary(mut self, end: Femtos, instances: Vec<InstanceSummary>) -> Summary {
        let seconds = end.seconds().get();
        let rate = |count: u64| {
            if seconds > 0.0 {
                count as f64 / seconds
            } else {
                0.0
            }
        };
        Summary {
            requests: self.requests,
            finished: self.finished,
            rejected: self.rejected,
            unfinished: self.unfinished,
            good: self.good,
            seconds: end.seconds(),
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            output_tokens_per_second: rate(self.output_tokens),
            requests_per_second: rate(self.finished),
            good_requests_per_second: rate(self.good),
            first_token: self.first_token.distribution(),
            token_interval: self.token_interval.distribution(),
            whole: self.whole.distribution(),
            instances,
        }
    }
}
