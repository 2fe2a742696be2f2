//! Where requests come from: at their own times, or one for each that ends.

use chokepoint_diag::{Code, Diagnostic};

use crate::request::Request;
use crate::time::Femtos;

/// How requests arrive.
pub enum Load<I> {
    /// At the times that they carry, which never go back.
    Timed(I),
    /// So many at once; whenever one ends or is turned away the next arrives.
    Closed {
        /// Requests, whose times are not looked at.
        requests: I,
        /// How many at once.
        concurrency: u32,
    },
}

/// The requests still to come.
pub(crate) struct Arrivals<I> {
    requests: I,
    closed: bool,
    /// Requests of a closed loop that may arrive now.
    released: u64,
    /// The next request of a timed load.
    next: Option<(Femtos, Request)>,
    last: Femtos,
    ended: bool,
}

impl<I: Iterator<Item = Result<Request, Diagnostic>>> Arrivals<I> {
    pub(crate) fn new(load: Load<I>) -> Result<Self, Diagnostic> {
        let (requests, closed, released) = match load {
            Load::Timed(requests) => (requests, false, 0),
            Load::Closed {
                requests,
                concurrency,
            } => (requests, true, u64::from(concurrency)),
        };
        if closed && released == 0 {
            let message = "a closed loop has at least one request at once";
            return Err(Diagnostic::new(Code::Value, message));
        }
        let mut arrivals = Self {
            requests,
            closed,
            released,
            next: None,
            last: Femtos::ZERO,
            ended: false,
        };
        if !closed {
            arrivals.draw()?;
        }
        Ok(arrivals)
    }

    /// Draws the next request of a timed load.
    fn draw(&mut self) -> Result<(), Diagnostic> {
        self.next = match self.requests.next().transpose()? {
            None => {
                self.ended = true;
                None
            }
            Some(request) => {
                let time = Femtos::of(request.arrival).filter(|time| *time >= self.last);
                let time = time.ok_or_else(|| {
                    Diagnostic::new(
                        Code::Value,
                        format!(
                            "a request arrives at {} seconds, after one at {}; expected times in order, from 0",
                            request.arrival.get(),
                            self.last.seconds().get()
                        ),
                    )
                })?;
                self.last = time;
                Some((time, request))
            }
        };
        Ok(())
    }

    /// When the next request arrives, as far as is known now.
    pub(crate) fn time(&self, now: Femtos) -> Femtos {
        if self.closed {
            let waits = self.released > 0 && !self.ended;
            return if waits { now } else { Femtos::NEVER };
        }
        self.next.as_ref().map_or(Femtos::NEVER, |next| next.0)
    }

    /// Whether no more will come.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// The next request if it arrives now.
    pub(crate) fn take(&mut self, now: Femtos) -> Result<Option<Request>, Diagnostic> {
        if self.time(now) > now {
            return Ok(None);
        }
        if self.closed {
            let request = self.requests.next().transpose()?;
            self.ended = request.is_none();
            self.released -= u64::from(request.is_some());
            return Ok(request);
        }
        let next = self.next.take();
        self.draw()?;
        Ok(next.map(|next| next.1))
    }

    /// A request has ended.
    pub(crate) fn release(&mut self) {
        self.released += u64::from(self.closed);
    }
}
