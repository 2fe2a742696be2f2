//! Requests: as they arrive, while they are under way, and what became of them.

use chokepoint_units::Seconds;
use serde::Serialize;

use crate::time::Femtos;

/// A request as it arrives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// When, from the start of the replay. A closed loop does not look at it.
    pub arrival: Seconds,
    /// Tokens of the prompt.
    pub input_tokens: u32,
    /// Tokens that it makes; none is a prompt computed for nothing.
    pub output_tokens: u32,
    /// Priority class; smaller is more urgent.
    pub class: u8,
    /// Ids of the prompt's hash blocks, each standing for the prompt up to its end. The last may
    /// be partly filled; only full ones are shared.
    pub hash_ids: Vec<u64>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All tokens made.
    Finished,
    /// Its prompt and tokens do not fit in the blocks of an instance.
    RejectedTooLong,
    /// It has no prompt.
    RejectedEmpty,
    /// It lost its instance too often.
    RejectedRetries,
    /// Under way at the horizon, or left without an instance.
    Unfinished,
}

/// What became of a request, when.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// Number of the request in order of arrival, from 0.
    pub request: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// When it arrived.
    #[serde(rename = "arrival_seconds")]
    pub arrival: Seconds,
    /// When its first token was there.
    #[serde(rename = "first_token_seconds")]
    pub first_token: Option<Seconds>,
    /// When its last token was there, or when it was rejected or the replay ended.
    #[serde(rename = "end_seconds")]
    pub end: Seconds,
    /// Tokens of its prompt.
    pub input_tokens: u32,
    /// Tokens that it was to make.
    pub output_tokens: u32,
    /// Tokens that it made.
    pub made_tokens: u32,
    /// Tokens of its prompt that were cached when it was first admitted.
    pub cached_tokens: u32,
    /// Priority class.
    pub class: u8,
    /// The instance that held it last.
    pub instance: Option<u32>,
    /// How often it was preempted.
    pub preemptions: u32,
    /// How often it lost its instance.
    pub retries: u32,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Waits to compute its prompt.
    Waiting,
    /// Waits with its keys and values on the host.
    Swapped,
    /// Waits with its keys and values sent by another instance.
    Sent,
    /// Computes its prompt.
    Prefilling,
    /// Makes tokens.
    Decoding,
    /// Its keys and values are on their way to another instance.
    Sending,
}

/// A request under way.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) number: u64,
    pub(crate) arrival: Femtos,
    pub(crate) first: Option<Femtos>,
    pub(crate) input: u32,
    pub(crate) output: u32,
    pub(crate) class: u8,
    pub(crate) phase: Phase,
    /// Full hash blocks of the prompt.
    pub(crate) ids: Vec<u64>,
    /// References held in the prefix cache.
    pub(crate) held: Vec<u32>,
    /// Tokens made; while decoding, up to joining.
    pub(crate) made: u32,
    /// Tokens to compute before it decodes, and those done (or found).
    pub(crate) target: u32,
    pub(crate) done: u32,
    /// Number of its latest admission, over all instances.
    pub(crate) admission: u64,
    /// Place among the decoding sequences of its instance.
    pub(crate) place: u32,
    /// Round and length, in units, when it joined them.
    pub(crate) joined: u64,
    pub(crate) extent: u64,
    pub(crate) instance: u32,
    pub(crate) cached: Option<u32>,
    pub(crate) preemptions: u32,
    pub(crate) retries: u32,
}

impl Live {
    pub(crate) fn new(number: u64, arrival: Femtos, request: Request, hash_tokens: u32) -> Self {
        let mut ids = request.hash_ids;
        ids.truncate((request.input_tokens / hash_tokens) as usize);
        Self {
            number,
            arrival,
            first: None,
            input: request.input_tokens,
            output: request.output_tokens,
            class: request.class,
            phase: Phase::Waiting,
            ids,
            held: Vec::new(),
            made: 0,
            target: request.input_tokens,
            done: 0,
            admission: 0,
            place: 0,
            joined: 0,
            extent: 0,
            instance: u32::MAX,
            cached: None,
            preemptions: 0,
            retries: 0,
        }
    }

    /// What became of it.
    pub(crate) fn record(&self, outcome: Outcome, end: Femtos) -> Record {
        Record {
            request: self.number,
            outcome,
            arrival: self.arrival.seconds(),
            first_token: self.first.map(Femtos::seconds),
            end: end.seconds(),
            input_tokens: self.input,
            output_tokens: self.output,
            made_tokens: self.made,
            cached_tokens: self.cached.unwrap_or(0),
            class: self.class,
            instance: (self.instance != u32::MAX).then_some(self.instance),
            preemptions: self.preemptions,
            retries: self.retries,
        }
    }

    /// Hash blocks that may be taken from the cache: at least one token is computed.
    pub(crate) fn reusable(&self, hash_tokens: u32) -> &[u64] {
        let most = (self.target.saturating_sub(1) / hash_tokens) as usize;
        &self.ids[..self.ids.len().min(most)]
    }
}

/// Requests under way, in places that are used again: memory follows the number at once.
#[derive(Debug, Default)]
pub(crate) struct Slab {
    places: Vec<Live>,
    unused: Vec<u32>,
    /// Admissions so far, over all instances.
    pub(crate) admissions: u64,
}

impl Slab {
    pub(crate) fn add(&mut self, live: Live) -> u32 {
        if let Some(place) = self.unused.pop() {
            self.places[place as usize] = live;
            place
        } else {
            self.places.push(live);
            self.places.len() as u32 - 1
        }
    }

    pub(crate) fn remove(&mut self, place: u32) {
        let live = &mut self[place];
        live.ids = Vec::new();
        live.admission = u64::MAX;
        live.number = u64::MAX;
        self.unused.push(place);
    }

    /// Places, used or not.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    /// Requests under way.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.unused.len()
    }

    /// Places of all requests under way, in order of arrival.
    pub(crate) fn in_order(&self) -> Vec<u32> {
        let there = |place: &u32| self[*place].number != u64::MAX;
        let mut all: Vec<u32> = (0..self.places.len() as u32).filter(there).collect();
        all.sort_by_key(|&place| self[place].number);
        all
    }

    /// The next admission.
    pub(crate) fn admit(&mut self, place: u32) {
        let admission = self.admissions;
        self.admissions += 1;
        self[place].admission = admission;
    }
}

impl std::ops::Index<u32> for Slab {
    type Output = Live;
    fn index(&self, place: u32) -> &Live {
        &self.places[place as usize]
    }
}

impl std::ops::IndexMut<u32> for Slab {
    fn index_mut(&mut self, place: u32) -> &mut Live {
        &mut self.places[place as usize]
    }
}
