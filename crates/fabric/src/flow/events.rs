//! Flows through time: from one change of who runs to the next.
//!
//! A flow runs from its start until its bytes are through, on all links of its path at once, at its
//! max-min fair rate; it arrives the latency of its path later. Between changes rates are constant.
//!
//! Coalescing takes changes near one another as one window. A change may wait for half a share of
//! the time since its flow (or the flow that it waits for) began, so along each chain of transfers
//! waiting adds up to at most that half share of the chain's time. Within a window, a flow that ends in
//! it is given what it needs to end with the window, and the others share all the rest (unless only
//! a few end, or others start): no capacity idles for the sake of the window, and where flows share
//! one link the bytes that each has got by the end of a window are exact.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::fill::Cap;
use super::flows::Flows;
use super::load::Load;
use super::sharing::Sharing;
use super::soonest::Soonest;

/// Share of now within which changes count as simultaneous.
const TIE: f64 = 1e-12;

/// Width of a window by the share that a time may be off: ends in it are told from rates before it,
/// which adds about as much again.
const WIDTH: f64 = 0.5;
/// Rates of the last window tell when flows end while the next end is nearer than this share of
/// the width of a window.
const NEAR: f64 = 0.25;

/// Ends in a window from which on it pays to share anew for the window alone; capacity of fewer
/// idles until its end.
const MANY: usize = 8;

/// What flows are to carry.
pub(super) struct Work<'a> {
    pub(super) flows: &'a Flows,
    /// Bytes of each copy of a flow.
    pub(super) size: &'a [f64],
    /// Seconds along the path of a flow.
    pub(super) latency: &'a [f64],
    pub(super) order: &'a Order,
    /// Seconds between the last awaited arrival and a start.
    pub(super) start: f64,
    /// Share of a time by which it may be off.
    pub(super) coalescing: f64,
}

/// Which flows wait for which.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Flows that a flow waits for.
    pub(super) awaits: Vec<u32>,
    /// Where the followers of a flow begin; one more at the end.
    pub(super) first: Vec<u32>,
    pub(super) followers: Vec<u32>,
}

impl Order {
    fn followers(&self, flow: u32) -> &[u32] {
        let at = flow as usize;
        match self.first.get(at..at + 2) {
            Some(&[from, to]) => &self.followers[from as usize..to as usize],
            _ => &[],
        }
    }
}

/// Why flows have no end: the first that never gets a rate.
#[derive(Debug)]
pub(super) struct Stalled(pub(super) u32);

/// When flows arrived and how many solves it took.
#[derive(Debug)]
pub(super) struct Arrivals {
    pub(super) arrival: Vec<f64>,
    pub(super) solves: u32,
}

/// Runs all flows to their end.
pub(super) fn simulate(work: &Work, loads: Vec<Load>) -> Result<Arrivals, Stalled> {
    let mut events = Events::new(work, loads);
    for flow in 0..work.flows.len() as u32 {
        if events.awaits[flow as usize] == 0 {
            events.ready[flow as usize] = 0.0;
            events.pend(flow);
        }
    }
    while events.step() {}
    match events.sharing.any() {
        Some(flow) => Err(Stalled(flow)),
        None => Ok(Arrivals {
            arrival: events.arrival,
            solves: events.solves,
        }),
    }
}

/// A stretch of time with constant rates.
struct Window {
    first: f64,
    end: f64,
}

struct Events<'a> {
    work: &'a Work<'a>,
    sharing: Sharing<'a>,
    /// The most flows that have run at once.
    most: usize,
    now: f64,
    /// When the bytes of running flows will be through.
    through: Soonest,
    /// Bytes to go at the time `since`.
    left: Vec<f64>,
    since: Vec<f64>,
    /// When a flow began; before that, when the latest of those it waits for did.
    begun: Vec<f64>,
    /// When the last awaited arrival was.
    ready: Vec<f64>,
    awaits: Vec<u32>,
    arrival: Vec<f64>,
    /// Flows to start, by bits of the time.
    pending: BinaryHeap<Reverse<(u64, u32)>>,
    leaving: Vec<u32>,
    starting: Vec<u32>,
    caps: Vec<Cap>,
    /// Whether rates are not even near what they should be.
    stale: bool,
    solves: u32,
}

impl<'a> Events<'a> {
    fn new(work: &'a Work<'a>, loads: Vec<Load>) -> Self {
        let number = work.flows.len();
        let mut awaits = work.order.awaits.clone();
        awaits.resize(number, 0);
        let free = (0..).zip(&awaits).filter(|(_, awaits)| **awaits == 0);
        let at_once = free.map(|(flow, _)| flow);
        Self {
            work,
            sharing: Sharing::new(work.flows, loads, at_once),
            most: 0,
            now: 0.0,
            through: Soonest::new(number),
            left: work.size.to_vec(),
            since: vec![0.0; number],
            begun: vec![0.0; number],
            ready: vec![0.0; number],
            awaits,
            arrival: vec![0.0; number],
            pending: BinaryHeap::new(),
            leaving: Vec::new(),
            starting: Vec::new(),
            caps: Vec::new(),
            stale: false,
            solves: 0,
        }
    }

    /// One window; false where nothing more will happen.
    fn step(&mut self) -> bool {
        let gap = self.through.first() - self.now;
        if self.stale || gap > NEAR * self.width() * self.now {
            self.caps.clear();
            self.share();
        }
        let Some(window) = self.look_ahead() else {
            return false;
        };
        let wide = window.end - window.first > 4.0 * TIE * window.end;
        let many = self.leaving.len() >= MANY && self.starting.is_empty();
        let squeezed = wide && many && window.end > self.now;
        if squeezed {
            self.squeeze(window.end);
        }
        self.now = window.end.max(self.now);
        self.stale = !squeezed;
        self.leaving.clear();
        self.through.until(self.now, &mut self.leaving);
        for flow in std::mem::take(&mut self.leaving) {
            let through = self.through.get(flow);
            self.through.set(flow, f64::INFINITY);
            self.sharing.end(flow);
            self.arrive(flow, through);
        }
        for flow in std::mem::take(&mut self.starting) {
            self.begin(flow);
        }
        true
    }

