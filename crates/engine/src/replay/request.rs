//! What is asked of a replay, and its parts as they are written on a command line.

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_replay::{Lengths, Process, Router, Synthetic, Targets};
use chokepoint_units::{NumberFormat, Seconds};

/// Most instances and chips: ten times the largest deployment published.
const MOST_INSTANCES: u64 = 4096;
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
    /// How an instance is spread, as "tp=8"; searched where absent.
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
        let times = [
            ("--ttft", self.targets.first_token),
            ("--tpot", self.targets.token_interval),
            ("--horizon", self.horizon),
        ];
        for (name, time) in times {
            if time.is_some_and(|time| !(1e-9..=1e9).contains(&time.get())) {
                return wrong(
                    format!("{name} is out of range"),
                    "write a positive time".to_owned(),
                );
            }
        }
        Ok(())
    }
}

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

/// Reads a time with its unit.
///
/// # Errors
/// When it is none.
pub fn parse_time(text: &str) -> Result<Seconds, Diagnostic> {
    let time = chokepoint_units::parse_quantity(chokepoint_units::Dimension::Time, text);
    time.map(Seconds::new).map_err(|error| {
        Diagnostic::new(Code::Usage, format!("\"{text}\" is no time: {error}"))
            .help("write a number and a unit, such as \"300 ms\" or \"2 s\"")
    })
}
