//! A serving plan as instances of the replay: their pools, how each schedules, what room it has, and how
//! keys and values move between them.
//!
//! What happens between iterations is the replay's; the time of an iteration is [`InstanceTime`]'s.

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_replay::{Engine, Fleet, Pool as Instances, Preemption, Role, Transfer};
use chokepoint_serve::{Case, Instance, Plan, Pool};
use chokepoint_units::Bytes;

use crate::step_time::InstanceTime;

/// How instances schedule, where that is not their engine's alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scheduling {
    /// Whether requests have many lengths, of which the case has the means.
    pub many_lengths: bool,
    /// Whether the batch of a pool is the most sequences of each of its batches; else the engine's
    /// limit is.
    pub capped: bool,
    /// Whether prompts share their prefixes.
    pub prefix_cache: bool,
    /// Tokens of a block of the cache.
    pub block_tokens: u32,
    /// Memory of the host for each chip to which keys and values go that lost their room; without, they
    /// are computed again.
    pub swap: Option<Bytes>,
}

/// The instances of a plan, with the times of their iterations.
pub(crate) struct PlanInstances<'a> {
    plan: Plan,
    prefill: Option<InstanceTime<'a>>,
    decode: InstanceTime<'a>,
}

impl<'a> PlanInstances<'a> {
    pub(crate) fn new(case: &'a Case<'a>, plan: &Plan) -> Self {
        let time = |pool: &Pool| InstanceTime::new(instance(case, plan, pool));
        Self {
            plan: *plan,
            prefill: plan.prefill.as_ref().map(time),
            decode: time(&plan.decode),
        }
    }

    /// Iteration times of each instance, in the order of the fleet.
    pub(crate) fn times(&self) -> Vec<&InstanceTime<'a>> {
        let prefill = self.plan.prefill.map_or(0, |pool| pool.instances);
        let of_prefill = self.prefill.iter().cycle().take(whole(prefill) as usize);
        let decode = std::iter::repeat_n(&self.decode, whole(self.plan.decode.instances) as usize);
        of_prefill.chain(decode).collect()
    }

    /// The fleet, routed to the instance with the fewest requests, that ends when all are answered.
    ///
    /// # Errors
    /// When what is asked for needs a figure that the chip lacks.
    pub(crate) fn fleet(&self, scheduling: &Scheduling) -> Result<Fleet<'_>, Diagnostic> {
        let decode = &self.plan.decode;
        let of_decode = self.engine(&self.decode, decode, scheduling)?;
        let mut fleet = Fleet::of(whole(decode.instances), of_decode, &self.decode);
        if let (Some(pool), Some(time)) = (&self.plan.prefill, &self.prefill) {
            let of_prefill = self.engine(time, pool, scheduling)?;
            let of_prefill = if scheduling.capped {
                whole_prompts(of_prefill, time)
            } else {
                of_prefill
            };
            let pool = Instances {
                role: Role::Prefill,
                instances: whole(pool.instances),
                engine: of_prefill,
                time,
            };
            let decode = Instances {
                role: Role::Decode,
                ..fleet.pools[0]
            };
            fleet.transfer = Some(transfer(time.instance()));
            fleet.pools = vec![pool, decode];
        }
        Ok(fleet)
    }

    fn engine(
        &self,
        time: &InstanceTime<'_>,
        pool: &Pool,
        scheduling: &Scheduling,
    ) -> Result<Engine, Diagnostic> {
        let engine = if scheduling.many_lengths {
            time.engine_of_trace()
        } else {
            time.engine()
        };
        let most = if scheduling.capped {
            whole((pool.batch as f64 * time.batches()) as u64)
        } else {
            u32::MAX
        };
        Ok(Engine {
            max_sequences: engine.max_sequences.min(most),
            block_tokens: scheduling.block_tokens,
            blocks: engine.blocks * u64::from(engine.block_tokens)
                / u64::from(scheduling.block_tokens),
            prefix_cache: scheduling.prefix_cache,
            preemption: preemption(time.instance(), scheduling)?,
            ..engine
        })
    }
}

/// An instance of a pool of a plan.
pub(crate) const fn instance<'a>(case: &'a Case<'a>, plan: &Plan, pool: &Pool) -> Instance<'a> {
    Instance {
        case,
        layout: pool.layout,
        precision: plan.precision,
    }
}

/// A count that is a number of instances or sequences.
fn whole(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// An engine that computes whole prompts, as many at once as it takes: what a plan's prefill pool does
/// in steady state.
fn whole_prompts(engine: Engine, time: &InstanceTime<'_>) -> Engine {
    let prompt = time.instance().case.workload.computed_input();
    let tokens = (prompt.ceil() * f64::from(engine.max_sequences)) as u32;
    Engine {
        max_tokens: engine.max_tokens.max(tokens),
        ..engine
    }
}

/// What becomes of a sequence whose room another one needs.
///
/// A block's bytes cross the link of each chip that holds a part of them, all at once. The blocks of a
/// sequence are on the chips of one attention group, those of several sequences are taken one after the
/// other; stages hold the blocks of their layers, each its share.
fn preemption(instance: &Instance<'_>, scheduling: &Scheduling) -> Result<Preemption, Diagnostic> {
    let Some(room) = scheduling.swap else {
        return Ok(Preemption::Recompute);
    };
    let chip = instance.case.chip;
    let Some(link) = chip.host else {
        let message = format!("the bandwidth of {} to its host is not known", chip.id);
        let help = "write --preemption recompute, or give the chip a host link in --data";
        return Err(Diagnostic::new(Code::Value, message).help(help));
    };
    let block = held(instance, f64::from(scheduling.block_tokens));
    let groups = instance.layout.dp as f64;
    Ok(Preemption::Swap {
        host_blocks: (room / block * groups) as u64,
        block_time: block / link,
    })
}

/// Bytes of some tokens of a sequence on each chip that holds a part of them.
fn held(instance: &Instance<'_>, tokens: f64) -> Bytes {
    let layout = &instance.layout;
    let architecture = instance.case.architecture;
    architecture.kv_bytes(instance.precision.cache, layout.tp, tokens) / layout.pp as f64
}

/// Each chip sends its share of a prompt's keys and values over the scale-out network; attention groups
/// send side by side, as one link as wide as all of theirs, through which a prompt that leaves alone is
/// that much too fast.
pub(crate) fn transfer(instance: &Instance<'_>) -> Transfer {
    let Instance { case, layout, .. } = instance;
    let input = case.workload.input as f64;
    let share = held(instance, input);
    let latency = case.fabric.across(Bytes::ZERO);
    let layers = u32::try_from(case.architecture.layers.len()).unwrap_or(u32::MAX);
    let of_group = share / (case.fabric.across(share) - latency);
    Transfer {
        bandwidth: of_group * layout.dp as f64,
        bytes_per_token: share / input,
        latency,
        overlapped_layers: case.software.layerwise_transfer.then_some(layers.max(1)),
    }
}
