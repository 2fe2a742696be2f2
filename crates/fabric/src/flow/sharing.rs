//! Max-min fair rates of running flows, kept as flows come and go.
//!
//! Filling below a level does not depend on what happens above it. When a flow of rate `r` ends,
//! filling is as before up to `r`; when a flow starts, up to the smallest rate at which a link of
//! its path can be full, its capacity over its flows. So only flows that rise to that level or more
//! and hang together with a changed link, link by link through such flows, wait again; all others
//! keep their rates. Rests are whole numbers of parts of a capacity, so the outcome is that of a
//! solve of all flows, to the last bit. Where most flows would wait again, all do.

use std::cmp::Reverse;

use super::bits::Bits;
use super::busy::Busy;
use super::fill::{Cap, Filling, Shares, lowest};
use super::flows::Flows;
use super::load::Load;

/// Share of a level by which rounding may move it.
const ROUNDING: f64 = 1e-9;
/// Solves of all flows after one whose changes reached most of them.
const PATIENCE: u32 = 63;

/// A flow whose rate was looked at again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    pub(super) flow: u32,
    /// The rate before; 0 where it had none.
    pub(super) before: f64,
}

/// Running flows and their rates.
pub(super) struct Sharing<'a> {
    flows: &'a Flows,
    loads: Vec<Load>,
    /// Running flows over each link, like ones counted.
    total: Vec<u64>,
    /// Running flows without a rate.
    waiting: Bits,
    rate: Vec<f64>,
    /// Rate at which each link was full in the latest solve that looked at it.
    full_at: Vec<f64>,
    /// Flows that their caps stopped in the latest solve.
    capped: Vec<Cap>,
    busy: Busy,
    shares: Shares,
    /// Links of flows that came or went, each once.
    changed: Vec<u32>,
    is_changed: Vec<bool>,
    /// Rates below it hold.
    level: f64,
    /// Flows that came or went.
    changes: usize,
    /// Solves of all flows to come.
    patience: u32,
    moved: Vec<Moved>,
}

impl<'a> Sharing<'a> {
    /// Nothing runs; there is room for flows that will run at once.
    pub(super) fn new(
        flows: &'a Flows,
        loads: Vec<Load>,
        at_once: impl Iterator<Item = u32>,
    ) -> Self {
        Self {
            flows,
            total: vec![0; loads.len()],
            is_changed: vec![false; loads.len()],
            busy: Busy::new(loads.len(), flows, at_once),
            full_at: vec![f64::INFINITY; loads.len()],
            loads,
            waiting: Bits::new(flows.len()),
            rate: vec![0.0; flows.len()],
            capped: Vec::new(),
            shares: Shares::new(),
            changed: Vec::new(),
            level: f64::INFINITY,
            changes: 0,
            patience: 0,
            moved: Vec::new(),
        }
    }

    /// Rate of a copy of a flow.
    pub(super) fn rate(&self, flow: u32) -> f64 {
        self.rate[flow as usize]
    }

    /// Flows that their caps stopped in the latest solve.
    pub(super) fn capped(&self) -> &[Cap] {
        &self.capped
    }

    /// How many run.
    pub(super) fn number(&self) -> usize {
        self.busy.number()
    }

    /// A running flow; absent where nothing runs.
    pub(super) fn any(&self) -> Option<u32> {
        self.busy.running().next()
    }

    /// Whether flows came or went since the latest solve.
    pub(super) fn is_changed(&self) -> bool {
        self.changes > 0
    }

    /// A flow starts, without a rate until the next `settle`.
    pub(super) fn start(&mut self, flow: u32) {
        self.busy.add(self.flows, flow);
        self.waiting.insert(flow);
        self.moved.push(Moved { flow, before: 0.0 });
        let copies = self.flows.copies(flow);
        for link in self.flows.path(flow) {
            self.loads[*link as usize].waiting += copies;
            self.total[*link as usize] += copies;
        }
        self.change(flow);
    }

    /// A flow that has a rate ends.
    pub(super) fn end(&mut self, flow: u32) {
        self.busy.remove(self.flows, flow);
        let (rate, copies) = (self.rate[flow as usize], self.flows.copies(flow));
        for link in self.flows.path(flow) {
            self.loads[*link as usize].release(rate, copies);
            self.total[*link as usize] -= copies;
        }
        self.level = self.level.min(rate);
        self.change(flow);
    }

