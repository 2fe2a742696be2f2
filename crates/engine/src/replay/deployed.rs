//! A replay whose plan is known: the fleet, the load, what was measured.

use chokepoint_catalog::{Catalog, ServingEngine};
use chokepoint_diag::Diagnostic;
use chokepoint_replay::{
    Distribution, Engine, Fleet, Load, Observer, Request, Summary, Targets, replay,
};
use chokepoint_serve::{Case, Pool};
use chokepoint_units::Seconds;

use super::layout::Chosen;
use super::meter::Meter;
use super::request::{ReplayRequest, ReplaySource, most};
use super::result::ReplayFound;
use crate::fleet::{PlanInstances, Scheduling, instance};
use crate::resolve::SystemParts;
use crate::row::Statement;

/// A replay whose plan is known.
pub(super) struct Deployed<'a> {
    pub(super) request: &'a ReplayRequest,
    pub(super) engine: &'a ServingEngine,
    pub(super) case: &'a Case<'a>,
    pub(super) chosen: Chosen,
}

impl Deployed<'_> {
    /// Replays, and adds to the notes what to know of it.
    ///
    /// # Errors
    /// What is wrong with the load, or a figure that is missing.
    pub(super) fn run<I, O>(
        &self,
        open: &mut dyn FnMut() -> Result<I, Diagnostic>,
        observer: &mut O,
        setting: (&SystemParts, &Catalog),
        notes: &mut Vec<Statement>,
    ) -> Result<ReplayFound, Diagnostic>
    where
        I: Iterator<Item = Result<Request, Diagnostic>>,
        O: Observer,
    {
        let plan = &self.chosen.plan;
        let host = self.engine.request_host.value;
        let instances = PlanInstances::new(self.case, plan);
        let mut fleet = instances.fleet(&self.scheduling())?;
        self.rule(&mut fleet, host);
        let start_up = self.scale(&mut fleet, setting.0, notes);
        let failures = &self.request.failures;
        fleet.random_failures = failures.rules(plan, setting, self.request.failure_seed, notes)?;
        self.say(&fleet, notes);
        let mut meter = Meter::new(observer, host, instances.times());
        let mut summary = self.replay(&fleet, open, &mut meter)?;
        let (energy, activity) = meter.finish(&summary);
        for answer in [&mut summary.first_token, &mut summary.whole]
            .into_iter()
            .flatten()
        {
            *answer = later(answer, host);
        }
        let empty = instance(self.case, plan, &plan.decode).memory(0);
        let engine = fleet.pools.last().map(|pool| pool.engine);
        let failures = fleet.random_failures;
        Ok(ReplayFound {
            plan: *plan,
            start_up,
            failures: failures.map(|it| (it.mean_time_between, it.repair)),
            engine: engine.unwrap_or_else(|| Engine::with_blocks(0)),
            cache: empty.usable - empty.total,
            summary,
            energy,
            activity,
        })
    }

    fn replay<I, O>(
        &self,
        fleet: &Fleet<'_>,
        open: &mut dyn FnMut() -> Result<I, Diagnostic>,
        observer: &mut O,
    ) -> Result<Summary, Diagnostic>
    where
        I: Iterator<Item = Result<Request, Diagnostic>>,
        O: Observer,
    {
        match &self.request.source {
            ReplaySource::Synthetic { drawn, concurrency } => {
                let requests = drawn.draw()?;
                let load = match *concurrency {
                    Some(concurrency) => Load::Closed {
                        requests,
                        concurrency,
                    },
                    None => Load::Timed(requests),
                };
                replay(fleet, load, observer)
            }
            ReplaySource::Trace {
                rate_scale, limit, ..
            } => {
                let faster = |request: Result<Request, Diagnostic>| {
                    request.map(|mut request| {
                        request.arrival = request.arrival / *rate_scale;
                        request
                    })
                };
                let requests = open()?.take(most(*limit)).map(faster);
                replay(fleet, Load::Timed(requests), observer)
            }
        }
    }

    fn scheduling(&self) -> Scheduling {
        Scheduling {
            many_lengths: true,
            capped: self.chosen.capped,
            prefix_cache: self.request.prefix_cache,
            block_tokens: self.request.block_tokens,
            swap: self.request.swap,
        }
    }

    /// Routing, targets and end; requests reach the engine after the host's time.
    fn rule(&self, fleet: &mut Fleet<'_>, host: Seconds) {
        let request = self.request;
        let within = |target: Option<Seconds>| target.map(|target| target - host);
        fleet.targets = Targets {
            first_token: within(request.targets.first_token),
            whole: within(request.targets.whole),
            ..request.targets
        };
        fleet.router = request.router;
        fleet.horizon = request.horizon;
    }

    /// More or fewer instances with the load, where that is asked for; the time of a start.
    fn scale(
        &self,
        fleet: &mut Fleet<'_>,
        parts: &SystemParts,
        notes: &mut Vec<Statement>,
    ) -> Option<Seconds> {
        let scaling = self.request.scaling?;
        let plan = &self.chosen.plan;
        let one = instance(self.case, plan, &plan.decode);
        let start_up = scaling.start_up(&one, parts.system.node.chips);
        let engine = fleet.pools.first()?.engine;
        let rules = scaling.rules(&engine, self.case, start_up);
        fleet.scaling = Some(rules);
        let values = [
            ("least", scaling.least.to_string()),
            ("most", scaling.most.to_string()),
            ("target", format!("{:.0}", rules.target_requests)),
            ("interval", rules.interval.to_string()),
            ("start", start_up.to_string()),
            ("weights", one.memory(0).weights.to_string()),
            ("rate", scaling.loading.to_string()),
            ("beside", scaling.beside.to_string()),
        ];
        notes.push(Statement::new("replay-scaling", values));
        Some(start_up)
    }

    /// What to know of preemption, drafts, stages and failures.
    fn say(&self, fleet: &Fleet<'_>, notes: &mut Vec<Statement>) {
        let request = self.request;
        let link = self.case.chip.host;
        if let (Some(room), Some(link)) = (request.swap, link) {
            let values = [("room", room.to_string()), ("link", link.to_string())];
            notes.push(Statement::new("replay-swap", values));
        }
        if let (Some(drafted), Some(accepted)) = (request.drafted_tokens, request.accepted_tokens) {
            let counts = [
                ("drafted", drafted.to_string()),
                ("accepted", accepted.to_string()),
            ];
            notes.push(Statement::new("drafts", counts));
        }
        let plan = &self.chosen.plan;
        let staged = |pool: &Pool| pool.layout.pp > 1;
        if plan.prefill.iter().chain([&plan.decode]).any(staged) {
            notes.push(Statement::new("replay-stages", []));
        }
        if let Some(failures) = fleet.random_failures {
            let values = [
                ("between", failures.mean_time_between.to_string()),
                ("repair", failures.repair.to_string()),
                ("seed", failures.seed.to_string()),
            ];
            notes.push(Statement::new("replay-failures", values));
        }
    }
}

/// Times with something that comes before all of them.
fn later(times: &Distribution, before: Seconds) -> Distribution {
    let Distribution {
        count,
        mean_seconds,
        p50_seconds,
        p90_seconds,
        p95_seconds,
        p99_seconds,
        p999_seconds,
        max_seconds,
        relative_error,
    } = *times;
    Distribution {
        count,
        mean_seconds: mean_seconds + before,
        p50_seconds: p50_seconds + before,
        p90_seconds: p90_seconds + before,
        p95_seconds: p95_seconds + before,
        p99_seconds: p99_seconds + before,
        p999_seconds: p999_seconds + before,
        max_seconds: max_seconds + before,
        relative_error,
    }
}
