//! Fleets, loads and iteration times that make no sense are refused with a reason.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use chokepoint_diag::Diagnostic;
use chokepoint_replay::{
    Affine, DecodeTime, Engine, Failure, Fleet, Iteration, Lengths, Line, Load, MAX_LINES, Pool,
    Preemption, Process, RandomFailures, Record, Request, Role, Scaling, StepTime, Synthetic,
    Transfer, replay,
};
use chokepoint_units::{Bandwidth, Bytes, Seconds};

const TIME: Affine = Affine::MADE_UP;

fn request(at: f64) -> Result<Request, Diagnostic> {
    Ok(Request {
        arrival: Seconds::new(at),
        input_tokens: 10,
        output_tokens: 10,
        ..Request::default()
    })
}

fn refused(fleet: &Fleet<'_>, arrivals: &[f64]) -> String {
    let load = Load::Timed(arrivals.iter().map(|&at| request(at)));
    replay(fleet, load, &mut |_: &Record| {})
        .unwrap_err()
        .to_string()
}

#[test]
fn engines() {
    let good = Engine::with_blocks(100);
    let block_time = Seconds::new(f64::NAN);
    for (engine, wanted) in [
        (
            Engine {
                max_sequences: 0,
                ..good
            },
            "at least one sequence",
        ),
        (
            Engine {
                max_tokens: 100,
                ..good
            },
            "at least a token of each sequence",
        ),
        (
            Engine {
                block_tokens: 0,
                ..good
            },
            "1 to 4,096 tokens",
        ),
        (
            Engine {
                block_tokens: 48,
                ..good
            },
            "whole blocks where the prefix cache is on",
        ),
        (
            Engine {
                blocks: 1 << 50,
                ..good
            },
            "at most 2^40 blocks",
        ),
        (
            Engine {
                tokens_per_iteration: 0.5,
                ..good
            },
            "1 to 64 tokens at an iteration",
        ),
        (
            Engine {
                tokens_per_iteration: f64::NAN,
                ..good
            },
            "1 to 64 tokens at an iteration",
        ),
        (
            Engine {
                preemption: Preemption::Swap {
                    host_blocks: 1,
                    block_time,
                },
                ..good
            },
            "copying a block takes a time",
        ),
    ] {
        let message = refused(&Fleet::of(1, engine, &TIME), &[0.0]);
        assert!(message.contains(wanted), "{message}, wanted {wanted}");
    }
}

#[test]
fn fleets() {
    let good = Fleet::of(2, Engine::with_blocks(100), &TIME);
    let pool = |role| Pool {
        role,
        ..good.pools[0]
    };
    let transfer = Transfer {
        bandwidth: Bandwidth::new(1e9),
        bytes_per_token: Bytes::new(1e5),
        latency: Seconds::ZERO,
        overlapped_layers: None,
    };
    let scaling = Scaling {
        least: 1,
        target_requests: 1.0,
        interval: Seconds::new(1.0),
        start_up: Seconds::new(1.0),
    };
    let failure = Failure {
        instance: 0,
        at: Seconds::new(1.0),
        repair: Seconds::new(1.0),
    };
    let random = RandomFailures {
        mean_time_between: Seconds::new(1e-9),
        repair: Seconds::ZERO,
        seed: 0,
    };
    let split = Fleet {
        pools: vec![pool(Role::Prefill), pool(Role::Decode)],
        ..good.clone()
    };
    let slow = Transfer {
        bandwidth: Bandwidth::new(1e-9),
        ..transfer
    };
    let layers = Transfer {
        overlapped_layers: Some(0),
        ..transfer
    };
    for (fleet, wanted) in [
        (
            Fleet {
                pools: vec![],
                ..good.clone()
            },
            "instances for both phases",
        ),
        (
            Fleet::of(0, Engine::with_blocks(1), &TIME),
            "instances for both phases",
        ),
        (split.clone(), "with a transfer between"),
        (
            Fleet {
                pools: vec![pool(Role::Prefill)],
                transfer: Some(transfer),
                ..good.clone()
            },
            "decode instances",
        ),
        (
            Fleet {
                pools: vec![pool(Role::Both), pool(Role::Decode)],
                ..good.clone()
            },
            "decode instances",
        ),
        (
            Fleet {
                transfer: Some(slow),
                ..split.clone()
            },
            "at most 10 seconds for a token",
        ),
        (
            Fleet {
                transfer: Some(layers),
                ..split.clone()
            },
            "at least one layer",
        ),
        (
            Fleet {
                scaling: Some(scaling),
                transfer: Some(transfer),
                ..split
            },
            "one pool",
        ),
        (
            Fleet {
                scaling: Some(Scaling {
                    least: 3,
                    ..scaling
                }),
                ..good.clone()
            },
            "at most those of the pool",
        ),
        (
            Fleet {
                scaling: Some(Scaling {
                    interval: Seconds::ZERO,
                    ..scaling
                }),
                ..good.clone()
            },
            "at least a millisecond",
        ),
        (
            Fleet {
                failures: vec![Failure {
                    instance: 2,
                    ..failure
                }],
                ..good.clone()
            },
            "an instance of the fleet",
        ),
        (
            Fleet {
                random_failures: Some(random),
                ..good.clone()
            },
            "at least a second",
        ),
        (
            Fleet {
                horizon: Some(Seconds::new(-1.0)),
                ..good.clone()
            },
            "a horizon",
        ),
        (
            Fleet {
                hash_tokens: 0,
                ..good.clone()
            },
            "at least one token",
        ),
        (
            Fleet {
                longest_run: 0,
                ..good.clone()
            },
            "at least one iteration",
        ),
    ] {
        let message = refused(&fleet, &[0.0]);
        assert!(message.contains(wanted), "{message}, wanted {wanted}");
    }
}

