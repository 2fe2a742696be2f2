//! Which running flows take each link, as flows come and go.
//!
//! The list of a link holds the whole path of each flow over it, so that a solve reads memory in
//! order: paths looked up flow by flow cost five times as much where flows do not fit a cache.

use super::bits::Bits;
use super::fill::Members;
use super::flows::Flows;

/// Stands where a path has no more links.
const END: u32 = u32::MAX;

/// Lists of running flows by link, and the set of them.
#[derive(Debug)]
pub(super) struct Busy {
    over: Vec<List>,
    /// Numbers of a record: a flow, its path, `END` up to the longest path.
    stride: usize,
    /// Where in the list of its link each entry of a path stands.
    place: Vec<u32>,
    running: Bits,
    number: usize,
}

/// Records of flows over one link, and where in all paths they list it.
#[derive(Debug)]
struct List {
    records: Vec<u32>,
    entries: Vec<u32>,
}

impl Busy {
    /// Nothing runs; there is room for flows that will run at once.
    pub(super) fn new(links: usize, flows: &Flows, at_once: impl Iterator<Item = u32>) -> Self {
        let mut room = vec![0; links];
        for flow in at_once {
            for link in flows.path(flow) {
                room[*link as usize] += 1;
            }
        }
        let paths = (0..flows.len() as u32).map(|flow| flows.path(flow).len());
        let stride = paths.max().unwrap_or(0) + 1;
        let over = room.into_iter().map(|number| List {
            records: Vec::with_capacity(number * stride),
            entries: Vec::with_capacity(number),
        });
        Self {
            over: over.collect(),
            stride,
            place: vec![0; flows.all_links().len()],
            running: Bits::new(flows.len()),
            number: 0,
        }
    }

    /// A flow starts.
    pub(super) fn add(&mut self, flows: &Flows, flow: u32) {
        self.running.insert(flow);
        self.number += 1;
        let path = flows.path(flow);
        for (entry, link) in flows.span(flow).zip(path) {
            let list = &mut self.over[*link as usize];
            self.place[entry] = list.entries.len() as u32;
            list.entries.push(entry as u32);
            list.records.push(flow);
            list.records.extend_from_slice(path);
            list.records.resize(list.entries.len() * self.stride, END);
        }
    }

    /// A flow ends.
    pub(super) fn remove(&mut self, flows: &Flows, flow: u32) {
        self.running.remove(flow);
        self.number -= 1;
        for (entry, link) in flows.span(flow).zip(flows.path(flow)) {
            let list = &mut self.over[*link as usize];
            let place = self.place[entry] as usize;
            list.entries.swap_remove(place);
            let last = list.entries.len() * self.stride;
            list.records.copy_within(last.., place * self.stride);
            list.records.truncate(last);
            if let Some(moved) = list.entries.get(place) {
                self.place[*moved as usize] = place as u32;
            }
        }
    }

    /// The flows over a link.
    pub(super) fn over(&self, link: u32) -> impl Iterator<Item = u32> + '_ {
        let records = &self.over[link as usize].records;
        records.iter().step_by(self.stride).copied()
    }

    /// How many run.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// All that run, rising.
    pub(super) fn running(&self) -> impl Iterator<Item = u32> + '_ {
        self.running.iter()
    }
}

impl Members for Busy {
    fn stop(&self, link: u32, waiting: &mut Bits, mut stop: impl FnMut(u32, &[u32]) -> bool) {
        for record in self.over[link as usize].records.chunks_exact(self.stride) {
            let flow = record[0];
            if waiting.contains(flow) {
                waiting.remove(flow);
                let path = &record[1..];
                let end = path.iter().position(|link| *link == END);
                if !stop(flow, &path[..end.unwrap_or(path.len())]) {
                    return;
                }
            }
        }
    }
}
