//! Instances that come and go: failures, repairs, scaling.

use chokepoint_diag::Diagnostic;

use super::{Observer, Sim, Timer};
use crate::random::Random;
use crate::request::{Outcome, Phase, Request};
use crate::time::Femtos;

/// Whether an instance takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Switched off.
    #[default]
    Off,
    /// Switched on, not ready yet.
    Starting,
    /// Takes requests.
    Up,
    /// Finishes what it has.
    Draining,
    /// Failed, being repaired.
    Failed,
}

/// State of an instance and how it got there.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Status {
    state: State,
    /// When it came up.
    since: Femtos,
    /// How often it came up.
    starts: u32,
    /// How often it was switched on or off, or failed: what was set before that means nothing.
    changes: u32,
}

impl Status {
    pub(crate) fn takes_requests(&self) -> bool {
        self.state == State::Up
    }

    fn counts(&self) -> bool {
        matches!(self.state, State::Up | State::Draining)
    }
}

impl<I, O> Sim<'_, I, O>
where
    I: Iterator<Item = Result<Request, Diagnostic>>,
    O: Observer,
{
    /// Instances at the start, failures at given times, the first decision on scaling.
    pub(super) fn start_instances(&mut self) {
        let least = self.fleet.scaling.map_or(u32::MAX, |scaling| scaling.least);
        for index in 0..self.instances.len().min(least as usize) {
            self.come_up(index);
        }
        for failure in &self.fleet.failures {
            if let (Some(at), Some(repair)) = (Femtos::of(failure.at), Femtos::of(failure.repair)) {
                self.set_timer(at, Timer::Fail(failure.instance, repair));
            }
        }
        self.next_decision();
    }

    /// An instance that was switched on, or repaired, takes requests, unless it was switched off
    /// meanwhile.
    pub(super) fn ready(&mut self, index: usize, changes: u32) {
        if self.statuses[index].changes == changes {
            self.come_up(index);
        }
    }

    /// An instance will take requests after a time.
    fn come_up_after(&mut self, index: usize, state: State, time: Femtos) {
        let status = &mut self.statuses[index];
        status.state = state;
        status.changes += 1;
        let timer = Timer::Up(index as u32, status.changes);
        self.set_timer(self.now + time, timer);
    }

    /// An instance takes requests from now on.
    fn come_up(&mut self, index: usize) {
        let status = &mut self.statuses[index];
        status.state = State::Up;
        status.since = self.now;
        status.starts += 1;
        let starts = status.starts;
        if let Some(random) = self.fleet.random_failures {
            let stream = (index as u64) << 32 | u64::from(starts);
            let drawn = Random::new(random.seed, stream).exponential();
            if let Some(time) = Femtos::of(random.mean_time_between * drawn) {
                self.set_timer(self.now + time, Timer::FailByChance(index as u32, starts));
            }
        }
        self.route_stranded();
    }

    pub(super) fn fail_by_chance(&mut self, index: usize, starts: u32) {
        let repair = self
            .fleet
            .random_failures
            .and_then(|r| Femtos::of(r.repair));
        if let Some(repair) = repair
            && self.statuses[index].starts == starts
        {
            self.fail(index, repair);
        }
    }

    /// An instance fails: its requests go to others, to compute again all that they had.
    pub(super) fn fail(&mut self, index: usize, repair: Femtos) {
        if !self.statuses[index].counts() {
            return;
        }
        self.stop_counting(index);
        self.come_up_after(index, State::Failed, repair);
        self.clear_link(index);
        let lost = self.instances[index].fail(self.now, &mut self.live);
        self.instances[index].tally.failures += 1;
        self.tree.set(index, Femtos::NEVER);
        for place in lost {
            let request = &mut self.live[place];
            request.phase = Phase::Waiting;
            request.target = request.input + request.made;
            request.done = 0;
            request.retries += 1;
            if request.retries > self.fleet.most_retries {
                self.end(place, Outcome::RejectedRetries);
            } else {
                self.route(place);
            }
        }
    }

    /// Ends the time for which an instance counts as up.
    pub(super) fn stop_counting(&mut self, index: usize) {
        let status = self.statuses[index];
        if status.counts() {
            self.instances[index].tally.up += self.now - status.since;
            self.statuses[index].since = self.now;
        }
    }

    /// Switches off an instance that is to go and has nothing left.
    pub(super) fn retire(&mut self, index: usize) {
        let drained = self.statuses[index].state == State::Draining;
        if drained && self.instances[index].load() == 0 {
            self.stop_counting(index);
            self.statuses[index].state = State::Off;
        }
    }

    fn next_decision(&mut self) {
        let interval = self.fleet.scaling.and_then(|s| Femtos::of(s.interval));
        if let Some(interval) = interval {
            self.set_timer(self.now + interval, Timer::Scale);
        }
    }

    /// As many instances as bring the requests on each to the target.
    pub(super) fn scale(&mut self) {
        let Some(scaling) = self.fleet.scaling else {
            return;
        };
        let wanted = (self.live.len() as f64 / scaling.target_requests).ceil() as usize;
        let wanted = wanted.clamp(scaling.least as usize, self.instances.len());
        let gone = |state| matches!(state, State::Off | State::Draining);
        let there = self.statuses.iter().filter(|s| !gone(s.state)).count();
        if wanted > there {
            let start_up = Femtos::of(scaling.start_up).unwrap_or_default();
            self.grow(wanted - there, start_up);
        } else {
            self.shrink(there - wanted);
        }
        self.next_decision();
    }

    /// Brings back those that are about to go, then switches others on.
    fn grow(&mut self, mut missing: usize, start_up: Femtos) {
        for state in [State::Draining, State::Off] {
            for index in 0..self.instances.len() {
                if missing == 0 || self.statuses[index].state != state {
                    continue;
                }
                missing -= 1;
                if state == State::Draining {
                    self.statuses[index].state = State::Up;
                } else {
                    self.come_up_after(index, State::Starting, start_up);
                }
            }
        }
    }

    /// Lets the last ones go, those first that have not started yet.
    fn shrink(&mut self, mut surplus: usize) {
        for state in [State::Starting, State::Up] {
            for index in (0..self.instances.len()).rev() {
                if surplus == 0 || self.statuses[index].state != state {
                    continue;
                }
                surplus -= 1;
                if state == State::Starting {
                    self.statuses[index].state = State::Off;
                    self.statuses[index].changes += 1;
                } else {
                    self.statuses[index].state = State::Draining;
                    self.retire(index);
                }
            }
        }
    }
}
