//! What is replayed on what: engines, pools of instances, routing, transfers, failures.

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_units::{Bandwidth, Bytes, Seconds};

use crate::step::StepTime;
use crate::time::Femtos;

/// Which work an iteration may join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Decoding sequences and prompts share iterations (vLLM, TensorRT-LLM).
    Mixed,
    /// As long as prompts can be computed, decoding waits (SGLang).
    PrefillFirst,
}

/// What happens to a sequence whose room another one needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Preemption {
    /// Its keys and values are dropped and computed again, from the prompt and the tokens made.
    Recompute,
    /// They go to the host and come back; the next iteration waits for either.
    Swap {
        /// Room on the host; beyond it sequences are computed again.
        host_blocks: u64,
        /// Time to copy one block either way.
        block_time: Seconds,
    },
}

/// How one instance schedules, and the room that it has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Engine {
    /// Most sequences at once.
    pub max_sequences: u32,
    /// Most tokens in an iteration; a decoding sequence counts as one.
    pub max_tokens: u32,
    /// Prompts may be computed in parts. Without, a prompt longer than `max_tokens` is computed
    /// as the only one of its iteration.
    pub chunked_prefill: bool,
    /// Which work an iteration may join.
    pub order: Order,
    /// Tokens in a block of keys and values.
    pub block_tokens: u32,
    /// Blocks.
    pub blocks: u64,
    /// Blocks that stay free when a request is admitted beside others.
    pub watermark_blocks: u64,
    /// Prompts share blocks.
    pub prefix_cache: bool,
    /// What happens when blocks run out.
    pub preemption: Preemption,
    /// Mean tokens that a sequence makes at an iteration: 1 without speculative decoding. Used
    /// in steps of 1/64; every sequence makes the mean.
    pub tokens_per_iteration: f64,
}

impl Engine {
    /// The defaults of an engine with so much room: 256 sequences, 8192 tokens, chunked prefill,
    /// blocks of 16 tokens, recompute.
    #[must_use]
    pub const fn with_blocks(blocks: u64) -> Self {
        Self {
            max_sequences: 256,
            max_tokens: 8192,
            chunked_prefill: true,
            order: Order::Mixed,
            block_tokens: 16,
            blocks,
            watermark_blocks: 0,
            prefix_cache: true,
            preemption: Preemption::Recompute,
            tokens_per_iteration: 1.0,
        }
    }
}

/// What the instances of a pool do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Prompts and decoding.
    Both,
    /// Prompts only; their keys and values go to a decoding instance.
    Prefill,
    /// Decoding only (and recomputing what was preempted).
    Decode,
}

/// Instances that are alike.
#[derive(Clone, Copy)]
pub struct Pool<'a> {
    /// What they do.
    pub role: Role,
    /// How many; with scaling, the most.
    pub instances: u32,
    /// How each schedules.
    pub engine: Engine,
    /// Time of its iterations.
    pub time: &'a dyn StepTime,
}

/// Which instance gets a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Router {
    /// One after the other.
    RoundRobin,
    /// The one with the fewest requests.
    LeastLoaded,
    /// The one with the least `prefill_weight` x (tokens of prompts still to compute there, this
    /// request's included, its cached prefix not) + tokens of keys and values in use there.
    KvAware {
        /// Weight of a token to compute against a token kept.
        prefill_weight: f64,
    },
}

/// Moving keys and values from prefill to decoding instances.
///
/// Each prefill instance sends one request after the other; they wait on the receiving side for
/// room (staged, so the sender's blocks are free once sent).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transfer {
    /// Bandwidth out of a prefill instance.
    pub bandwidth: Bandwidth,
    /// Bytes of one token.
    pub bytes_per_token: Bytes,
    /// Delay of each transfer.
    pub latency: Seconds,
    /// With layers given, a transfer starts with the request's last prefill iteration, layer by
    /// layer, and ends at the earliest one layer's time after it.
    pub overlapped_layers: Option<u32>,
}

