//! What a machine of the slow simulator computes next.

use chokepoint_replay::{Order, Preemption};

use super::slow::{Sequence, Slow, State};

impl Slow<'_> {
    fn decoding(&self, m: usize) -> Vec<usize> {
        let running = &self.machines[m].running;
        (0..running.len())
            .filter(|&i| running[i].state == State::Decode)
            .collect()
    }

    pub(super) fn plan(&mut self, m: usize, now: u128) {
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
