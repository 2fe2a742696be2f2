//! Traces of requests, recognised by their first line and read as they come.
//!
//! | trace | first line |
//! |---|---|
//! | Azure LLM inference 2023, 2024 | `TIMESTAMP,ContextTokens,GeneratedTokens` |
//! | `BurstGPT` | `Timestamp,...,Request tokens,Response tokens,...` |
//! | Mooncake | `{"timestamp": ms, "input_length": n, "output_length": n, "hash_ids": [...]}` |
//!
//! A table may have a column `priority`, a line of Mooncake's a field of that name: the class of a
//! request from 0, most urgent, to 255.
//!
//! Times count from the earliest request. Lines out of order are put in order of time, equal
//! times in the order of the lines, as long as none is more than 4096 lines late; a line later
//! than that is an error. So a trace of any length is read in little memory.

mod instant;
mod lines;
mod mooncake;
mod table;

use std::collections::BTreeMap;
use std::io::BufRead;

use chokepoint_diag::{Code, Diagnostic};

use crate::request::Request;
use crate::time::Femtos;
use lines::{Lines, Row};
use table::Table;

/// Lines looked ahead to put times in order.
const AHEAD: usize = 4096;

/// What a first line may be.
const KNOWN: &str = "known traces are Azure (TIMESTAMP,ContextTokens,GeneratedTokens), \
    BurstGPT (Timestamp,...,Request tokens,Response tokens,...) and \
    Mooncake (lines such as {\"timestamp\": 0, \"input_length\": 6758, \"output_length\": 500, \"hash_ids\": [0, 1]})";

/// Tokens for which a hash id of the Mooncake traces stands.
pub const MOONCAKE_HASH_TOKENS: u32 = 512;

/// How lines become requests.
#[derive(Debug, Clone, Copy)]
enum Format {
    Table(Table),
    Mooncake,
}

impl Format {
    fn request(&self, row: Row<'_>) -> Result<(u128, Request), Diagnostic> {
        match self {
            Self::Table(table) => table.request(row),
            Self::Mooncake => mooncake::request(row),
        }
    }
}

/// A trace being read: an iterator over its requests in the order of their times.
pub struct Trace<R> {
    lines: Lines<R>,
    format: Format,
    /// Requests read ahead, by time and line.
    ahead: BTreeMap<(u128, u64), Request>,
    read: u64,
    /// Time of the earliest request.
    origin: Option<u128>,
    /// Time of the last request given out.
    last: u128,
    ended: bool,
}

impl<R: BufRead> Trace<R> {
    /// Recognises a trace. `file` is the name for messages.
    ///
    /// # Errors
    ///
    /// A text without lines, or with a first line of no known trace.
    pub fn open(file: &str, reader: R) -> Result<Self, Diagnostic> {
        let mut lines = Lines::new(file, reader);
        let Some(first) = lines.next()? else {
            return Err(Diagnostic::new(Code::Syntax, format!("{file} has no lines")).help(KNOWN));
        };
        let mut ahead = BTreeMap::new();
        let mut read = 0;
        let format = if first.text.trim_start().starts_with('{') {
            let (time, request) = mooncake::request(first)?;
            ahead.insert((time, 0), request);
            read = 1;
            Format::Mooncake
        } else {
            Format::Table(Table::of_header(first)?)
        };
        Ok(Self {
            lines,
            format,
            ahead,
            read,
            origin: None,
            last: 0,
            ended: false,
        })
    }

    /// Reads ahead as far as needed.
    fn fill(&mut self) -> Result<(), Diagnostic> {
        while !self.ended && self.ahead.len() < AHEAD {
            let Some(row) = self.lines.next()? else {
                self.ended = true;
                return Ok(());
            };
            let (time, request) = self.format.request(row)?;
            if self.origin.is_some() && time < self.last {
                let message = "the line is out of the order of time by more than 4096 lines";
                let whole = 0..row.text.len();
                return Err(row
                    .wrong(Code::Value, message, whole)
                    .help("sort the trace by time"));
            }
            self.ahead.insert((time, self.read), request);
            self.read += 1;
        }
        Ok(())
    }
}

impl<R: BufRead> Iterator for Trace<R> {
    type Item = Result<Request, Diagnostic>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(diagnostic) = self.fill() {
            self.ended = true;
            self.ahead.clear();
            return Some(Err(diagnostic));
        }
        let ((time, _), mut request) = self.ahead.pop_first()?;
        let origin = *self.origin.get_or_insert(time);
        self.last = time;
        request.arrival = Femtos(time - origin).seconds();
        Some(Ok(request))
    }
}
