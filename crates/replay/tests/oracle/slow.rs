//! A slow, obvious simulator: every iteration is one event, every sequence is walked at each,
//! and the prefix cache is a list. Written apart from the fast one; the rules are those stated
//! in the documentation of the crate.

use std::collections::VecDeque;

use chokepoint_replay::{Engine, Order, Preemption, Router};

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
enum State {
    Queued,
    Swapped,
    Prefill,
    Decode,
}

#[derive(Debug, Clone)]
struct Sequence {
    case: Case,
    request: usize,
    state: State,
    made: u64,
    target: u64,
    done: u64,
    /// Tokens stored while decoding.
    stored: u64,
    held: Vec<u64>,
    blocks: u64,
    first: Option<u128>,
    cached: Option<u64>,
    preemptions: u64,
}

#[derive(Debug, Clone, Default)]
struct Machine {
    free: u64,
    /// Cached ids with their references; those without are also in `idle`, the oldest first.
    cache: Vec<(u64, u64)>,
    idle: VecDeque<u64>,
    queue: Vec<Sequence>,
    /// In order of admission.
    running: Vec<Sequence>,
    host: u64,
    /// Parts of prompts in the current iteration, by request, and whether sequences decode.
    parts: Vec<(usize, u64)>,
    decodes: bool,
    end: Option<u128>,
}

