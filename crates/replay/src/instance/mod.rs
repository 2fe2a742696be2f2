//! One serving instance: its queue, its sequences, its blocks, and what it computes now.
//!
//! Between two events an instance either stands still, computes one iteration with prompts, or a
//! run of decode iterations with the same sequences. Within a run nothing changes but lengths:
//! no sequence ends before its last iteration, blocks suffice to its end, and no waiting request
//! can be admitted, since blocks only get fewer. So a run is one event, however long. What
//! happens inside a run (an arrival that might be admitted, a look at the load, a failure) is
//! found by cutting it at an iteration's end, which changes nothing.

mod finish;
mod plan;
mod waiting;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::config::{Engine, Preemption, Role};
use crate::growth::Growth;
use crate::kv;
use crate::request::{Phase, Slab};
use crate::run::Run;
use crate::step::Chunk;
use crate::summary::{Span, Tally};
use crate::time::Femtos;
use waiting::Waiting;

/// What an instance computes.
#[derive(Debug, Clone, Copy)]
enum Work {
    Idle,
    /// One iteration with prompts, beside the decoding sequences or without them.
    Step {
        start: Femtos,
        decodes: bool,
    },
    Run(Running),
}

/// A run of decode iterations under way.
#[derive(Debug, Clone, Copy)]
struct Running {
    run: Run,
    /// When copying starts, and when that is done and the first iteration starts.
    planned: Femtos,
    start: Femtos,
    /// Iterations in it.
    count: u64,
    /// Iterations already counted in the lengths.
    done: u64,
    /// Iterations whose blocks are taken.
    taken: u64,
}

/// How a request leaves an instance at the end of an iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It has made all its tokens.
    Finished(u32),
    /// Its prompt is computed and it decodes elsewhere; the iteration started then.
    Prefilled(u32, Femtos),
}

/// One instance.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) pool: usize,
    pub(crate) role: Role,
    pub(crate) engine: Engine,
    number: u32,
    hash_tokens: u32,
    longest_run: u64,
    /// Units for a token.
    units: u32,
    pub(crate) kv: kv::Pool,
    growth: Growth,
    decoding: Vec<u32>,
    /// In order of admission; all but the last are in the current iteration.
    prefilling: Vec<u32>,
    /// Requests whose keys and values are being sent from here.
    sending: Vec<u32>,
    waiting: Waiting,
    /// Round in which a sequence ends, its admission and its place.
    due: BinaryHeap<Reverse<(u64, u64, u32)>>,
    work: Work,
    /// End of what it computes.
    pub(crate) next: Femtos,
    /// Parts of prompts in the current iteration, by place.
    parts: Vec<(u32, u32)>,
    chunks: Vec<Chunk>,
    /// Arrivals of this class, or less urgent, cannot be admitted during the current run.
    closed_from: Option<u8>,
    /// Tokens of prompts still to compute.
    backlog: u64,
    host_free: u64,
    pub(crate) tally: Tally,
    /// What it computed last, until that is reported.
    pub(crate) ended: Option<Span>,
}

/// Units for a token and units that a sequence grows by at each iteration.
pub(crate) fn units(engine: &Engine) -> (u32, u64) {
    const FINE: u32 = 64;
    let step = (engine.tokens_per_iteration * f64::from(FINE)).round() as u64;
    if step == u64::from(FINE) {
        (1, 1)
    } else {
        (FINE, step)
    }
}

impl Instance {
    pub(crate) fn new(
        number: u32,
        pool: usize,
        role: Role,
        engine: Engine,
        hash_tokens: u32,
        longest_run: u64,
    ) -> Self {
        let (units, step) = units(&engine);
        let host_free = match engine.preemption {
            Preemption::Recompute => 0,
            Preemption::Swap { host_blocks, .. } => host_blocks,
        };
        Self {
            pool,
            role,
            engine,
            number,
            hash_tokens,
            longest_run,
            units,
            kv: kv::Pool::new(engine.blocks, u64::from(hash_tokens / engine.block_tokens)),
            growth: Growth::new(u64::from(engine.block_tokens) * u64::from(units), step),
            decoding: Vec::new(),
            prefilling: Vec::new(),
            sending: Vec::new(),
            waiting: Waiting::default(),
            due: BinaryHeap::new(),
            work: Work::Idle,
            next: Femtos::NEVER,
            parts: Vec::new(),
            chunks: Vec::new(),
            closed_from: None,
            backlog: 0,
            host_free,
            tally: Tally::default(),
            ended: None,
        }
    }