/// More or fewer instances with the load: as many as bring the requests on each to a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// Fewest instances; also the number at the start.
    pub least: u32,
    /// Requests for each instance.
    pub target_requests: f64,
    /// Time between decisions.
    pub interval: Seconds,
    /// Time from the decision until an instance takes requests.
    pub start_up: Seconds,
}

/// An instance that fails at a given time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Failure {
    /// Number of the instance, over all pools in their order.
    pub instance: u32,
    /// When.
    pub at: Seconds,
    /// How long until it takes requests again.
    pub repair: Seconds,
}

/// Failures by chance: exponential times between failures of an instance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomFailures {
    /// Mean time from taking requests to failing.
    pub mean_time_between: Seconds,
    /// How long until it takes requests again.
    pub repair: Seconds,
    /// Seed.
    pub seed: u64,
}

/// Latencies that a request must meet to count as good; those absent are not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Targets {
    /// Arrival to first token.
    pub first_token: Option<Seconds>,
    /// Mean time between the tokens of the request.
    pub token_interval: Option<Seconds>,
    /// Arrival to last token.
    pub whole: Option<Seconds>,
}

/// A fleet and the rules by which it serves.
#[derive(Clone)]
pub struct Fleet<'a> {
    /// Instances: one pool or more of [`Role::Both`], or prefill and decode pools.
    pub pools: Vec<Pool<'a>>,
    /// Which instance gets a request.
    pub router: Router,
    /// Tokens for which one hash id stands.
    pub hash_tokens: u32,
    /// How keys and values move; needed with prefill and decode pools.
    pub transfer: Option<Transfer>,
    /// More or fewer instances; for a single pool.
    pub scaling: Option<Scaling>,
    /// Failures at given times.
    pub failures: Vec<Failure>,
    /// Failures by chance.
    pub random_failures: Option<RandomFailures>,
    /// A request that lost its instance this many times is given up.
    pub most_retries: u32,
    /// The replay ends here; what is under way is reported as unfinished.
    pub horizon: Option<Seconds>,
    /// What counts as good.
    pub targets: Targets,
    /// Longest run of decode iterations advanced at once. Results do not depend on it; 1 goes
    /// step by step, for timelines and tests.
    pub longest_run: u64,
}

impl<'a> Fleet<'a> {
    /// Some equal instances that do everything.
    #[must_use]
    pub fn of(instances: u32, engine: Engine, time: &'a dyn StepTime) -> Self {
        let pool = Pool {
            role: Role::Both,
            instances,
            engine,
            time,
        };
        Self {
            pools: vec![pool],
            router: Router::LeastLoaded,
            hash_tokens: 512,
            transfer: None,
            scaling: None,
            failures: Vec::new(),
            random_failures: None,
            most_retries: 16,
            horizon: None,
            targets: Targets::default(),
            longest_run: u64::MAX,
        }
    }

    /// Says what cannot be served like this.
    ///
    /// # Errors
    ///
    /// The first thing wrong.
    pub fn check(&self) -> Result<(), Diagnostic> {
        for pool in &self.pools {
            self.check_engine(&pool.engine)?;
        }
        let has = |role| self.pools.iter().any(|p| p.role == role && p.instances > 0);
        let split = has(Role::Prefill) && has(Role::Decode) && self.transfer.is_some();
        let (both, apart) = (has(Role::Both), has(Role::Prefill) || has(Role::Decode));
        require(
            both != apart && (both || split),
            "a fleet is either instances for both phases, or prefill and decode instances with a transfer between",
        )?;
        require(
            self.instances() <= 1 << 20,
            "a fleet has at most 1,048,576 instances",
        )?;
        require(
            self.hash_tokens > 0,
            "a hash id stands for at least one token",
        )?;
        require(self.longest_run > 0, "a run is at least one iteration")?;
        self.check_transfer()?;
        self.check_changes()
    }

