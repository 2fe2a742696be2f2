//! What an instance computes next.

use std::cmp::Reverse;

use chokepoint_diag::Diagnostic;

use super::{Instance, Running, Work};
use crate::config::{Order, Preemption};
use crate::request::{Phase, Slab};
use crate::run::{Clock, bad_time};
use crate::step::{Chunk, Iteration};
use crate::time::Femtos;

/// What planning one iteration has gathered.
#[derive(Debug, Default)]
struct Draft {
    /// Tokens that may still join.
    tokens: u32,
    /// A sequence was preempted: nothing is admitted (as in vLLM).
    preempted: bool,
    /// Blocks copied to or from the host.
    copied: u64,
}

impl Instance {
    /// Chooses the next iteration or run of iterations and starts it.
    pub(crate) fn plan(
        &mut self,
        now: Femtos,
        live: &mut Slab,
        clock: &mut Clock<'_>,
    ) -> Result<(), Diagnostic> {
        self.parts.clear();
        self.closed_from = None;
        let mut draft = Draft {
            tokens: self.engine.max_tokens,
            ..Draft::default()
        };
        match self.engine.order {
            Order::Mixed => {
                self.make_room(&mut draft, live);
                draft.tokens -= self.decoding.len() as u32;
                self.fill(&mut draft, live);
            }
            Order::PrefillFirst => {
                self.fill(&mut draft, live);
                if self.parts.is_empty() {
                    self.make_room(&mut draft, live);
                }
            }
        }
        let start = now + self.copy_time(draft.copied)?;
        if !self.parts.is_empty() {
            self.start_step(now, start, live, clock)
        } else if !self.decoding.is_empty() {
            self.start_run(now, start, draft.preempted, clock)
        } else {
            self.work = Work::Idle;
            self.next = Femtos::NEVER;
            Ok(())
        }
    }

    fn copy_time(&self, blocks: u64) -> Result<Femtos, Diagnostic> {
        match self.engine.preemption {
            Preemption::Swap { block_time, .. } if blocks > 0 => {
                Femtos::of(block_time * blocks as f64).ok_or_else(bad_time)
            }
            _ => Ok(Femtos::ZERO),
        }
    }

    fn start_step(
        &mut self,
        now: Femtos,
        start: Femtos,
        live: &Slab,
        clock: &Clock<'_>,
    ) -> Result<(), Diagnostic> {
        let decodes = self.engine.order == Order::Mixed && !self.decoding.is_empty();
        self.chunks.clear();
        self.chunks
            .extend(self.parts.iter().map(|&(place, tokens)| Chunk {
                new_tokens: tokens,
                past_tokens: live[place].done,
            }));
        let (sequences, context) = if decodes {
            (self.decoding.len() as u32, self.growth.context())
        } else {
            (0, 0)
        };
        let time = clock.time.mixed(&Iteration {
            chunks: &self.chunks,
            decodes: sequences,
            context_tokens: context as f64 / f64::from(self.units),
        });
        let time = Femtos::of(time).filter(|time| *time > Femtos::ZERO);
        self.next = start + time.ok_or_else(bad_time)?;
        self.work = Work::Step {
            start: now,
            decodes,
        };
        Ok(())
    }

    fn start_run(
        &mut self,
        now: Femtos,
        start: Femtos,
        preempted: bool,
        clock: &mut Clock<'_>,
    ) -> Result<(), Diagnostic> {
        let decodes = self.decoding.len() as u32;
        let context = self.growth.context();
        let run = clock.run(decodes, context, self.growth.each_iteration())?;
        // Where something was preempted, the next iteration may admit again.
        let longest = if preempted { 1 } else { self.longest_run };
        let limit = longest.min(run.longest()).min(self.until_due());
        let available = self.kv.available() + self.growth.blocks(1);
        let count = self.growth.most(available, limit).max(1);
        self.next = start + run.time(count);
        self.work = Work::Run(Running {
            run,
            planned: now,
            start,
            count,
            done: 0,
            taken: 1,
        });
        Ok(())
    }

    /// Iterations until a sequence ends.
    fn until_due(&self) -> u64 {
        self.due.peek().map_or(1, |Reverse((round, ..))| {
            round.saturating_sub(self.growth.round).max(1)
        })
    }

    /// Takes the blocks that the decoding sequences need for one iteration, preempting the last
    /// admitted of the least urgent class as long as they do not suffice.
    fn make_room(&mut self, draft: &mut Draft, live: &mut Slab) {
        while self.growth.blocks(1) > self.kv.available() {
            let all = self.decoding.iter().chain(&self.prefilling);
            let last = all.max_by_key(|&&place| (live[place].class, live[place].admission));
            let Some(&victim) = last else {
                break;
            };
            self.preempt(victim, draft, live);
        }
        self.kv.take(self.growth.blocks(1));
    }

