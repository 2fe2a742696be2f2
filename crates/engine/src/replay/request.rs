//! What is asked of a replay, and its parts as they are written on a command line.

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_replay::{Lengths, MOONCAKE_HASH_TOKENS, Process, Router, Synthetic, Targets};
use chokepoint_units::{Bytes, NumberFormat, Seconds};

use super::changes::{self, ReplayFailures, ReplayScaling};
use crate::limits;
use crate::serve_run::{option, options_in};
use crate::step_time::BLOCK_TOKENS;

/// Most instances and chips: ten times the largest deployment published.
pub(super) const MOST_INSTANCES: u64 = 4096;
/// Weight of a token to compute against a token kept, in the KV-aware router: both count alike.
const PREFILL_WEIGHT: f64 = 1.0;

/// What is asked of a replay.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayRequest {
    /// Id of a model.
    pub model: String,
    /// Id of a system.
    pub system: String,
    /// Id of a serving engine.
    pub engine: String,
    /// Requests.
    pub source: ReplaySource,
    /// Instances; those that the chips make where absent, or one.
    pub instances: Option<u64>,
    /// Chips; those of the instances where absent.
    pub chips: Option<u64>,
    /// Instances that only compute prompts, and those that only decode.
    pub disaggregate: Option<(u32, u32)>,
    /// How an instance is spread, as "tp=8 pp=2", or a whole plan as `serve` prints it; searched where
    /// absent. Where a batch is written, it is the most sequences of each batch of an instance.
    pub plan: Option<String>,
    /// Number formats allowed for weights and linear layers, most wanted first.
    pub formats: Vec<NumberFormat>,
    /// Number format of keys and values.
    pub cache_format: NumberFormat,
    /// Which instance gets a request.
    pub router: Router,
    /// What a good request meets.
    pub targets: Targets,
    /// Whether prompts share their prefixes.
    pub prefix_cache: bool,
    /// Tokens of a block of the cache.
    pub block_tokens: u32,
    /// Memory of the host for each chip to which keys and values go that lost their room; without, they
    /// are computed again.
    pub swap: Option<Bytes>,
    /// Whether a prompt's keys and values leave for the decoding instances layer by layer.
    pub layerwise_transfer: bool,
    /// Tokens drafted in an iteration and checked together.
    pub drafted_tokens: Option<u64>,
    /// Of the drafted tokens kept in the mean.
    pub accepted_tokens: Option<f64>,
    /// More or fewer instances with the load.
    pub scaling: Option<ReplayScaling>,
    /// Which failures count.
    pub failures: ReplayFailures,
    /// Seed of the failures.
    pub failure_seed: u64,
    /// End of the replay.
    pub horizon: Option<Seconds>,
}

/// Where requests come from.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplaySource {
    /// A trace that the caller opens.
    Trace {
        /// Its name.
        name: String,
        /// Requests arrive this many times as fast.
        rate_scale: f64,
        /// At most so many requests, from the first on.
        limit: Option<u64>,
    },
    /// Drawn requests.
    Synthetic {
        /// How they are drawn.
        drawn: Synthetic,
        /// With a closed loop, how many are under way at once.
        concurrency: Option<u32>,
    },
}

impl ReplayRequest {
    /// Requests on one instance of an engine, with what the command line takes where nothing is said.
    #[must_use]
    pub fn new(model: &str, system: &str, source: ReplaySource) -> Self {
        Self {
            model: model.to_owned(),
            system: system.to_owned(),
            engine: "vllm".to_owned(),
            source,
            instances: None,
            chips: None,
            disaggregate: None,
            plan: None,
            formats: vec![NumberFormat::Fp8, NumberFormat::Bf16],
            cache_format: NumberFormat::Bf16,
            router: Router::LeastLoaded,
            targets: Targets::default(),
            prefix_cache: true,
            block_tokens: BLOCK_TOKENS,
            swap: None,
            layerwise_transfer: true,
            drafted_tokens: None,
            accepted_tokens: None,
            scaling: None,
            failures: ReplayFailures::Ignored,
            failure_seed: 1,
            horizon: None,
        }
    }

