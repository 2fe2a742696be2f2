//! The traffic of a step, as a simulator of networks wants it: for each kind one message of one
//! group, and what of it may run at once.
//!
//! Limits: a kind stands with its largest message (dispatch of experts: the one in the format of the
//! multiplication), of the layers that the stage which sets the pace has most time of; gradients
//! leave layer by layer. A dispatch is an all-to-all of what crosses the links of cards, so that its
//! fan-out inside domains counts for less. Traffic of the model's ends, of copies of shards (HSDP)
//! and of chips that share experts is left out.

use chokepoint_fabric::algorithm::Collective;
use chokepoint_fabric::{Dispatch, Fabric, Group};
use chokepoint_model::{LayerKind, Recompute};
use chokepoint_units::{Bytes, Seconds};

use crate::evaluate::plan_stages;
use crate::exchange::{step_exchanges, times_of_exchange};
use crate::layer::{LayerBase, LayerTable, Spread, layer_table, with_spread};
use crate::memory::parameters;
use crate::pipeline::{boundary, pace, rank_times};
use crate::slowdown::TrafficKind;
use crate::stage::Stage;
use crate::variant::wires;
use crate::{Case, ContextExchange, Plan, PlanError};

/// A message of a group of chips.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Message {
    /// What they do.
    pub collective: Collective,
    /// Size, in the convention of nccl-tests.
    pub size: Bytes,
    /// Which chips.
    pub group: Group,
}

impl Message {
    /// Its time by the formulas that a step is predicted with.
    #[must_use]
    pub fn time(&self, fabric: &Fabric) -> Seconds {
        let (group, size) = (self.group, self.size);
        match self.collective {
            Collective::AllReduce => fabric.all_reduce(group, size),
            Collective::ReduceScatter => fabric.reduce_scatter(group, size),
            Collective::AllGather => fabric.all_gather(group, size),
            Collective::AllToAll => fabric.all_to_all(group, size),
            Collective::Broadcast | Collective::SendReceive => fabric.send(group, size),
        }
    }
}

/// One kind of traffic of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepTraffic {
    /// Kind.
    pub kind: TrafficKind,
    /// One message of it.
    pub message: Message,
    /// Time of a message by formulas.
    pub time: Seconds,
    /// Time of all its messages in a step on one chip, hidden or not.
    pub in_step: Seconds,
    /// Of that, what falls in the passes under which gradients and weights are exchanged: of one
    /// micro-batch, or of all where they are exchanged for each.
    pub under_exchange: Seconds,
    /// Whether it is held up by the wires between domains, not by those inside.
    pub between: bool,
}

/// The traffic of a plan's step.
///
/// # Errors
/// When the plan makes no sense for the case.
pub fn step_traffic(case: &Case, plan: &Plan) -> Result<Vec<StepTraffic>, PlanError> {
    plan.check(case)?;
    let table = layer_table(case, plan);
    let variant = table.variant(plan);
    let stages = plan_stages(case, plan, &variant);
    let micro_batches = plan.micro_batches(case.workload.global_batch);
    let mut ranks = Vec::new();
    rank_times(plan, &variant, &stages, &mut ranks);
    let pace = pace(plan, micro_batches, &ranks, &stages);
    let stage = &stages[pace.index];
    let mut all = of_layers(case, plan, &table, stage);
    if plan.pp > 1 {
        let message = Message {
            collective: Collective::SendReceive,
            size: boundary(case, plan),
            group: plan.stages(),
        };
        let sends = (2 * plan.vp * micro_batches) as f64;
        let time = message.time(case.fabric);
        all.push(traffic(
            (case, plan),
            TrafficKind::Pipeline,
            message,
            time * sends,
        ));
    }
    let held = parameters(plan, &table, &stages, pace.index);
    let several = |(_, layer): &(_, Message)| layer.group.size > 1;
    for (whole, layer) in step_exchanges(case, plan, held).filter(several) {
        let in_step = times_of_exchange(plan, &whole, micro_batches as f64);
        all.push(traffic((case, plan), TrafficKind::Data, layer, in_step));
    }
    Ok(all)
}

fn traffic(
    (case, plan): (&Case, &Plan),
    kind: TrafficKind,
    message: Message,
    in_step: Seconds,
) -> StepTraffic {
    let passes = if plan.exchanges_each_time() {
        1.0
    } else {
        plan.micro_batches(case.workload.global_batch) as f64
    };
    StepTraffic {
        kind,
        message,
        time: message.time(case.fabric),
        in_step,
        under_exchange: in_step / passes,
        between: wires(message.group, case.fabric.domain) > 0,
    }
}

