//! A serving plan as the launch arguments of an engine, and what an engine cannot be told of it.
//! What it does not have is refused rather than left out.

mod arguments;
mod dynamo;
mod sglang;
mod trtllm;
mod vllm;

use chokepoint_model::Architecture;
use chokepoint_serve::{Layout, Plan, Pool, Software, Workload};
use chokepoint_units::NumberFormat;

use crate::row::Statement;

/// Engines that a plan can be written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launcher {
    /// `vllm serve`.
    Vllm,
    /// `sglang.launch_server`.
    Sglang,
    /// `trtllm-serve`.
    Trtllm,
    /// A `DynamoGraphDeployment` of NVIDIA Dynamo, with vLLM in it.
    Dynamo,
}

/// What is written down.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// Model id.
    pub model: &'a str,
    /// System name.
    pub system_name: &'a str,
    /// Maker of the chip.
    pub vendor: &'a str,
    /// Chips of a node.
    pub node_chips: u64,
    /// The model.
    pub architecture: &'a Architecture,
    /// The workload.
    pub workload: &'a Workload,
    /// The engine as predicted.
    pub software: &'a Software,
    /// The plan.
    pub plan: &'a Plan,
}

/// What the instances of a pool do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Prompts and answers.
    Both,
    /// Prompts.
    Prefill,
    /// Answers.
    Decode,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Prefill => "prefill",
            Self::Decode => "decode",
        }
    }
}

impl Launcher {
    /// All engines.
    pub const ALL: [Self; 4] = [Self::Vllm, Self::Sglang, Self::Trtllm, Self::Dynamo];