    /// # Errors
    /// The first value that cannot be.
    pub(super) fn check(&self) -> Result<(), Diagnostic> {
        for (name, value) in [("--instances", self.instances), ("--chips", self.chips)] {
            let most = MOST_INSTANCES * if name == "--chips" { 256 } else { 1 };
            if value.is_some_and(|value| !(1..=most).contains(&value)) {
                return wrong(
                    format!("{name} is out of range"),
                    format!("write a number from 1 to {most}"),
                );
            }
        }
        if let (Some(_), Some(_)) = (self.instances, self.disaggregate) {
            let help = "--disaggregate counts them: leave --instances out";
            return wrong(
                "--instances beside --disaggregate".to_owned(),
                help.to_owned(),
            );
        }
        let few =
            |(a, b): (u32, u32)| a > 0 && b > 0 && u64::from(a) + u64::from(b) <= MOST_INSTANCES;
        if self.disaggregate.is_some_and(|split| !few(split)) {
            let help = "write PREFILL:DECODE, such as 2:6, with at least one of each";
            return wrong("--disaggregate is out of range".to_owned(), help.to_owned());
        }
        if let ReplaySource::Trace {
            rate_scale, limit, ..
        } = &self.source
        {
            if !(1e-6..=1e6).contains(rate_scale) {
                let help = "write 2 for requests that come twice as fast";
                return wrong(
                    format!("--rate-scale {rate_scale} is out of range"),
                    help.to_owned(),
                );
            }
            if *limit == Some(0) {
                return wrong(
                    "--limit 0 leaves no requests".to_owned(),
                    "write at least 1".to_owned(),
                );
            }
        }
        self.check_times()?;
        self.check_scheduling()?;
        changes::check(self).or_else(|(message, help)| wrong(message, help))
    }

    fn check_times(&self) -> Result<(), Diagnostic> {
        let (between, repair) = match self.failures {
            ReplayFailures::Every { between, repair } => (Some(between), Some(repair)),
            _ => (None, None),
        };
        let scaling = self.scaling.as_ref();
        let times = [
            ("--ttft", self.targets.first_token, 1e-9),
            ("--tpot", self.targets.token_interval, 1e-9),
            ("--latency", self.targets.whole, 1e-9),
            ("--horizon", self.horizon, 1e-9),
            ("--mtbf", between, 1.0),
            ("--repair", repair, 0.0),
            ("--scale-interval", scaling.map(|it| it.interval), 1e-3),
            ("--start-up", scaling.map(|it| it.beside), 0.0),
        ];
        for (name, time, least) in times {
            if time.is_some_and(|time| !(least..=1e9).contains(&time.get())) {
                let help = format!("write a time of at least {}", Seconds::new(least));
                return wrong(format!("{name} is out of range"), help);
            }
        }
        Ok(())
    }

    /// What instances schedule by: blocks, room on the host, drafts.
    fn check_scheduling(&self) -> Result<(), Diagnostic> {
        let block = self.block_tokens;
        if !(1..=MOST_BLOCK_TOKENS).contains(&block) {
            let help = format!("write a number of tokens from 1 to {MOST_BLOCK_TOKENS}");
            return wrong("--block-size is out of range".to_owned(), help);
        }
        if self.prefix_cache && !MOONCAKE_HASH_TOKENS.is_multiple_of(block) {
            let message = format!(
                "--block-size {block} does not divide the {MOONCAKE_HASH_TOKENS} tokens of a shared part"
            );
            let help =
                format!("write a power of two up to {MOONCAKE_HASH_TOKENS}, or --no-prefix-cache");
            return wrong(message, help);
        }
        let room = |bytes: Bytes| (0.0..=1e15).contains(&bytes.get());
        if !self.swap.is_none_or(room) {
            let help = "write the host's memory for each chip, such as \"4 GiB\"";
            return wrong("--swap-space is out of range".to_owned(), help.to_owned());
        }
        match limits::drafts(self.drafted_tokens, self.accepted_tokens) {
            None => Ok(()),
            Some((field, what)) => {
                let help = "write both, such as --drafted 3 --accepted 1.8";
                let message = format!("{} {}", option(field), options_in(&what));
                wrong(message, help.to_owned())
            }
        }
    }
}

