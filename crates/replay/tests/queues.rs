//! Replays against the closed forms of queueing theory and of steady state, within 3%.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use chokepoint_diag::Diagnostic;
use chokepoint_replay::{
    Affine, Engine, Fleet, Lengths, Load, Process, Record, Request, Summary, Synthetic, replay,
};
use chokepoint_units::Seconds;

fn ignore(_: &Record) {}

fn within_3_percent(what: &str, got: f64, wanted: f64) {
    let error = got / wanted - 1.0;
    assert!(
        error.abs() < 0.03,
        "{what}: {got} against {wanted}, off by {error:+.4}"
    );
}

fn alone(blocks: u64) -> Engine {
    Engine {
        max_sequences: 1,
        ..Engine::with_blocks(blocks)
    }
}

/// One second for each iteration whatever is in it.
const SECOND: Affine = Affine {
    iteration: Seconds::new(1.0),
    prompt_token: Seconds::ZERO,
    prompt_pair: Seconds::ZERO,
    sequence: Seconds::ZERO,
    context_token: Seconds::ZERO,
};

fn arrivals(rate: f64, output: u32) -> Synthetic {
    Synthetic {
        requests: 1_000_000,
        process: Process::Poisson { rate },
        input: Lengths::fixed(8),
        output: Lengths::fixed(output),
        seed: 7,
    }
}

fn mean_whole(summary: &Summary) -> f64 {
    summary.whole.unwrap().mean_seconds.get()
}

#[test]
fn one_at_a_time_with_equal_work_is_m_d_1() {
    // Wait = load / (2 (1 - load)) service times; here a prompt and four more tokens: 5 s.
    for load in [0.3, 0.6, 0.8] {
        let fleet = Fleet::of(1, alone(64), &SECOND);
        let drawn = arrivals(load / 5.0, 5).draw().unwrap();
        let summary = replay(&fleet, Load::Timed(drawn), &mut ignore).unwrap();
        let wanted = 5.0 * (1.0 + load / (2.0 * (1.0 - load)));
        within_3_percent("time in an M/D/1 queue", mean_whole(&summary), wanted);
        within_3_percent("busy", summary.instances[0].utilisation, load);
    }
}

/// Requests with geometric numbers of tokens, the memoryless length.
fn geometric(rate: f64, mean: f64) -> impl Iterator<Item = Result<Request, Diagnostic>> {
    // The logarithms of uniform numbers, from gaps of a Poisson process.
    let gaps = Synthetic {
        process: Process::Poisson { rate: 1.0 },
        seed: 11,
        ..arrivals(1.0, 1)
    };
    let mut last = 0.0;
    let lengths = gaps.draw().unwrap().map(move |request| {
        let time = request.unwrap().arrival.get();
        let exponential = time - last;
        last = time;
        // The ceiling of an exponential is geometric: mean 1 / (1 - exp(-1 / scale)).
        let scale = -1.0 / libm::log(1.0 - 1.0 / mean);
        (exponential * scale).ceil().max(1.0) as u32
    });
    let times = arrivals(rate, 1).draw().unwrap();
    times.zip(lengths).map(|(request, output_tokens)| {
        Ok(Request {
            output_tokens,
            ..request.unwrap()
        })
    })
}

#[test]
fn one_at_a_time_with_memoryless_work_is_m_m_1() {
    // Pollaczek-Khinchine: wait = rate E[S^2] / (2 (1 - load)); for geometric S with mean m,
    // E[S^2] = m (2 m - 1), which for large m is the 2 m^2 of M/M/1.
    let (mean, load) = (50.0, 0.6);
    let rate = load / mean;
    let fleet = Fleet::of(1, alone(4096), &SECOND);
    let summary = replay(&fleet, Load::Timed(geometric(rate, mean)), &mut ignore).unwrap();
    let wait = rate * mean * (2.0 * mean - 1.0) / (2.0 * (1.0 - load));
    within_3_percent("time in an M/G/1 queue", mean_whole(&summary), mean + wait);
    within_3_percent(
        "time in an M/M/1 queue",
        mean_whole(&summary),
        mean / (1.0 - load),
    );
}

#[test]
fn many_sequences_at_once_are_processor_sharing_without_waiting() {
    // Iterations of one second whatever is in them, and room for all: an arrival waits half an
    // iteration on average while the instance is busy, then takes its own number of iterations.
    let fleet = Fleet::of(1, Engine::with_blocks(4096), &SECOND);
    let drawn = arrivals(1.0, 30).draw().unwrap();
    let summary = replay(&fleet, Load::Timed(drawn), &mut ignore).unwrap();
    within_3_percent("time", mean_whole(&summary), 30.5);
    // Little: 30.5 under way, of which 30 are in iterations and 29 decode.
    within_3_percent("decoding", summary.instances[0].mean_decoding, 29.0);
}

#[test]
fn a_closed_loop_has_the_throughput_of_its_cycle() {
    // At 32 at once, each request brings one prompt and 63 decode iterations of its own; with
    // lengths spread out every prompt meets about 31 others decoding. Per request the instance
    // spends: 1/32 of its 63 iterations without a prompt's tokens, and the prompt's tokens once.
    let time = Affine::MADE_UP;
    let fleet = Fleet::of(1, Engine::with_blocks(1 << 16), &time);
    let synthetic = Synthetic {
        requests: 50_000,
        process: Process::AtOnce,
        input: Lengths {
            least: 400,
            most: 512,
        },
        output: Lengths {
            least: 32,
            most: 96,
        },
        seed: 5,
    };
    let load = Load::Closed {
        requests: synthetic.draw().unwrap(),
        concurrency: 32,
    };
    let summary = replay(&fleet, load, &mut ignore).unwrap();
    // A request is in as many iterations as it has tokens (64), so at 32 at once the instance
    // does two iterations for each; contexts average the prompt and half the tokens, weighted
    // by length: E[n^2] / E[n].
    let (tokens, prompt) = (64.0, 456.0);
    let spread = (65.0 * 65.0 - 1.0) / 12.0;
    let own = (tokens * tokens + spread) / tokens / 2.0;
    let contexts = (tokens - 1.0) * (prompt + own);
    let pairs = (prompt * (prompt + 1.0) + (113.0 * 113.0 - 1.0) / 12.0) / 2.0;
    let each = time.iteration.get() * tokens / 32.0
        + time.prompt_token.get() * prompt
        + time.prompt_pair.get() * pairs
        + time.sequence.get() * (tokens - 1.0)
        + time.context_token.get() * contexts;
    within_3_percent("requests a second", summary.requests_per_second, 1.0 / each);
}
