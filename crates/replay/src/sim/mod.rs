//! The replay: events in the order of time.
//!
//! At one point in time, first iterations end, then timers go off and requests arrive, then
//! instances plan: whatever is there at that time can join the iteration that starts at it.
//! Timers of the same time go off in the order in which they were set, requests arrive in their
//! own order, instances come in their number's order. Nothing else decides, so the same input
//! gives the same result.

mod changes;
mod load;
mod route;
mod transfer;
mod tree;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use chokepoint_diag::Diagnostic;

use crate::config::Fleet;
use crate::instance::{Instance, Leave, units};
use crate::request::{Live, Outcome, Record, Request, Slab};
use crate::run::Clock;
use crate::summary::{Collector, Span, Summary};
use crate::time::Femtos;
use changes::Status;
use load::Arrivals;
pub use load::Load;
use transfer::Link;
use tree::Tree;

/// Something that happens at a set time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// An instance takes requests from now on, if nothing has changed since that number of changes.
    Up(u32, u32),
    /// An instance fails, to be repaired after a time.
    Fail(u32, Femtos),
    /// The same by chance, if it has been up without a break since that number of starts.
    FailByChance(u32, u32),
    /// Keys and values of a request, in its given admission, have arrived.
    Sent(u32, u64),
    /// More or fewer instances.
    Scale,
}

/// Whoever wants to know what became of each request, as it happens. A closure is one that only
/// hears of requests.
pub trait Observer {
    /// A request has ended.
    fn request(&mut self, record: &Record);

    /// An instance has computed something whole. What a failure ended is not told.
    fn span(&mut self, _span: &Span) {}
}

impl<F: FnMut(&Record)> Observer for F {
    fn request(&mut self, record: &Record) {
        self(record);
    }
}

/// A replay under way.
struct Sim<'a, I, O> {
    fleet: &'a Fleet<'a>,
    now: Femtos,
    arrivals: Arrivals<I>,
    live: Slab,
    instances: Vec<Instance>,
    statuses: Vec<Status>,
    clocks: Vec<Clock<'a>>,
    tree: Tree,
    timers: BinaryHeap<Reverse<(Femtos, u64, Timer)>>,
    timers_set: u64,
    links: Vec<Link>,
    /// Requests without an instance that takes them: for prompts, and for decoding.
    stranded: [VecDeque<u32>; 2],
    /// Where the next round starts: for prompts, and for decoding.
    next_in_turn: [usize; 2],
    /// Instances to plan.
    restless: Vec<u32>,
    leaving: Vec<Leave>,
    collector: Collector,
    observer: &'a mut O,
}

/// Replays a load on a fleet. `observer` hears of every request as it ends: requests are in
/// the order of their ends, the unfinished last.
///
/// # Errors
///
/// A fleet that makes no sense, an error of the load, or an iteration time that cannot be.
pub fn replay<I, O>(
    fleet: &Fleet<'_>,
    load: Load<I>,
    observer: &mut O,
) -> Result<Summary, Diagnostic>
where
    I: Iterator<Item = Result<Request, Diagnostic>>,
    O: Observer,
{
    fleet.check()?;
    let mut sim = Sim::new(fleet, load, observer)?;
    sim.run()?;
    Ok(sim.finish())
}