    /// Whether prompt and tokens of a request fit in the blocks when it has them alone.
    pub(crate) fn fits(&self, input: u32, output: u32) -> bool {
        let tokens = u64::from(input) + u64::from(output.saturating_sub(1));
        let (units, step) = units(&self.engine);
        let overshoot = if output > 1 { step - 1 } else { 0 };
        let units = tokens * u64::from(units) + overshoot;
        tokens < u64::from(u32::MAX) && self.blocks(units) <= self.engine.blocks
    }

    /// Requests here, waiting or not.
    pub(crate) fn load(&self) -> usize {
        self.waiting.len() + self.running() + self.sending.len()
    }

    fn running(&self) -> usize {
        self.decoding.len() + self.prefilling.len()
    }

    /// Tokens of prompts still to compute, and tokens of keys and values in use.
    pub(crate) fn tokens(&self) -> (u64, u64) {
        (
            self.backlog,
            self.kv.used() * u64::from(self.engine.block_tokens),
        )
    }

    /// Whether it computes nothing.
    pub(crate) fn idle(&self) -> bool {
        matches!(self.work, Work::Idle)
    }

    /// Blocks for a length in units.
    fn blocks(&self, units: u64) -> u64 {
        units.div_ceil(u64::from(self.engine.block_tokens) * u64::from(self.units))
    }

    /// Blocks for a length in tokens.
    fn blocks_of_tokens(&self, tokens: u32) -> u64 {
        u64::from(tokens).div_ceil(u64::from(self.engine.block_tokens))
    }

    /// Takes a request into the queue. True when the instance must be planned anew now.
    pub(crate) fn enqueue(&mut self, place: u32, now: Femtos, live: &mut Slab) -> bool {
        let request = &mut live[place];
        request.instance = self.number;
        if request.phase == Phase::Waiting {
            self.backlog += u64::from(request.target);
        }
        let class = request.class;
        self.waiting.push_back(class, place);
        match self.work {
            Work::Idle => true,
            Work::Step { .. } => false,
            Work::Run(_) if self.closed_from.is_some_and(|closed| class >= closed) => false,
            Work::Run(running) => self.cut(running, now),
        }
    }

    /// Ends a run with the iteration under way. True when one ends right now.
    fn cut(&mut self, mut running: Running, now: Femtos) -> bool {
        let elapsed = Femtos(now.0.saturating_sub(running.start.0));
        running.count = running.run.count_for(elapsed, running.count).max(1);
        self.next = running.start + running.run.time(running.count);
        self.work = Work::Run(running);
        if self.next > now {
            return false;
        }
        self.end_run(running, now);
        true
    }

    /// Brings lengths and blocks up to a time inside a run: iterations that have ended count,
    /// and the one under way has its blocks.
    pub(crate) fn catch_up(&mut self, now: Femtos) {
        let Work::Run(mut running) = self.work else {
            return;
        };
        let elapsed = Femtos(now.0.saturating_sub(running.start.0));
        let reached = running.run.count_for(elapsed, running.count);
        let ended = reached - u64::from(running.run.time(reached) > elapsed);
        self.take_blocks(&mut running, reached);
        self.pass(&mut running, ended);
        self.work = Work::Run(running);
    }

    /// Takes the blocks of a run's iterations up to `count`.
    fn take_blocks(&mut self, running: &mut Running, count: u64) {
        if count > running.taken {
            let before = self.growth.blocks(running.taken - running.done);
            self.kv
                .take(self.growth.blocks(count - running.done) - before);
            running.taken = count;
        }
    }