/// Most tokens of a block.
const MOST_BLOCK_TOKENS: u32 = 4096;

/// Requests of a trace at most.
pub(super) fn most(limit: Option<u64>) -> usize {
    limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    })
}

fn wrong<T>(message: String, help: String) -> Result<T, Diagnostic> {
    Err(Diagnostic::new(Code::Usage, message).help(help))
}

/// Reads the name of a router.
///
/// # Errors
/// When there is none of that name.
pub fn parse_router(text: &str) -> Result<Router, Diagnostic> {
    match text {
        "round-robin" => Ok(Router::RoundRobin),
        "least-loaded" => Ok(Router::LeastLoaded),
        "kv" => Ok(Router::KvAware {
            prefill_weight: PREFILL_WEIGHT,
        }),
        _ => wrong(
            format!("there is no router \"{text}\""),
            "one of round-robin, least-loaded, kv".to_owned(),
        ),
    }
}

/// Name of a router.
#[must_use]
pub const fn router_name(router: Router) -> &'static str {
    match router {
        Router::RoundRobin => "round-robin",
        Router::LeastLoaded => "least-loaded",
        Router::KvAware { .. } => "kv",
    }
}

/// Reads `PREFILL:DECODE` instances.
///
/// # Errors
/// When it is none.
pub fn parse_split(text: &str) -> Result<(u32, u32), Diagnostic> {
    let read = || {
        let (prefill, decode) = text.split_once(':')?;
        Some((prefill.trim().parse().ok()?, decode.trim().parse().ok()?))
    };
    match read() {
        Some(split) => Ok(split),
        None => wrong(
            format!("\"{text}\" is no split of instances"),
            "write PREFILL:DECODE, such as 2:6".to_owned(),
        ),
    }
}

/// Reads a length, or two with `..` between, both included.
///
/// # Errors
/// When it is none.
pub fn parse_lengths(text: &str) -> Result<Lengths, Diagnostic> {
    let read = || {
        let (least, most) = text.split_once("..").unwrap_or((text, text));
        let most = most.strip_prefix('=').unwrap_or(most);
        let (least, most) = (least.trim().parse().ok()?, most.trim().parse().ok()?);
        (least <= most && most <= 1 << 24).then_some(Lengths { least, most })
    };
    match read() {
        Some(lengths) => Ok(lengths),
        None => wrong(
            format!("\"{text}\" is no length in tokens"),
            "write a number of tokens, such as 1024, or a range, such as 800..1000".to_owned(),
        ),
    }
}

/// Reads how synthetic requests arrive, and how many are under way at once with a closed loop.
///
/// # Errors
/// When it is none.
pub fn parse_process(text: &str) -> Result<(Process, Option<u32>), Diagnostic> {
    let words: Vec<&str> = text.split(':').map(str::trim).collect();
    let number = |word: &str| word.parse::<f64>().ok().filter(|number| *number > 0.0);
    let read = || match words[..] {
        ["at-once"] => Some((Process::AtOnce, None)),
        ["uniform", rate] => Some((
            Process::Uniform {
                rate: number(rate)?,
            },
            None,
        )),
        ["poisson", rate] => Some((
            Process::Poisson {
                rate: number(rate)?,
            },
            None,
        )),
        ["gamma", rate, variation] => Some((
            Process::Gamma {
                rate: number(rate)?,
                variation: number(variation)?,
            },
            None,
        )),
        ["closed", clients] => {
            let clients = clients.parse().ok().filter(|clients| *clients > 0);
            Some((Process::AtOnce, Some(clients?)))
        }
        _ => None,
    };
    match read() {
        Some(process) => Ok(process),
        None => wrong(
            format!("\"{text}\" is no arrival process"),
            "write poisson:RATE, gamma:RATE:VARIATION, uniform:RATE, closed:CONCURRENCY or at-once; rates in requests a second"
                .to_owned(),
        ),
    }
}
