//! A slow, obvious simulator: every iteration is one event, every sequence is walked at each,
//! and the prefix cache is a list. Written apart from the fast one; the rules are those stated
//! in the documentation of the crate.

use std::collections::VecDeque;

use chokepoint_replay::{Engine, Preemption, Router};

/// Times in femtoseconds: of an iteration with chunks, and the lines of decoding.
#[derive(Debug, Clone)]
pub struct Times {
    pub iteration: u128,
    pub prompt_token: u128,
    pub context_token: u128,
    pub lines: Vec<(u128, u128)>,
    pub copy_block: u128,
}

#[derive(Debug, Clone)]
pub struct Case {
    pub arrival: u128,
    pub input: u64,
    pub output: u64,
    pub class: u8,
    pub ids: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    pub request: usize,
    pub finished: bool,
    pub first: Option<u128>,
    pub end: u128,
    pub instance: Option<usize>,
    pub cached: u64,
    pub preemptions: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum State {
    Queued,
    Swapped,
    Prefill,
    Decode,
}

#[derive(Debug, Clone)]
pub(super) struct Sequence {
    pub(super) case: Case,
    pub(super) request: usize,
    pub(super) state: State,
    pub(super) made: u64,
    pub(super) target: u64,
    pub(super) done: u64,
    /// Tokens stored while decoding.
    pub(super) stored: u64,
    pub(super) held: Vec<u64>,
    pub(super) blocks: u64,
    pub(super) first: Option<u128>,
    pub(super) cached: Option<u64>,
    pub(super) preemptions: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    pub(super) free: u64,
    /// Cached ids with their references; those without are also in `idle`, the oldest first.
    pub(super) cache: Vec<(u64, u64)>,
    pub(super) idle: VecDeque<u64>,
    pub(super) queue: Vec<Sequence>,
    /// In order of admission.
    pub(super) running: Vec<Sequence>,
    pub(super) host: u64,
    /// Parts of prompts in the current iteration, by request, and whether sequences decode.
    pub(super) parts: Vec<(usize, u64)>,
    pub(super) decodes: bool,
    pub(super) end: Option<u128>,
}

pub struct Slow<'a> {
    pub engine: Engine,
    pub times: &'a Times,
    pub hash_tokens: u64,
    pub router: Router,
    pub(super) machines: Vec<Machine>,
    turn: usize,
    fates: Vec<Fate>,
}

impl<'a> Slow<'a> {
    pub fn new(
        engine: Engine,
        times: &'a Times,
        hash_tokens: u64,
        router: Router,
        n: usize,
    ) -> Self {
        let host = match engine.preemption {
            Preemption::Swap { host_blocks, .. } => host_blocks,
            Preemption::Recompute => 0,
        };
        let machine = Machine {
            free: engine.blocks,
            host,
            ..Machine::default()
        };
        Self {
            engine,
            times,
            hash_tokens,
            router,
            machines: vec![machine; n],
            turn: 0,
            fates: Vec::new(),
        }
    }

    pub(super) fn blocks(&self, tokens: u64) -> u64 {
        tokens.div_ceil(u64::from(self.engine.block_tokens))
    }

    pub(super) fn unit(&self) -> u64 {
        self.hash_tokens / u64::from(self.engine.block_tokens)
    }

    pub(super) fn available(&self, m: usize) -> u64 {
        self.machines[m].free + self.machines[m].idle.len() as u64 * self.unit()
    }

    pub fn run(mut self, cases: &[Case]) -> Vec<Fate> {
        let mut next = 0;
        loop {
            let ends = self.machines.iter().filter_map(|m| m.end);
            let arrival = cases.get(next).map(|c| c.arrival);
            let Some(now) = ends.chain(arrival).min() else {
                return self.fates;
            };
            for m in 0..self.machines.len() {
                if self.machines[m].end == Some(now) {
                    self.complete(m, now);
                }
            }
            while cases.get(next).is_some_and(|c| c.arrival == now) {
                self.arrive(next, &cases[next]);
                next += 1;
            }
            for m in 0..self.machines.len() {
                if self.machines[m].end.is_none() {
                    self.plan(m, now);
                }
            }
        }
    }

    fn arrive(&mut self, request: usize, case: &Case) {
        let mut case = case.clone();
        case.ids.truncate((case.input / self.hash_tokens) as usize);
        let fits = self.blocks(case.input + case.output.saturating_sub(1)) <= self.engine.blocks;
        let m = self.choose(&case);
        let sequence = Sequence {
            request,
            state: State::Queued,
            made: 0,
            target: case.input,
            done: 0,
            stored: 0,
            held: Vec::new(),
            blocks: 0,
            first: None,
            cached: None,
            preemptions: 0,
            case,
        };
        if fits {
            self.machines[m].queue.push(sequence);
        } else {
            let arrival = sequence.case.arrival;
            self.fate(None, &sequence, false, arrival);
        }
    }