    /// Counts a run's iterations up to `count` in the lengths.
    fn pass(&mut self, running: &mut Running, count: u64) {
        self.growth.advance(count - running.done);
        running.done = count;
    }

    /// Length of a decoding sequence now, in units.
    fn extent(&self, place: u32, live: &Slab) -> u64 {
        let request = &live[place];
        let rounds = self.growth.round - request.joined;
        request.extent + rounds * units(&self.engine).1
    }

    /// Brings the count of tokens made by a decoding sequence up to the lengths.
    fn settle(&mut self, place: u32, live: &mut Slab) {
        let grown = (self.extent(place, live) - live[place].extent) / u64::from(self.units);
        let request = &mut live[place];
        let grown = grown.min(u64::from(request.output - request.made));
        request.made += grown as u32;
        self.tally.made_tokens += grown;
    }

    /// The replay ends: counts the tokens made so far.
    pub(crate) fn settle_all(&mut self, now: Femtos, live: &mut Slab) {
        self.catch_up(now);
        self.tally_failure(now);
        for place in std::mem::take(&mut self.decoding) {
            self.settle(place, live);
        }
    }

    /// Takes a sequence out of those that decode and returns its length in units.
    fn stop_decoding(&mut self, place: u32, live: &mut Slab) -> u64 {
        let extent = self.extent(place, live);
        self.settle(place, live);
        self.growth.remove(extent);
        let index = live[place].place;
        self.decoding.swap_remove(index as usize);
        if let Some(&moved) = self.decoding.get(index as usize) {
            live[moved].place = index;
        }
        extent
    }

    /// A sequence of this length, in units, starts decoding.
    fn start_decoding(&mut self, place: u32, extent: u64, live: &mut Slab) {
        let (units, step) = units(&self.engine);
        let request = &mut live[place];
        request.phase = Phase::Decoding;
        request.place = self.decoding.len() as u32;
        request.joined = self.growth.round;
        request.extent = extent;
        let left = u64::from(request.output - request.made) * u64::from(units);
        let end = self.growth.round + left.div_ceil(step);
        self.due.push(Reverse((end, request.admission, place)));
        self.decoding.push(place);
        self.growth.insert(extent);
    }

    /// A request's keys and values have left.
    pub(crate) fn sent(&mut self, place: u32, live: &mut Slab) {
        let target = live[place].target;
        self.sending.retain(|&other| other != place);
        self.kv
            .give(self.blocks_of_tokens(target), &mut live[place].held);
    }

    /// Loses everything; returns the requests that were here, in order of admission and queue.
    pub(crate) fn fail(&mut self, now: Femtos, live: &mut Slab) -> Vec<u32> {
        self.catch_up(now);
        self.tally_failure(now);
        let mut lost = std::mem::take(&mut self.decoding);
        for &place in &lost {
            self.settle(place, live);
        }
        lost.append(&mut self.sending);
        lost.append(&mut self.prefilling);
        lost.sort_by_key(|&place| live[place].admission);
        while let Some(place) = self.waiting.pop() {
            lost.push(place);
        }
        for &place in &lost {
            live[place].held.clear();
        }
        self.growth.clear();
        self.kv.clear();
        self.due.clear();
        self.parts.clear();
        self.work = Work::Idle;
        self.next = Femtos::NEVER;
        self.backlog = 0;
        if let Preemption::Swap { host_blocks, .. } = self.engine.preemption {
            self.host_free = host_blocks;
        }
        lost
    }

    /// Entries kept for sequences that end.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> usize {
        self.due.len()
    }

    /// Whether all blocks are free or cached and nothing is counted: so it must be when no
    /// request is here.
    #[cfg(test)]
    pub(crate) fn at_rest(&self) -> bool {
        self.kv.used() == 0
            && self.kv.all_counted()
            && (self.backlog, self.growth.extent, self.growth.members) == (0, 0, 0)
    }
}