/// Traffic of the layers of a stage.
fn of_layers(case: &Case, plan: &Plan, table: &LayerTable, stage: &Stage) -> Vec<StepTraffic> {
    let again = if plan.recompute == Recompute::Full {
        1.0
    } else {
        0.0
    };
    let context = |layer: &LayerBase| layer.context[plan.context as usize];
    type Time<'a> = (TrafficKind, Box<dyn Fn(&LayerBase) -> Seconds + 'a>);
    let times: [Time; 3] = [
        (
            TrafficKind::Tensor,
            Box::new(|layer| layer.tensor * (2.0 + again)),
        ),
        (
            TrafficKind::Context,
            Box::new(|layer| context(layer).0 * (1.0 + again) + context(layer).1),
        ),
        (
            TrafficKind::Expert,
            Box::new(|layer| layer.expert_forward * (1.0 + again) + layer.expert_backward),
        ),
    ];
    let micro_batches = plan.micro_batches(case.workload.global_batch) as f64;
    let kinds = &case.architecture.kinds;
    let mut all = Vec::new();
    for (kind, time) in times {
        let (mut sum, mut most) = (Seconds::ZERO, None);
        for ((layer, count), shape) in table.layers.iter().zip(&stage.counts).zip(kinds) {
            let own = time(layer) * f64::from(*count);
            sum += own;
            if own > most.map_or(Seconds::ZERO, |(known, _)| known) {
                most = Some((own, shape));
            }
        }
        let message = most.and_then(|(_, shape)| {
            with_spread(case, plan, |spread| {
                of_layer(spread, case, plan, (kind, shape))
            })
        });
        if let Some(message) = message {
            all.push(traffic((case, plan), kind, message, sum * micro_batches));
        }
    }
    all
}

/// A message of a kind of traffic of a kind of layer.
fn of_layer(
    spread: &Spread,
    case: &Case,
    plan: &Plan,
    (kind, shape): (TrafficKind, &LayerKind),
) -> Option<Message> {
    let message = |collective, size, (number, stride): (u64, u64)| Message {
        collective,
        size,
        group: Group {
            size: number,
            stride,
        },
    };
    match kind {
        TrafficKind::Tensor => {
            let collective = if plan.tensor.splits_sequence() {
                Collective::AllGather
            } else {
                Collective::AllReduce
            };
            let size = spread.boundary(case.architecture.hidden);
            Some(message(collective, size, (plan.tp, 1)))
        }
        TrafficKind::Context => {
            let (keys, queries) = spread.attended(&shape.attention);
            let (collective, size) = match plan.context {
                ContextExchange::Ring => (Collective::SendReceive, keys),
                ContextExchange::AllGather => (Collective::AllGather, keys * plan.cp as f64),
                ContextExchange::AllToAll => (Collective::AllToAll, keys + queries),
            };
            Some(message(collective, size, (plan.cp, plan.tp)))
        }
        TrafficKind::Expert => {
            let group = (plan.ep, plan.etp);
            let dispatch = spread.dispatch(&shape.feed_forward, plan.format);
            let dispatch = dispatch.filter(|_| plan.ep > 1)?;
            let copies = copies(&dispatch, group, case.fabric.domain);
            let size = dispatch.token * (dispatch.tokens * copies);
            Some(message(Collective::AllToAll, size, group))
        }
        TrafficKind::Pipeline | TrafficKind::Data => None,
    }
}

/// Copies of a token: to each distinct domain, or inside one to each distinct rank.
fn copies(dispatch: &Dispatch, (size, stride): (u64, u64), domain: u64) -> f64 {
    let (inside, domains) = Group { size, stride }.split(domain);
    dispatch.distinct_domains(if domains > 1 { domains } else { inside })
}

/// What of a step's traffic runs at once, by place in it.
///
/// As the step is predicted: a chip's tensor-, context- and expert-parallel traffic follow one
/// another, each behind or under compute of its own; transfers between stages go on beside them;
/// the exchange of gradients and weights, where it is overlapped, takes the wires that the layers'
/// traffic leaves free, so that it runs beside such as is held up by other wires. Gradients of
/// experts follow the others.
#[must_use]
pub fn concurrent(plan: &Plan, traffic: &[StepTraffic]) -> Vec<Vec<usize>> {
    let places = |wanted: fn(TrafficKind) -> bool| {
        let all = traffic.iter().enumerate();
        let found = all.filter(move |(_, it)| wanted(it.kind)).map(|(at, _)| at);
        let mut all: Vec<Option<usize>> = found.map(Some).collect();
        all.push(None);
        all
    };
    let layers = places(|kind| kind < TrafficKind::Pipeline);
    let pipeline = places(|kind| kind == TrafficKind::Pipeline)[0];
    let mut moments: Vec<Vec<usize>> = Vec::new();
    for layer in &layers {
        for data in places(|kind| kind == TrafficKind::Data) {
            let same = |layer: usize, data: usize| traffic[layer].between == traffic[data].between;
            let beside = match (*layer, data) {
                (Some(layer), Some(data)) => plan.overlap_dp && !same(layer, data),
                (None, Some(_)) => plan.overlap_dp,
                _ => true,
            };
            let data = data.filter(|_| beside);
            let moment: Vec<usize> = [*layer, pipeline, data].into_iter().flatten().collect();
            let within = |other: &Vec<usize>| moment.iter().all(|it| other.contains(it));
            if moment.len() > 1 && !moments.iter().any(within) {
                moments.retain(|other| !other.iter().all(|it| moment.contains(it)));
                moments.push(moment);
            }
        }
    }
    moments
}