#[test]
fn loads() {
    let fleet = Fleet::of(1, Engine::with_blocks(100), &TIME);
    assert!(refused(&fleet, &[1.0, 0.5]).contains("arrives at 0.5 seconds, after one at 1"));
    for at in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(refused(&fleet, &[at]).contains("expected times in order, from 0"));
    }
    let none = Load::Closed {
        requests: std::iter::once(request(0.0)),
        concurrency: 0,
    };
    let error = replay(&fleet, none, &mut |_: &Record| {}).unwrap_err();
    assert!(error.to_string().contains("at least one request at once"));

    let good = Synthetic {
        requests: 1,
        process: Process::Poisson { rate: 1.0 },
        input: Lengths::fixed(1),
        output: Lengths::fixed(0),
        seed: 0,
    };
    assert!(good.draw().is_ok());
    for process in [
        Process::Uniform { rate: 0.0 },
        Process::Poisson {
            rate: f64::INFINITY,
        },
        Process::Gamma {
            rate: 1.0,
            variation: 0.0,
        },
    ] {
        assert!(Synthetic { process, ..good }.draw().is_err());
    }
    let backwards = Lengths { least: 2, most: 1 };
    assert!(
        Synthetic {
            input: backwards,
            ..good
        }
        .draw()
        .is_err()
    );
    assert!(
        Synthetic {
            input: Lengths::fixed(0),
            ..good
        }
        .draw()
        .is_err()
    );
}

/// Gives these times whatever is asked.
struct Broken(f64, f64);

impl StepTime for Broken {
    fn mixed(&self, _: &Iteration<'_>) -> Seconds {
        Seconds::new(self.0)
    }

    fn decode(&self, _: u32, _: f64) -> DecodeTime {
        DecodeTime::line(Line {
            base: Seconds::new(self.1),
            per_token: Seconds::ZERO,
        })
    }
}

#[test]
fn iteration_times() {
    for time in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for broken in [Broken(time, 1.0), Broken(1.0, time)] {
            let message = refused(&Fleet::of(1, Engine::with_blocks(100), &broken), &[0.0]);
            assert!(
                message.contains("not a positive number of seconds"),
                "{time}: {message}"
            );
        }
    }
    let line = Line::default();
    assert!(DecodeTime::largest_of(&[]).is_none());
    assert!(DecodeTime::largest_of(&[line; MAX_LINES]).is_some());
    assert!(DecodeTime::largest_of(&[line; MAX_LINES + 1]).is_none());
}

#[test]
fn an_error_of_the_load_ends_the_replay() {
    let fleet = Fleet::of(1, Engine::with_blocks(100), &TIME);
    let error = Diagnostic::new(chokepoint_diag::Code::Syntax, "broken off");
    let requests = [request(0.0), Err(error.clone())];
    let got = replay(
        &fleet,
        Load::Timed(requests.into_iter()),
        &mut |_: &Record| {},
    );
    assert_eq!(got.unwrap_err(), error);
}
