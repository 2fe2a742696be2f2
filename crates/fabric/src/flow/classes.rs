//! Flows and links that are alike, each kind counted once.
//!
//! In an equitable partition every flow of a class takes the same number of links of each class of
//! links, and every link of a class carries the same number of flows of each class. Filling then
//! treats like flows alike, and since max-min rates are unique the rates of the classes are those
//! of their members: nothing is approximated. (Quotients of linear programs by equitable
//! partitions: Grohe, Kersting, Mladenov and Selman 2014.)

use chokepoint_units::{Bandwidth, Bytes, Seconds};

use super::events::{Order, Work};
use super::flows::Flows;
use super::max_min::{Rates, max_min};
use super::run::{Fault, Outcome, outcome};

/// Links that are alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkClass {
    /// One of them.
    pub link: u32,
    /// How many.
    pub copies: u64,
    /// Rate of each.
    pub rate: Bandwidth,
}

/// Flows that are alike, which all start at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlowClass {
    /// Label of the source of each, or the number of one of them.
    pub from: u32,
    /// Label of the destination of each, or the number of one of them.
    pub to: u32,
    /// How many.
    pub copies: u64,
    /// Bytes of each.
    pub size: Bytes,
    /// Summed latency of the path of each.
    pub latency: Seconds,
}

/// An equitable partition of flows and links.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Classes {
    pub(super) links: Vec<LinkClass>,
    pub(super) classes: Vec<FlowClass>,
    pub(super) flows: Flows,
}

impl Classes {
    /// Classes of links, by number.
    #[must_use]
    pub fn links(&self) -> &[LinkClass] {
        &self.links
    }

    /// Classes of flows, by number.
    #[must_use]
    pub fn classes(&self) -> &[FlowClass] {
        &self.classes
    }

    /// Paths of the classes of flows over classes of links.
    #[must_use]
    pub fn flows(&self) -> &Flows {
        &self.flows
    }

    /// Summed capacity of each class of links.
    #[must_use]
    pub fn capacity(&self) -> Vec<Bandwidth> {
        let links = self.links.iter();
        links.map(|it| it.rate * it.copies as f64).collect()
    }

    /// Adds a class of flows; absent where numbers do not fit 32 bits.
    pub(super) fn push(&mut self, path: &[u32], class: FlowClass) -> Option<u32> {
        self.classes.push(class);
        self.flows.push_copies(path, class.copies)
    }

    /// Max-min rates with all flows running; absent where a rate of a link is not a number from 0.
    #[must_use]
    pub fn rates(&self) -> Option<Rates> {
        max_min(&self.capacity(), &self.flows)
    }

    /// Runs all flows from one start to their end, as [`run`](super::run()) does.
    pub fn run(&self, coalescing: f64) -> Result<Outcome, Fault> {
        let size: Vec<f64> = self.classes.iter().map(|it| it.size.get()).collect();
        let latency: Vec<f64> = self.classes.iter().map(|it| it.latency.get()).collect();
        let work = Work {
            flows: &self.flows,
            size: &size,
            latency: &latency,
            order: &Order::default(),
            start: 0.0,
            coalescing,
        };
        outcome(&work, &self.capacity())
    }
}
