//! A replay whose plan is known: the fleet, the load, what was measured.

use chokepoint_catalog::ServingEngine;
use chokepoint_diag::Diagnostic;
use chokepoint_replay::{
    Distribution, Engine, Fleet, Load, Observer, Pool, Request, Role, Summary, Targets, replay,
};
use chokepoint_serve::Instance;
use chokepoint_units::{Energy, Seconds};

use super::layout;
use super::meter::{Activity, Meter};
use super::request::{ReplayRequest, ReplaySource, most};
use super::result::ReplayFound;
use crate::step_time::InstanceTime;

/// A replay whose plan is known.
pub(super) struct Deployed<'a> {
    pub(super) request: &'a ReplayRequest,
    pub(super) engine: &'a ServingEngine,
    pub(super) instance: Instance<'a>,
}

impl Deployed<'_> {
    /// Replays.
    ///
    /// # Errors
    /// What is wrong with the load.
    pub(super) fn run<I, O>(
        &self,
        open: &mut dyn FnMut() -> Result<I, Diagnostic>,
        observer: &mut O,
    ) -> Result<ReplayFound, Diagnostic>
    where
        I: Iterator<Item = Result<Request, Diagnostic>>,
        O: Observer,
    {
        let time = InstanceTime::new(self.instance);
        let fleet = self.fleet(&time);
        let host = self.engine.request_host.value;
        let times = vec![&time; fleet.instances() as usize];
        let mut meter = Meter::new(observer, host, times);
        let mut summary = match &self.request.source {
            ReplaySource::Synthetic { drawn, concurrency } => {
                let requests = drawn.draw()?;
                let load = match *concurrency {
                    Some(concurrency) => Load::Closed {
                        requests,
                        concurrency,
                    },
                    None => Load::Timed(requests),
                };
                replay(&fleet, load, &mut meter)?
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
                replay(&fleet, Load::Timed(requests), &mut meter)?
            }
        };
        let (energy, activity) = meter.finish(&summary);
        for answer in [&mut summary.first_token, &mut summary.whole]
            .into_iter()
            .flatten()
        {
            *answer = later(answer, host);
        }
        Ok(self.found(&fleet, summary, energy, activity))
    }

    fn found(
        &self,
        fleet: &Fleet<'_>,
        summary: Summary,
        energy: Energy,
        activity: Activity,
    ) -> ReplayFound {
        let layout = self.instance.layout;
        let empty = self.instance.memory(0);
        let split = self.request.disaggregate;
        ReplayFound {
            layout,
            precision: self.instance.precision,
            instances: split.map_or((fleet.instances(), None), |(prefill, decode)| {
                (u64::from(prefill), Some(u64::from(decode)))
            }),
            chips: fleet.instances() * layout.chips(),
            engine: self.scheduling(),
            cache: empty.usable - empty.total,
            summary,
            energy,
            activity,
        }
    }

    fn scheduling(&self) -> Engine {
        Engine {
            prefix_cache: self.request.prefix_cache,
            ..InstanceTime::new(self.instance).engine_of_trace()
        }
    }

    fn fleet<'a>(&self, time: &'a InstanceTime<'a>) -> Fleet<'a> {
        let request = self.request;
        let engine = self.scheduling();
        let count = layout::instances(request, &self.instance.layout);
        let host = self.engine.request_host.value;
        let mut fleet = Fleet::of(u32::try_from(count).unwrap_or(u32::MAX), engine, time);
        if let Some((prefill, decode)) = request.disaggregate {
            let pool = |role, instances| Pool {
                role,
                instances,
                engine,
                time,
            };
            fleet.pools = vec![pool(Role::Prefill, prefill), pool(Role::Decode, decode)];
            fleet.transfer = Some(time.transfer());
        }
        let within = |target: Option<Seconds>| target.map(|target| target - host);
        fleet.targets = Targets {
            first_token: within(request.targets.first_token),
            whole: within(request.targets.whole),
            ..request.targets
        };
        fleet.router = request.router;
        fleet.horizon = request.horizon;
        fleet
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