    /// Name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vllm => "vLLM",
            Self::Sglang => "SGLang",
            Self::Trtllm => "TensorRT-LLM",
            Self::Dynamo => "Dynamo",
        }
    }

    /// The versions whose documents name the arguments.
    const fn version(self) -> &'static str {
        match self {
            Self::Vllm => "vLLM 0.12 and later",
            Self::Sglang => "SGLang 0.5 and later",
            Self::Trtllm => "TensorRT-LLM 1.0 and later",
            Self::Dynamo => "Dynamo 1.0 and later",
        }
    }

    /// What the engine cannot be told of a plan; nothing where it can run it.
    #[must_use]
    pub fn lacks(self, launch: &Launch) -> Option<Statement> {
        let nvidia = matches!(self, Self::Trtllm | Self::Dynamo);
        if nvidia && launch.vendor != "NVIDIA" {
            return Some(self.lacking("launch-chip", [("system", launch.system_name.to_owned())]));
        }
        launch
            .formats()
            .find(|format| !is_served(*format))
            .map(|format| self.lacking("launch-format", [("format", format.to_string())]))
            .or_else(|| self.lacks_cache(launch))
            .or_else(|| {
                let mut pools = launch.pools();
                pools
                    .find_map(|(role, pool)| self.lacks_layout(launch.workload, role, &pool.layout))
            })
    }

    fn lacks_cache(self, launch: &Launch) -> Option<Statement> {
        let cache = launch.plan.precision.cache;
        let known = match self {
            Self::Vllm | Self::Dynamo => vllm::cache(cache).is_some(),
            Self::Sglang => sglang::cache(cache).is_some(),
            Self::Trtllm => trtllm::cache(cache).is_some(),
        };
        (!known).then(|| self.lacking("launch-cache", [("format", cache.to_string())]))
    }

    /// What the engine cannot be told of how an instance is spread.
    pub(crate) fn lacks_layout(
        self,
        workload: &Workload,
        role: Role,
        layout: &Layout,
    ) -> Option<Statement> {
        let vllm = matches!(self, Self::Vllm | Self::Dynamo);
        if vllm && layout.ep > 1 && layout.etp > 1 {
            let degrees = [
                ("ep", layout.ep.to_string()),
                ("etp", layout.etp.to_string()),
            ];
            return Some(self.lacking("launch-split-experts", degrees));
        }
        // vLLM: NIXL pulls from and to instances without stages (issues 40674 and 52913); SGLang: to
        // those without (pull requests 8846 and 14265).
        let handed = if vllm {
            role != Role::Both
        } else {
            self == Self::Sglang && role == Role::Decode
        };
        if handed && layout.pp > 1 {
            let pp = layout.pp.to_string();
            return Some(self.lacking("launch-cache-of-stages", [("pp", pp)]));
        }
        // vLLM: issues 44697, 52069 and 57755; SGLang: `server_args.py`.
        let drafts = workload.speculation.is_some() && role != Role::Prefill;
        if self != Self::Trtllm && drafts && layout.pp > 1 {
            return Some(self.lacking("launch-drafts-in-stages", []));
        }
        if self == Self::Trtllm && layout.tp > 1 && layout.dp > 1 {
            let degrees = [("tp", layout.tp.to_string()), ("dp", layout.dp.to_string())];
            return Some(self.lacking("launch-split-attention", degrees));
        }
        None
    }

    fn lacking<const N: usize>(
        self,
        key: &'static str,
        arguments: [(&'static str, String); N],
    ) -> Statement {
        let mut statement = Statement::new(key, arguments);
        statement.arguments.insert("engine", self.name().to_owned());
        statement
    }
}

/// Formats that engines store and multiply weights in.
const fn is_served(format: NumberFormat) -> bool {
    use NumberFormat::{Bf16, Fp4, Fp8, Fp16, Int8};
    matches!(format, Bf16 | Fp16 | Fp8 | Int8 | Fp4)
}

impl Launch<'_> {
    /// Pools with what they do, prefill first.
    fn pools(&self) -> impl Iterator<Item = (Role, Pool)> {
        let role = if self.plan.prefill.is_some() {
            Role::Decode
        } else {
            Role::Both
        };
        let prefill = self.plan.prefill.map(|pool| (Role::Prefill, pool));
        prefill.into_iter().chain([(role, self.plan.decode)])
    }

    fn formats(&self) -> impl Iterator<Item = NumberFormat> {
        let precision = self.plan.precision;
        [
            precision.attention,
            precision.feed_forward,
            precision.experts,
        ]
        .into_iter()
    }

    /// The format of all linear layers; absent where they differ.
    fn format(&self) -> Option<NumberFormat> {
        let first = self.plan.precision.attention;
        self.formats()
            .all(|format| format == first)
            .then_some(first)
    }

    /// Longest request, with the tokens that are checked at once.
    fn longest(&self) -> u64 {
        let drafted = self.workload.speculation.map_or(0, |it| it.drafted);
        self.workload.input + self.workload.output + drafted
    }

    /// Sequences of each attention group in flight.
    const fn sequences(pool: &Pool) -> u64 {
        pool.batch * pool.layout.pp
    }

    /// Tokens of an iteration of each attention group: a pool of its own computes whole prompts (of
    /// which the first with a prefix finds nothing in the cache), the others what the prediction took as the budget, and at least all that decodes.
    fn tokens(&self, role: Role, pool: &Pool) -> u64 {
        let tokens = if role == Role::Prefill {
            pool.batch as f64 * self.workload.input as f64
        } else {
            let decoding = pool.batch as f64 * self.workload.checked();
            self.software.most_tokens.max(decoding)
        };
        libm::ceil(tokens) as u64
    }

    /// Nodes that an instance spans.
    const fn nodes(&self, layout: &Layout) -> u64 {
        layout.chips().div_ceil(if self.node_chips > 0 {
            self.node_chips
        } else {
            1
        })
    }

    /// Whether the model's own modules draft.
    const fn drafts_itself(&self) -> bool {
        self.architecture.mtp_layers > 0
    }

    /// Comments that stand at the top of every form: what it is, and what is left to the user.
    fn heading(&self, launcher: Launcher) -> Vec<String> {
        let mut lines = vec![
            format!(
                "{} on {} chips of {}: {}",
                self.model,
                self.plan.chips(),
                self.system_name,
                self.plan
            ),
            format!(
                "Written for {}; MODEL is a path or a Hugging Face id.",
                launcher.version()
            ),
        ];
        lines.extend(self.weights(launcher));
        if self.vendor != "NVIDIA" {
            lines.push(format!(
                "{} runs on chips of {} by a port of its own, where the names of quantisation, cache formats and exchange of experts may differ.",
                launcher.name(),
                self.vendor
            ));
        }
        if let Some(speculation) = self.workload.speculation {
            lines.push(format!(
                "Predicted with {} of {} drafted tokens kept in the mean: compare with what the engine reports.",
                speculation.accepted, speculation.drafted
            ));
        }
        if self.workload.imbalance > 1.0 {
            lines.push(format!(
                "The busiest expert rank was taken to have {} times the mean load; balancing of experts is yours.",
                self.workload.imbalance
            ));
        }
        lines
    }

    /// What the checkpoint must be.
    fn weights(&self, launcher: Launcher) -> Option<String> {
        let precision = self.plan.precision;
        match self.format() {
            None => Some(format!(
                "No flag mixes formats: MODEL must be a checkpoint with attention in {}, dense networks in {} and experts in {}.",
                precision.attention, precision.feed_forward, precision.experts
            )),
            Some(format @ (NumberFormat::Fp4 | NumberFormat::Int8)) => Some(format!(
                "MODEL must be a checkpoint quantised to {format}: none is made at start, and what it is made by names its own --quantization."
            )),
            Some(NumberFormat::Fp8) if launcher == Launcher::Trtllm => {
                Some("MODEL must be a checkpoint in fp8: none is made at start.".to_owned())
            }
            Some(NumberFormat::Fp8) => {
                Some("A checkpoint that is in fp8 already needs no --quantization fp8.".to_owned())
            }
            Some(_) => None,
        }
    }
}

/// The launch arguments of an engine for a plan.
///
/// # Errors
/// What the engine cannot be told of the plan.
pub fn launch(launcher: Launcher, launch: &Launch) -> Result<String, Statement> {
    if let Some(lacks) = launcher.lacks(launch) {
        return Err(lacks);
    }
    Ok(match launcher {
        Launcher::Vllm => vllm::commands(launch),
        Launcher::Sglang => sglang::commands(launch),
        Launcher::Trtllm => trtllm::commands(launch),
        Launcher::Dynamo => dynamo::deployment(launch),
    })
}