    fn preempt(&mut self, place: u32, draft: &mut Draft, live: &mut Slab) {
        draft.preempted = true;
        self.tally.preemptions += 1;
        let mut swapped = false;
        let blocks = if live[place].phase == Phase::Decoding {
            let extent = self.stop_decoding(place, live);
            let blocks = self.blocks(extent);
            swapped = matches!(self.engine.preemption, Preemption::Swap { .. })
                && blocks <= self.host_free;
            live[place].extent = extent;
            blocks
        } else {
            self.prefilling.retain(|&other| other != place);
            let request = &live[place];
            self.backlog -= u64::from(request.target - request.done);
            self.blocks_of_tokens(request.target)
        };
        let request = &mut live[place];
        request.preemptions += 1;
        self.kv.give(blocks, &mut request.held);
        if swapped {
            request.phase = Phase::Swapped;
            self.host_free -= blocks;
            draft.copied += blocks;
        } else {
            request.phase = Phase::Waiting;
            request.target = request.input + request.made;
            request.done = 0;
            self.backlog += u64::from(request.target);
        }
        self.waiting.push_front(live[place].class, place);
    }

    /// Gathers prompts under way and admits waiting requests.
    fn fill(&mut self, draft: &mut Draft, live: &mut Slab) {
        for &place in &self.prefilling {
            let part = (live[place].target - live[place].done).min(draft.tokens);
            if part > 0 {
                draft.tokens -= part;
                self.parts.push((place, part));
            }
        }
        while !draft.preempted && self.has_place(draft) {
            let Some(head) = self.waiting.head() else {
                return;
            };
            let admitted = match live[head].phase {
                Phase::Swapped | Phase::Sent => self.admit_resident(head, draft, live),
                _ => self.admit_prompt(head, draft, live),
            };
            if !admitted {
                self.closed_from = Some(live[head].class);
                return;
            }
        }
        if !draft.preempted {
            self.closed_from = Some(0);
        }
    }

    fn has_place(&self, draft: &Draft) -> bool {
        draft.tokens > 0 && self.running() < self.engine.max_sequences as usize
    }

    /// Whether so many blocks may be taken beside what runs.
    fn may_take(&self, blocks: u64, available: u64) -> bool {
        let spare = if self.running() == 0 {
            0
        } else {
            self.engine.watermark_blocks
        };
        blocks + spare <= available
    }

    /// Admits a request whose keys and values are elsewhere.
    fn admit_resident(&mut self, place: u32, draft: &mut Draft, live: &mut Slab) -> bool {
        let extent = live[place].extent;
        let next = self.blocks(extent + super::units(&self.engine).1);
        if !self.may_take(next, self.kv.available()) {
            return false;
        }
        let own = self.blocks(extent);
        self.waiting.pop();
        live.admit(place);
        if live[place].phase == Phase::Swapped {
            self.host_free += own;
            draft.copied += own;
        }
        if self.engine.order == Order::Mixed {
            // The others have their blocks for this iteration already.
            self.kv.take(next);
            draft.tokens -= 1;
        } else {
            self.kv.take(own);
        }
        self.start_decoding(place, extent, live);
        true
    }

    /// Admits a request that computes its prompt, with the blocks of all of it.
    fn admit_prompt(&mut self, place: u32, draft: &mut Draft, live: &mut Slab) -> bool {
        let request = &live[place];
        let ids = if self.engine.prefix_cache {
            request.reusable(self.hash_tokens)
        } else {
            &[]
        };
        let hit = self.kv.prefix.find(ids);
        let found = hit.blocks as u32 * self.hash_tokens;
        let left = request.target - found;
        let part = left.min(draft.tokens);
        if part < left && !self.engine.chunked_prefill && !self.parts.is_empty() {
            return false;
        }
        let part = if self.engine.chunked_prefill {
            part
        } else {
            left
        };
        let own = self.blocks_of_tokens(request.target) - hit.blocks as u64 * self.kv.unit();
        if !self.may_take(own, self.kv.available_beside(hit)) {
            return false;
        }
        self.waiting.pop();
        live.admit(place);
        let request = &mut live[place];
        self.kv.hold(&request.ids[..hit.blocks], &mut request.held);
        self.kv.take(own);
        request.phase = Phase::Prefilling;
        request.done = found;
        request.cached.get_or_insert(found);
        self.backlog -= u64::from(found);
        self.tally.cached_tokens += u64::from(found);
        draft.tokens = draft.tokens.saturating_sub(part);
        self.prefilling.push(place);
        self.parts.push((place, part));
        true
    }
}
