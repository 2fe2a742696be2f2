//! The end of an iteration or of a run: tokens, finished requests, prompts that start decoding.

use std::cmp::Reverse;

use super::{Instance, Leave, Running, Work};
use crate::config::Role;
use crate::request::{Phase, Slab};
use crate::summary::Span;
use crate::time::Femtos;

impl Instance {
    /// Ends what it computes. Requests that leave are added to `leaving`: first those that have
    /// decoded their last token, then those whose prompt is done, both in order of admission.
    pub(crate) fn complete(&mut self, now: Femtos, live: &mut Slab, leaving: &mut Vec<Leave>) {
        match self.work {
            Work::Idle => {}
            Work::Step { start, decodes } => {
                if decodes {
                    self.growth.advance(1);
                }
                self.tally_step(start, now, decodes);
                self.work = Work::Idle;
                self.next = Femtos::NEVER;
                self.finish_due(live, leaving);
                self.finish_prompts(start, now, live, leaving);
            }
            Work::Run(running) => {
                self.end_run(running, now);
                self.finish_due(live, leaving);
            }
        }
    }

    pub(super) fn end_run(&mut self, mut running: Running, now: Femtos) {
        let count = running.count;
        self.take_blocks(&mut running, count);
        self.pass(&mut running, count);
        let time = now - running.start;
        self.report(running.start, now, running.count, true);
        self.tally.copying += running.start - running.planned;
        self.tally.decoding += time;
        self.tally.count_decodes(count, self.growth.members, time);
        self.work = Work::Idle;
        self.next = Femtos::NEVER;
    }

    fn tally_step(&mut self, start: Femtos, now: Femtos, decodes: bool) {
        let time = now - start;
        self.report(start, now, 1, decodes);
        self.tally.prompt_iterations += 1;
        self.tally.computed_tokens += self.parts.iter().map(|part| u64::from(part.1)).sum::<u64>();
        if decodes {
            self.tally.mixed += time;
            self.tally.count_decodes(1, self.growth.members, time);
        } else {
            self.tally.prefilling += time;
            self.tally.iterations += 1;
        }
    }

    /// Keeps what was computed for whoever draws it.
    fn report(&mut self, start: Femtos, end: Femtos, iterations: u64, decodes: bool) {
        let decoding = if decodes { self.growth.members } else { 0 };
        self.ended = Some(Span {
            instance: self.number,
            start: start.seconds(),
            end: end.seconds(),
            iterations,
            decoding,
            prompt_tokens: self.parts.iter().map(|part| u64::from(part.1)).sum(),
        });
    }

    /// The time of an iteration that a failure ends; of a run, only that after the last whole one.
    pub(super) fn tally_failure(&mut self, now: Femtos) {
        match self.work {
            Work::Idle => {}
            Work::Step { start, .. } => self.tally.lost += now - start,
            Work::Run(running) => {
                let time = running.run.time(running.done);
                self.tally.decoding += time;
                self.tally
                    .count_decodes(running.done, self.growth.members, time);
                self.tally.copying += running.start.min(now) - running.planned;
                let elapsed = Femtos(now.0.saturating_sub(running.start.0));
                self.tally.lost += Femtos(elapsed.0.saturating_sub(time.0));
            }
        }
    }

    /// Requests whose last token this round made.
    fn finish_due(&mut self, live: &mut Slab, leaving: &mut Vec<Leave>) {
        while let Some(&Reverse((round, admission, place))) = self.due.peek() {
            // One preempted since was admitted again, or is gone: its entry means nothing.
            let stale = live[place].admission != admission || live[place].phase != Phase::Decoding;
            if !stale && round > self.growth.round {
                return;
            }
            self.due.pop();
            if !stale {
                let extent = self.stop_decoding(place, live);
                self.kv.give(self.blocks(extent), &mut live[place].held);
                leaving.push(Leave::Finished(place));
            }
        }
    }

    /// Parts of prompts computed in this iteration.
    fn finish_prompts(
        &mut self,
        start: Femtos,
        now: Femtos,
        live: &mut Slab,
        leaving: &mut Vec<Leave>,
    ) {
        let parts = std::mem::take(&mut self.parts);
        let mut whole = 0;
        for &(place, tokens) in &parts {
            let request = &mut live[place];
            request.done += tokens;
            self.backlog -= u64::from(tokens);
            if request.done == request.target {
                whole += 1;
                self.finish_prompt(place, start, now, live, leaving);
            }
        }
        // Prompts are computed in order of admission, so the whole ones come first.
        self.prefilling.drain(..whole);
        self.parts = parts;
    }

    fn finish_prompt(
        &mut self,
        place: u32,
        start: Femtos,
        now: Femtos,
        live: &mut Slab,
        leaving: &mut Vec<Leave>,
    ) {
        let request = &mut live[place];
        if self.engine.prefix_cache {
            for &id in &request.ids[request.held.len()..] {
                self.kv.prefix.enter(id, &mut request.held);
            }
        }
        if request.made < request.output {
            request.made += 1;
            request.first.get_or_insert(now);
            self.tally.made_tokens += 1;
        }
        let target = request.target;
        if request.made == request.output {
            self.kv
                .give(self.blocks_of_tokens(target), &mut live[place].held);
            leaving.push(Leave::Finished(place));
            return;
        }
        let extent = u64::from(target) * u64::from(self.units);
        if self.role == Role::Prefill {
            request.phase = Phase::Sending;
            request.extent = extent;
            self.sending.push(place);
            leaving.push(Leave::Prefilled(place, start));
        } else {
            self.start_decoding(place, extent, live);
        }
    }
}