impl<'a, I, O> Sim<'a, I, O>
where
    I: Iterator<Item = Result<Request, Diagnostic>>,
    O: Observer,
{
    fn new(fleet: &'a Fleet<'a>, load: Load<I>, observer: &'a mut O) -> Result<Self, Diagnostic> {
        let mut instances = Vec::new();
        let mut clocks = Vec::new();
        for (index, pool) in fleet.pools.iter().enumerate() {
            clocks.push(Clock::new(pool.time, units(&pool.engine).0));
            for _ in 0..pool.instances {
                let number = instances.len() as u32;
                let longest = fleet.longest_run;
                let tokens = fleet.hash_tokens;
                let (role, engine) = (pool.role, pool.engine);
                instances.push(Instance::new(number, index, role, engine, tokens, longest));
            }
        }
        let count = instances.len();
        let mut sim = Self {
            fleet,
            now: Femtos::ZERO,
            arrivals: Arrivals::new(load)?,
            live: Slab::default(),
            instances,
            statuses: vec![Status::default(); count],
            clocks,
            tree: Tree::new(count),
            timers: BinaryHeap::new(),
            timers_set: 0,
            links: vec![Link::default(); count],
            stranded: [VecDeque::new(), VecDeque::new()],
            next_in_turn: [0, 0],
            restless: Vec::new(),
            leaving: Vec::new(),
            collector: Collector::new(fleet.targets),
            observer,
        };
        sim.start_instances();
        Ok(sim)
    }

    /// Whether nothing is left to do.
    fn done(&self) -> bool {
        self.arrivals.ended() && self.live.len() == 0
    }

    fn run(&mut self) -> Result<(), Diagnostic> {
        let horizon = self
            .fleet
            .horizon
            .and_then(Femtos::of)
            .unwrap_or(Femtos::NEVER);
        while !self.done() {
            let timer = self
                .timers
                .peek()
                .map_or(Femtos::NEVER, |Reverse(timer)| timer.0);
            let arrival = self.arrivals.time(self.now);
            let next = arrival.min(timer).min(self.tree.earliest());
            if next >= horizon || next == Femtos::NEVER {
                self.now = if horizon == Femtos::NEVER {
                    self.now
                } else {
                    horizon
                };
                return Ok(());
            }
            self.now = next;
            self.complete();
            self.timers_and_arrivals()?;
            self.plan()?;
        }
        Ok(())
    }

    /// Ends the iterations that end now.
    fn complete(&mut self) {
        while self.tree.earliest() == self.now {
            let index = self.tree.first();
            let mut leaving = std::mem::take(&mut self.leaving);
            self.instances[index].complete(self.now, &mut self.live, &mut leaving);
            self.tree.set(index, Femtos::NEVER);
            self.restless.push(index as u32);
            for leave in leaving.drain(..) {
                match leave {
                    Leave::Finished(place) => self.end(place, Outcome::Finished),
                    Leave::Prefilled(place, start) => self.send(index, place, start),
                }
            }
            self.leaving = leaving;
        }
    }

    fn timers_and_arrivals(&mut self) -> Result<(), Diagnostic> {
        loop {
            if let Some(Reverse((time, _, timer))) = self.timers.peek().copied()
                && time <= self.now
            {
                self.timers.pop();
                self.go_off(timer);
            } else if let Some(request) = self.arrivals.take(self.now)? {
                self.arrive(request);
            } else {
                return Ok(());
            }
        }
    }

    fn go_off(&mut self, timer: Timer) {
        match timer {
            Timer::Up(index, changes) => self.ready(index as usize, changes),
            Timer::Fail(index, repair) => self.fail(index as usize, repair),
            Timer::FailByChance(index, starts) => self.fail_by_chance(index as usize, starts),
            Timer::Sent(place, admission) => self.receive(place, admission),
            Timer::Scale => self.scale(),
        }
    }

    fn arrive(&mut self, request: Request) {
        let number = self.collector.requests;
        self.collector.requests += 1;
        let empty = request.input_tokens == 0;
        let live = Live::new(number, self.now, request, self.fleet.hash_tokens);
        let place = self.live.add(live);
        if empty {
            self.end(place, Outcome::RejectedEmpty);
        } else {
            self.route(place);
        }
    }

    /// Starts what standing instances can compute.
    fn plan(&mut self) -> Result<(), Diagnostic> {
        while let Some(number) = self.restless.pop() {
            let index = number as usize;
            let instance = &mut self.instances[index];
            if let Some(span) = instance.ended.take() {
                self.observer.span(&span);
            }
            if instance.idle() {
                let clock = &mut self.clocks[instance.pool];
                instance.plan(self.now, &mut self.live, clock)?;
            }
            self.tree.set(index, instance.next);
            self.retire(index);
        }
        Ok(())
    }

    fn set_timer(&mut self, time: Femtos, timer: Timer) {
        self.timers.push(Reverse((time, self.timers_set, timer)));
        self.timers_set += 1;
    }

    /// A request ends.
    fn end(&mut self, place: u32, outcome: Outcome) {
        let live = &self.live[place];
        let record = live.record(outcome, self.now);
        self.collector
            .add(&record, live.arrival, live.first, self.now);
        self.observer.request(&record);
        self.live.remove(place);
        self.arrivals.release();
    }

    /// Reports what is still under way, and sums up.
    fn finish(mut self) -> Summary {
        for index in 0..self.instances.len() {
            self.instances[index].settle_all(self.now, &mut self.live);
            self.stop_counting(index);
        }
        for place in self.live.in_order() {
            self.end(place, Outcome::Unfinished);
        }
        let instances = self.instances.iter();
        let summaries = instances
            .map(|i| i.tally.summary(i.kv.most_used(), i.kv.evicted))
            .collect();
        self.collector.summary(self.now, summaries)
    }
}