    /// The links of a flow are to be looked at.
    fn change(&mut self, flow: u32) {
        self.changes += 1;
        for link in self.flows.path(flow) {
            if !self.is_changed[*link as usize] {
                self.is_changed[*link as usize] = true;
                self.changed.push(*link);
            }
        }
    }

    /// Gives all running flows their rates, none above its cap; caps are in rising order.
    pub(super) fn settle(&mut self, caps: &[Cap]) {
        self.lower_level();
        for cap in caps {
            self.level = self.level.min(cap.rate).min(self.rate(cap.flow));
            self.free(cap.flow);
            self.change(cap.flow);
        }
        let running = self.busy.number();
        let wide = running * 4 >= self.loads.len();
        if wide && self.patience > 0 {
            self.patience -= 1;
            self.free_all();
        } else if !self.spread(if wide { running / 4 } else { running }) {
            self.patience = PATIENCE;
            self.free_all();
        }
        self.fill(caps);
        for link in self.changed.drain(..) {
            self.is_changed[link as usize] = false;
        }
        self.level = f64::INFINITY;
        self.changes = 0;
    }

    /// Flows whose rates were looked at, each once, since they were last forgotten.
    pub(super) fn moved(&self) -> &[Moved] {
        &self.moved
    }

    /// Forgets which flows were looked at.
    pub(super) fn clear_moved(&mut self) {
        self.moved.clear();
    }

    /// Lets waiting flows rise to their rates.
    fn fill(&mut self, caps: &[Cap]) {
        let mut filling = Filling {
            flows: self.flows,
            loads: &mut self.loads,
            waiting: &mut self.waiting,
            level: &mut self.full_at,
        };
        self.capped.clear();
        filling.fill(&mut self.shares, &self.busy, caps, &mut self.capped);
        for moved in &self.moved {
            let rate = lowest(&self.full_at, self.flows.path(moved.flow));
            self.rate[moved.flow as usize] = rate;
        }
        for cap in &self.capped {
            self.rate[cap.flow as usize] = cap.rate;
        }
    }

    /// Takes flows that start into the level below which nothing changes.
    fn lower_level(&mut self) {
        for moved in &self.moved {
            for link in self.flows.path(moved.flow) {
                let full =
                    self.loads[*link as usize].capacity() / self.total[*link as usize] as f64;
                self.level = self.level.min(full);
            }
        }
        self.level *= 1.0 - ROUNDING;
    }

    /// Lets a flow wait again.
    fn free(&mut self, flow: u32) {
        let before = self.rate[flow as usize];
        let copies = self.flows.copies(flow);
        for link in self.flows.path(flow) {
            self.loads[*link as usize].give(before, copies);
        }
        self.waiting.insert(flow);
        self.moved.push(Moved { flow, before });
    }

    /// Lets flows wait again from the changed links on; false where they become too many.
    fn spread(&mut self, most: usize) -> bool {
        let (mut at, mut freed) = (0, 0);
        let mut found = Vec::new();
        while let Some(link) = self.changed.get(at).copied() {
            at += 1;
            let reached = self.busy.over(link);
            found.extend(reached.filter(|flow| {
                self.rate[*flow as usize] >= self.level && !self.waiting.contains(*flow)
            }));
            for flow in found.drain(..) {
                // A path may list a link twice.
                if self.waiting.contains(flow) {
                    continue;
                }
                self.free(flow);
                self.change(flow);
                freed += 1;
                if freed > most {
                    return false;
                }
            }
        }
        self.shares.extend(self.changed.iter().filter_map(|link| {
            self.full_at[*link as usize] = f64::INFINITY;
            let load = &self.loads[*link as usize];
            (load.waiting > 0).then(|| Reverse((load.share().to_bits(), *link)))
        }));
        true
    }

    /// Lets all flows wait again.
    fn free_all(&mut self) {
        for flow in self.busy.running() {
            if !self.waiting.contains(flow) {
                let before = self.rate[flow as usize];
                self.waiting.insert(flow);
                self.moved.push(Moved { flow, before });
            }
        }
        self.full_at.fill(f64::INFINITY);
        for (link, (load, total)) in (0..).zip(self.loads.iter_mut().zip(&self.total)) {
            load.reset(*total);
            if *total > 0 {
                self.shares.push(Reverse((load.share().to_bits(), link)));
            }
        }
    }
}