pub struct Slow<'a> {
    pub engine: Engine,
    pub times: &'a Times,
    pub hash_tokens: u64,
    pub router: Router,
    machines: Vec<Machine>,
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

    fn blocks(&self, tokens: u64) -> u64 {
        tokens.div_ceil(u64::from(self.engine.block_tokens))
    }

    fn unit(&self) -> u64 {
        self.hash_tokens / u64::from(self.engine.block_tokens)
    }

    fn available(&self, m: usize) -> u64 {
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
    fn hits(&self, m: usize, target: u64, ids: &[u64]) -> Vec<u64> {
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

    fn take(&mut self, m: usize, blocks: u64) {
        while self.machines[m].free < blocks {
            let machine = &mut self.machines[m];
            let id = machine.idle.pop_front().expect("blocks were available");
            machine.cache.retain(|(other, _)| *other != id);
            self.machines[m].free += self.unit();
        }
        self.machines[m].free -= blocks;
    }

    /// Gives back all that a sequence has.
    fn give(&mut self, m: usize, s: &mut Sequence) {
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

    fn decoding(&self, m: usize) -> Vec<usize> {
        let running = &self.machines[m].running;
        (0..running.len())
            .filter(|&i| running[i].state == State::Decode)
            .collect()
    }

    fn plan(&mut self, m: usize, now: u128) {
        let mut preempted = false;
        let mut copied = 0;
        let mixed = self.engine.order == Order::Mixed;
        let mut budget = u64::from(self.engine.max_tokens);
        if mixed {
            self.room(m, &mut preempted, &mut copied);
            budget -= self.decoding(m).len() as u64;
        }
        let parts = self.fill(m, budget, preempted, &mut copied);
        if !mixed && parts.is_empty() {
            self.room(m, &mut preempted, &mut copied);
        }
        let start = now + copied * self.times.copy_block;
        let decoding = self.decoding(m);
        let context: u128 = decoding
            .iter()
            .map(|&i| u128::from(self.machines[m].running[i].stored + 1))
            .sum();
        let machine = &mut self.machines[m];
        if !parts.is_empty() {
            let tokens: u128 = parts.iter().map(|p| u128::from(p.1)).sum();
            machine.decodes = mixed;
            let context = if mixed { context } else { 0 };
            let time = self.times.iteration
                + self.times.prompt_token * tokens
                + self.times.context_token * context;
            machine.end = Some(start + time);
        } else if !decoding.is_empty() {
            machine.decodes = true;
            let time = self
                .times
                .lines
                .iter()
                .map(|(base, slope)| base + slope * context)
                .max();
            machine.end = Some(start + time.unwrap());
        }
        machine.parts = parts;
    }

    /// Blocks for one more token of each decoding sequence.
    fn room(&mut self, m: usize, preempted: &mut bool, copied: &mut u128) {
        loop {
            let running = &self.machines[m].running;
            let need: u64 = running
                .iter()
                .filter(|s| s.state == State::Decode)
                .map(|s| self.blocks(s.stored + 1) - s.blocks)
                .sum();
            if need <= self.available(m) {
                break;
            }
            *preempted = true;
            let class = running.iter().map(|s| s.case.class).max().unwrap();
            let victim = running.iter().rposition(|s| s.case.class == class).unwrap();
            let mut s = self.machines[m].running.remove(victim);
            s.preemptions += 1;
            let blocks = s.blocks;
            self.give(m, &mut s);
            let swap = matches!(self.engine.preemption, Preemption::Swap { .. });
            if swap && s.state == State::Decode && blocks <= self.machines[m].host {
                self.machines[m].host -= blocks;
                *copied += u128::from(blocks);
                s.state = State::Swapped;
            } else {
                s.state = State::Queued;
                s.target = s.case.input + s.made;
                s.done = 0;
            }
            self.machines[m].queue.insert(0, s);
        }
        for index in self.decoding(m) {
            let s = &self.machines[m].running[index];
            let more = self.blocks(s.stored + 1) - s.blocks;
            self.take(m, more);
            self.machines[m].running[index].blocks += more;
        }
    }

    fn fill(
        &mut self,
        m: usize,
        mut budget: u64,
        preempted: bool,
        copied: &mut u128,
    ) -> Vec<(usize, u64)> {
        let mut parts = Vec::new();
        for s in self.machines[m]
            .running
            .iter()
            .filter(|s| s.state == State::Prefill)
        {
            let part = (s.target - s.done).min(budget);
            if part > 0 {
                budget -= part;
                parts.push((s.request, part));
            }
        }
        while !preempted
            && budget > 0
            && self.machines[m].running.len() < self.engine.max_sequences as usize
        {
            let classes = self.machines[m].queue.iter().map(|s| s.case.class);
            let Some(class) = classes.min() else { break };
            let head = self.machines[m]
                .queue
                .iter()
                .position(|s| s.case.class == class)
                .unwrap();
            let s = self.machines[m].queue[head].clone();
            let admitted = if s.state == State::Swapped {
                self.admit_swapped(m, s, &mut budget, copied)
            } else {
                self.admit_prompt(m, s, &mut budget, &mut parts)
            };
            if !admitted {
                break;
            }
            self.machines[m].queue.remove(head);
        }
        parts
    }

    fn spare(&self, m: usize) -> u64 {
        if self.machines[m].running.is_empty() {
            0
        } else {
            self.engine.watermark_blocks
        }
    }

    fn admit_swapped(
        &mut self,
        m: usize,
        mut s: Sequence,
        budget: &mut u64,
        copied: &mut u128,
    ) -> bool {
        let (own, next) = (self.blocks(s.stored), self.blocks(s.stored + 1));
        if next + self.spare(m) > self.available(m) {
            return false;
        }
        self.machines[m].host += own;
        *copied += u128::from(own);
        s.blocks = own;
        if self.engine.order == Order::Mixed {
            s.blocks = next;
            *budget -= 1;
        }
        self.take(m, s.blocks);
        s.state = State::Decode;
        self.machines[m].running.push(s);
        true
    }

    fn admit_prompt(
        &mut self,
        m: usize,
        mut s: Sequence,
        budget: &mut u64,
        parts: &mut Vec<(usize, u64)>,
    ) -> bool {
        let hits = self.hits(m, s.target, &s.case.ids);
        let found = hits.len() as u64 * self.hash_tokens;
        let left = s.target - found;
        if left > *budget && !self.engine.chunked_prefill && !parts.is_empty() {
            return false;
        }
        let part = if self.engine.chunked_prefill {
            left.min(*budget)
        } else {
            left
        };
        let blocks = self.blocks(s.target);
        let own = blocks - hits.len() as u64 * self.unit();
        let idle = hits
            .iter()
            .filter(|id| self.machines[m].idle.contains(id))
            .count() as u64;
        if own + self.spare(m) > self.available(m) - idle * self.unit() {
            return false;
        }
        for id in &hits {
            let machine = &mut self.machines[m];
            machine.idle.retain(|other| other != id);
            machine
                .cache
                .iter_mut()
                .find(|(other, _)| other == id)
                .unwrap()
                .1 += 1;
        }
        self.take(m, own);
        s.held = hits;
        s.blocks = blocks;
        s.state = State::Prefill;
        s.done = found;
        s.cached.get_or_insert(found);
        *budget = budget.saturating_sub(part);
        parts.push((s.request, part));
        self.machines[m].running.push(s);
        true
    }
}