    /// Number of instances.
    #[must_use]
    pub fn instances(&self) -> u64 {
        self.pools.iter().map(|p| u64::from(p.instances)).sum()
    }

    fn check_engine(&self, engine: &Engine) -> Result<(), Diagnostic> {
        require(
            engine.max_sequences > 0 && engine.max_sequences <= engine.max_tokens,
            "an engine takes at least one sequence, and in an iteration at least a token of each sequence",
        )?;
        require(
            engine.block_tokens > 0 && engine.block_tokens <= 1 << 12,
            "a block holds 1 to 4,096 tokens",
        )?;
        require(
            engine.blocks <= 1 << 40,
            "an engine has at most 2^40 blocks",
        )?;
        require(
            !engine.prefix_cache || self.hash_tokens.is_multiple_of(engine.block_tokens),
            "the tokens of a hash id must be whole blocks where the prefix cache is on",
        )?;
        require(
            (1.0..=64.0).contains(&engine.tokens_per_iteration),
            "a sequence makes 1 to 64 tokens at an iteration",
        )?;
        let copies = match engine.preemption {
            Preemption::Recompute => true,
            Preemption::Swap { block_time, .. } => is_time(block_time),
        };
        require(copies, "copying a block takes a time that is not negative")
    }

    fn check_transfer(&self) -> Result<(), Diagnostic> {
        let Some(transfer) = self.transfer else {
            return Ok(());
        };
        let token = transfer.bytes_per_token / transfer.bandwidth;
        require(
            transfer.bandwidth.get() > 0.0
                && (0.0..=MOST_TOKEN_SECONDS).contains(&token.get())
                && is_time(transfer.latency)
                && transfer.overlapped_layers != Some(0),
            "a transfer has a positive bandwidth, at most 10 seconds for a token, a latency that is not negative, and at least one layer if any",
        )
    }

    fn check_changes(&self) -> Result<(), Diagnostic> {
        if let Some(scaling) = self.scaling {
            let most = self.pools.first().map_or(0, |pool| pool.instances);
            require(
                self.pools.len() == 1 && (1..=most).contains(&scaling.least),
                "scaling needs one pool, and at the start at least one instance and at most those of the pool",
            )?;
            require(
                scaling.target_requests > 0.0
                    && is_time(scaling.interval)
                    && scaling.interval.get() >= LEAST_INTERVAL
                    && is_time(scaling.start_up),
                "scaling needs a positive target, an interval of at least a millisecond and a start-up time that is not negative",
            )?;
        }
        let known = |f: &Failure| u64::from(f.instance) < self.instances() && is_time(f.at);
        require(
            self.failures.iter().all(|f| known(f) && is_time(f.repair)),
            "a failure names an instance of the fleet and times that are not negative",
        )?;
        let sane = |r: RandomFailures| {
            is_time(r.mean_time_between)
                && r.mean_time_between.get() >= LEAST_BETWEEN_FAILURES
                && is_time(r.repair)
        };
        require(
            self.random_failures.is_none_or(sane),
            "the mean time between failures is at least a second, and that of a repair is not negative",
        )?;
        require(
            self.horizon.is_none_or(is_time),
            "a horizon is a time that is not negative",
        )
    }
}

/// Longest time to send one token, so that a whole request stays a time.
const MOST_TOKEN_SECONDS: f64 = 10.0;
/// Shortest interval between decisions on scaling, in seconds.
const LEAST_INTERVAL: f64 = 1e-3;
/// Shortest mean time between failures, in seconds.
const LEAST_BETWEEN_FAILURES: f64 = 1.0;

/// Whether the replay can keep it as a time.
fn is_time(time: Seconds) -> bool {
    Femtos::of(time).is_some()
}

/// A diagnostic unless it holds.
fn require(holds: bool, message: &str) -> Result<(), Diagnostic> {
    if holds {
        Ok(())
    } else {
        Err(Diagnostic::new(Code::Value, message))
    }
}