    /// Share of the time since a beginning that a change may wait: none in a tail so short that it
    /// costs no more, solve by solve, than one solve of all.
    fn width(&self) -> f64 {
        let running = self.sharing.number();
        if running.saturating_mul(running) <= self.most {
            return 0.0;
        }
        self.work.coalescing * WIDTH
    }

    /// Latest end of a window with a change at a time of a flow that began at another.
    fn limit(&self, time: f64, begun: f64) -> f64 {
        time + self.width() * (time - begun).max(0.0) + TIE * time
    }

    /// When the next flow is to start; never where none is.
    fn next_start(&self) -> f64 {
        let next = self.pending.peek();
        next.map_or(f64::INFINITY, |Reverse((bits, _))| f64::from_bits(*bits))
    }

    /// The next changes that fit one window: flows in `leaving` and `starting`.
    fn look_ahead(&mut self) -> Option<Window> {
        let first = self.through.first().min(self.next_start());
        if first.is_infinite() {
            return None;
        }
        let mut ends = Vec::new();
        self.through.until(self.limit(first, 0.0), &mut ends);
        ends.sort_unstable_by_key(|flow| (self.through.get(*flow).to_bits(), *flow));
        let mut ends = ends.into_iter().peekable();
        let mut window = Window { first, end: first };
        let mut limit = f64::INFINITY;
        loop {
            let end = ends.peek().map(|flow| self.through.get(*flow));
            let (end, start) = (end.unwrap_or(f64::INFINITY), self.next_start());
            let time = end.min(start);
            if time.is_infinite() || time > limit {
                return Some(window);
            }
            let flow = if end <= start {
                let flow = ends.next()?;
                self.leaving.push(flow);
                flow
            } else {
                let Reverse((_, flow)) = self.pending.pop()?;
                self.starting.push(flow);
                flow
            };
            limit = limit.min(self.limit(time, self.begun[flow as usize]));
            window.end = time;
        }
    }

    /// Bytes of a running flow to go now.
    fn left_now(&self, flow: u32, rate: f64) -> f64 {
        let at = flow as usize;
        (self.left[at] - rate.max(0.0) * (self.now - self.since[at])).max(0.0)
    }

    /// Shares anew up to the end of a window with what leaves in it held to what it needs.
    fn squeeze(&mut self, until: f64) {
        self.caps.clear();
        for flow in self.leaving.iter().copied() {
            let left = self.left_now(flow, self.sharing.rate(flow));
            let rate = left / (until - self.now);
            let end = self.through.get(flow);
            self.caps.push(Cap { rate, flow, end });
        }
        self.caps
            .sort_unstable_by_key(|cap| (cap.rate.to_bits(), cap.flow));
        self.share();
    }

    /// Takes rates anew from now on.
    fn share(&mut self) {
        if !self.sharing.is_changed() {
            return;
        }
        self.solves += u32::from(self.sharing.any().is_some());
        self.sharing.settle(&self.caps);
        let few = self.through.few(self.sharing.moved().len());
        for at in 0..self.sharing.moved().len() {
            let moved = self.sharing.moved()[at];
            let rate = self.sharing.rate(moved.flow);
            if rate.to_bits() == moved.before.to_bits() {
                continue;
            }
            let left = self.left_now(moved.flow, moved.before);
            self.left[moved.flow as usize] = left;
            self.since[moved.flow as usize] = self.now;
            let through = self.now + left / rate;
            if few {
                self.through.set(moved.flow, through);
            } else {
                self.through.set_loose(moved.flow, through);
            }
        }
        if !few {
            self.through.settle();
        }
        for at in 0..self.sharing.capped().len() {
            let cap = self.sharing.capped()[at];
            self.through.set(cap.flow, cap.end);
        }
        self.sharing.clear_moved();
    }

    /// Puts a flow whose awaited ones have arrived in the queue.
    fn pend(&mut self, flow: u32) {
        let time = self.ready[flow as usize] + self.work.start;
        self.pending.push(Reverse((time.to_bits(), flow)));
    }

    /// A flow starts now; one with nothing to carry, or nowhere to go, is through at once.
    fn begin(&mut self, flow: u32) {
        let at = flow as usize;
        if self.work.size[at] <= 0.0 || self.work.flows.path(flow).is_empty() {
            let time = self.ready[at] + self.work.start;
            self.begun[at] = time;
            self.arrive(flow, time);
            return;
        }
        self.begun[at] = self.now;
        self.since[at] = self.now;
        self.sharing.start(flow);
        self.most = self.most.max(self.sharing.number());
    }

    /// The bytes of a flow are through.
    fn arrive(&mut self, flow: u32, through: f64) {
        let arrival = through + self.work.latency[flow as usize];
        self.arrival[flow as usize] = arrival;
        let begun = self.begun[flow as usize];
        for next in self.work.order.followers(flow) {
            let at = *next as usize;
            if arrival > self.ready[at] {
                self.begun[at] = begun;
            } else if arrival >= self.ready[at] {
                self.begun[at] = self.begun[at].max(begun);
            }
            self.ready[at] = self.ready[at].max(arrival);
            self.awaits[at] -= 1;
            if self.awaits[at] == 0 {
                self.pend(*next);
            }
        }
    }
}
