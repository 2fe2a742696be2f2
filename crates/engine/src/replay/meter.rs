//! What is measured while a replay runs: energy, and what instances do over time.

use chokepoint_replay::{Observer, Record, Span, Summary};
use chokepoint_units::{Energy, Power, Seconds};

use crate::step_time::InstanceTime;

/// Columns of a timeline at least; at most twice as many.
const COLUMNS: usize = 300;

/// What instances did over time, in columns of equal width.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    /// Width of a column.
    pub column: Seconds,
    /// For each instance and column, time in iterations with prompts and in others.
    pub instances: Vec<Vec<Spent>>,
}

/// Time of one instance in one column.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    /// In iterations with prompts.
    pub prompts: Seconds,
    /// In iterations that only decode.
    pub decodes: Seconds,
}

impl Activity {
    fn new(instances: usize) -> Self {
        Self {
            column: Seconds::new(1e-3),
            instances: vec![Vec::new(); instances],
        }
    }

    /// Adds a span; columns become twice as wide as often as it takes.
    fn add(&mut self, span: &Span) {
        while span.end.get() > self.column.get() * (2 * COLUMNS) as f64 {
            self.widen();
        }
        let width = self.column.get();
        let Some(columns) = self.instances.get_mut(span.instance as usize) else {
            return;
        };
        let (from, to) = (span.start.get(), span.end.get());
        let (first, last) = ((from / width) as usize, (to / width) as usize);
        if columns.len() <= last {
            columns.resize(last + 1, Spent::default());
        }
        for (index, spent) in columns.iter_mut().enumerate().take(last + 1).skip(first) {
            let (left, right) = (index as f64 * width, (index + 1) as f64 * width);
            let inside = Seconds::new((to.min(right) - from.max(left)).max(0.0));
            if span.prompt_tokens > 0 {
                spent.prompts += inside;
            } else {
                spent.decodes += inside;
            }
        }
    }

    fn widen(&mut self) {
        self.column = self.column * 2.0;
        for columns in &mut self.instances {
            let sum = |pair: &[Spent]| {
                pair.iter().fold(Spent::default(), |sum, spent| Spent {
                    prompts: sum.prompts + spent.prompts,
                    decodes: sum.decodes + spent.decodes,
                })
            };
            *columns = columns.chunks(2).map(sum).collect();
        }
    }
}

/// Hears of all that happens, measures it and passes requests on.
pub(crate) struct Meter<'a, O> {
    /// Who hears of requests.
    observer: &'a mut O,
    /// Time of the host before a request reaches the engine.
    host: Seconds,
    /// Iteration times of each instance's pool.
    times: Vec<&'a InstanceTime<'a>>,
    activity: Activity,
    /// Energy of decoding so far, of all chips.
    decoding: Energy,
    /// For each instance, time in iterations with prompts and in others.
    spent: Vec<Spent>,
}

impl<'a, O> Meter<'a, O> {
    pub(crate) fn new(
        observer: &'a mut O,
        host: Seconds,
        times: Vec<&'a InstanceTime<'a>>,
    ) -> Self {
        Self {
            observer,
            host,
            activity: Activity::new(times.len()),
            spent: vec![Spent::default(); times.len()],
            times,
            decoding: Energy::ZERO,
        }
    }

    /// Energy of all chips' packages, and what was done over time.
    ///
    /// Iterations with prompts draw the mean power of those that were timed; those that decode the power of
    /// as many sequences at the mean context; all other time that an instance is up draws idle power.
    pub(crate) fn finish(self, summary: &Summary) -> (Energy, Activity) {
        let mut energy = self.decoding;
        let each = self.times.iter().zip(&self.spent).zip(&summary.instances);
        for ((time, spent), instance) in each {
            let computing = spent.prompts + spent.decodes;
            let rest = (instance.up_seconds - computing).max(Seconds::ZERO);
            energy += time.prompt_power() * spent.prompts + time.idle_power() * rest;
        }
        (energy, self.activity)
    }
}

impl<O: Observer> Observer for Meter<'_, O> {
    fn request(&mut self, record: &Record) {
        let mut record = record.clone();
        record.first_token = record.first_token.map(|time| time + self.host);
        record.end += self.host;
        self.observer.request(&record);
    }

    fn span(&mut self, span: &Span) {
        let index = span.instance as usize;
        if let (Some(time), Some(spent)) = (self.times.get(index), self.spent.get_mut(index)) {
            let length = span.end - span.start;
            if span.prompt_tokens > 0 {
                spent.prompts += length;
            } else {
                spent.decodes += length;
                let power: Power = time.decode_power(span.decoding);
                self.decoding += power * length;
            }
        }
        self.activity.add(span);
        self.observer.span(span);
    }
}