    fn choose(&mut self, case: &Case) -> usize {
        let count = self.machines.len();
        match self.router {
            Router::RoundRobin => {
                let m = self.turn % count;
                self.turn = m + 1;
                m
            }
            Router::LeastLoaded => (0..count)
                .min_by_key(|&m| self.machines[m].queue.len() + self.machines[m].running.len())
                .unwrap(),
            Router::KvAware { prefill_weight } => {
                let cost = |m: usize| {
                    let machine = &self.machines[m];
                    let hits = self.hits(m, case.input, &case.ids).len() as u64;
                    let queued = machine.queue.iter().filter(|s| s.state == State::Queued);
                    let running = machine.running.iter().filter(|s| s.state == State::Prefill);
                    let backlog: u64 = queued.chain(running).map(|s| s.target - s.done).sum();
                    let computed = backlog + case.input - hits * self.hash_tokens;
                    let kept = (self.engine.blocks - self.available(m))
                        * u64::from(self.engine.block_tokens);
                    prefill_weight * computed as f64 + kept as f64
                };
                (0..count)
                    .min_by(|&a, &b| cost(a).total_cmp(&cost(b)))
                    .unwrap()
            }
        }
    }

    /// Leading ids in the cache, leaving a token to compute.
    pub(super) fn hits(&self, m: usize, target: u64, ids: &[u64]) -> Vec<u64> {
        if !self.engine.prefix_cache {
            return Vec::new();
        }
        let most = ((target - 1) / self.hash_tokens) as usize;
        let there = |id: &&u64| self.machines[m].cache.iter().any(|(other, _)| other == *id);
        ids.iter().take(most).take_while(there).copied().collect()
    }

    fn fate(&mut self, m: Option<usize>, s: &Sequence, finished: bool, end: u128) {
        self.fates.push(Fate {
            request: s.request,
            finished,
            first: s.first,
            end,
            instance: m,
            cached: s.cached.unwrap_or(0),
            preemptions: s.preemptions,
        });
    }

    pub(super) fn take(&mut self, m: usize, blocks: u64) {
        while self.machines[m].free < blocks {
            let machine = &mut self.machines[m];
            let id = machine.idle.pop_front().expect("blocks were available");
            machine.cache.retain(|(other, _)| *other != id);
            self.machines[m].free += self.unit();
        }
        self.machines[m].free -= blocks;
    }

    /// Gives back all that a sequence has.
    pub(super) fn give(&mut self, m: usize, s: &mut Sequence) {
        let unit = self.unit();
        let machine = &mut self.machines[m];
        machine.free += s.blocks - s.held.len() as u64 * unit;
        s.blocks = 0;
        for id in s.held.drain(..).rev() {
            let entry = machine
                .cache
                .iter_mut()
                .find(|(other, _)| *other == id)
                .unwrap();
            entry.1 -= 1;
            if entry.1 == 0 {
                machine.idle.push_back(id);
            }
        }
    }

    fn complete(&mut self, m: usize, now: u128) {
        self.machines[m].end = None;
        let parts = std::mem::take(&mut self.machines[m].parts);
        let mut left = Vec::new();
        if self.machines[m].decodes {
            for s in &mut self.machines[m].running {
                if s.state == State::Decode {
                    s.made += 1;
                    s.stored += 1;
                }
            }
            let running = std::mem::take(&mut self.machines[m].running);
            for s in running {
                if s.state == State::Decode && s.made == s.case.output {
                    left.push(s);
                } else {
                    self.machines[m].running.push(s);
                }
            }
        }
        for (request, tokens) in parts {
            let index = self.machines[m]
                .running
                .iter()
                .position(|s| s.request == request)
                .unwrap();
            let mut s = self.machines[m].running.remove(index);
            s.done += tokens;
            if s.done == s.target {
                self.prompt_done(m, &mut s, now);
            }
            if s.state == State::Decode && s.made == s.case.output {
                left.push(s);
            } else {
                self.machines[m].running.insert(index, s);
            }
        }
        for mut s in left {
            self.give(m, &mut s);
            self.fate(Some(m), &s, true, now);
        }
    }

    fn prompt_done(&mut self, m: usize, s: &mut Sequence, now: u128) {
        s.state = State::Decode;
        s.stored = s.target;
        if s.made < s.case.output {
            s.made += 1;
            s.first.get_or_insert(now);
        }
        if self.engine.prefix_cache {
            for &id in &s.case.ids[s.held.len()..] {
                if !self.machines[m].cache.iter().any(|(other, _)| *other == id) {
                    self.machines[m].cache.push((id, 1));
                    s.held.push(id);
                }
            }
        }
    }
}
