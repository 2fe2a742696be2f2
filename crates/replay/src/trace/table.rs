//! Traces of comma-separated columns: Azure and `BurstGPT`.

use std::ops::Range;

use chokepoint_diag::{Code, Diagnostic, nearest};
use chokepoint_units::Seconds;

use super::instant;
use super::lines::Row;
use crate::request::Request;

/// Most tokens of a prompt or an answer.
const MOST_TOKENS: u32 = 1_000_000_000;
/// Most columns; a header with more is not one of these.
const MOST_COLUMNS: usize = 64;

/// Which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// `TIMESTAMP,ContextTokens,GeneratedTokens` (`AzurePublicDataset`, 2023 and 2024).
    Azure,
    /// `Timestamp,[Session ID,Elapsed time,]Model,Request tokens,Response tokens,Total
    /// tokens,Log Type`.
    BurstGpt,
}

impl Schema {
    /// Names of the columns for time, prompt and answer.
    const fn wanted(self) -> [&'static str; 3] {
        match self {
            Self::Azure => ["TIMESTAMP", "ContextTokens", "GeneratedTokens"],
            Self::BurstGpt => ["Timestamp", "Request tokens", "Response tokens"],
        }
    }
}

/// Column of the priority class, which a trace may have.
const PRIORITY: &str = "priority";

/// A table whose header has been read: places of time, prompt and answer, and of the priority
/// class where there is one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    schema: Schema,
    places: [usize; 3],
    priority: Option<usize>,
}

impl Table {
    /// Recognises a header: the schema of which most columns are there.
    pub(super) fn of_header(header: Row<'_>) -> Result<Self, Diagnostic> {
        let columns: Vec<(Range<usize>, &str)> = header.columns().take(MOST_COLUMNS).collect();
        let place = |wanted: &str| {
            columns
                .iter()
                .position(|(_, name)| name.eq_ignore_ascii_case(wanted))
        };
        let found = |schema: &Schema| {
            let wanted = schema.wanted();
            wanted.iter().filter(|name| place(name).is_some()).count()
        };
        // The Azure schema first: one `TIMESTAMP` alone is of either.
        let schema = if found(&Schema::BurstGpt) > found(&Schema::Azure) {
            Schema::BurstGpt
        } else {
            Schema::Azure
        };
        let mut places = [0; 3];
        for (slot, wanted) in places.iter_mut().zip(schema.wanted()) {
            *slot = place(wanted).ok_or_else(|| missing(header, schema, wanted, &columns))?;
        }
        Ok(Self {
            schema,
            places,
            priority: place(PRIORITY),
        })
    }

    /// The request of a line, with its time in femtoseconds from an origin of the trace.
    pub(super) fn request(&self, row: Row<'_>) -> Result<(u128, Request), Diagnostic> {
        let mut columns = [None; 4];
        let mut count = 0;
        let places = self.places.into_iter().map(Some).chain([self.priority]);
        for (index, (span, text)) in row.columns().enumerate() {
            count += 1;
            if let Some(slot) = places.clone().position(|place| place == Some(index)) {
                columns[slot] = Some((span.start, span.end, text));
            }
        }
        let [time, input, output] = self.schema.wanted();
        let wanted = [time, input, output, PRIORITY];
        let column = |slot: usize| {
            columns[slot]
                .map(|(start, end, text)| (start..end, text))
                .ok_or_else(|| {
                    let message = format!(
                        "the line has {count} columns; expected {} too",
                        wanted[slot]
                    );
                    row.wrong(Code::Field, &message, 0..row.text.len())
                })
        };
        let (span, text) = column(0)?;
        let time = match self.schema {
            Schema::Azure => instant::date(text),
            Schema::BurstGpt => instant::seconds(text),
        };
        let time = time.map_err(|expected| {
            let message = format!("{} is \"{}\"; expected {expected}", wanted[0], shown(text));
            row.wrong(Code::Value, &message, span)
        })?;
        let tokens = |slot: usize| {
            let (span, text) = column(slot)?;
            let count = text
                .parse()
                .ok()
                .filter(|&count: &u32| count <= MOST_TOKENS);
            count.ok_or_else(|| bad_tokens(row, wanted[slot], text, span))
        };
        let class = || match self.priority {
            None => Ok(0),
            Some(_) => column(3).and_then(|(span, text)| class(row, text, span)),
        };
        let request = Request {
            arrival: Seconds::ZERO,
            input_tokens: tokens(1)?,
            output_tokens: tokens(2)?,
            class: class()?,
            ..Request::default()
        };
        Ok((time, request))
    }
}

/// The priority class of a line.
fn class(row: Row<'_>, text: &str, span: Range<usize>) -> Result<u8, Diagnostic> {
    text.parse().map_err(|_| {
        let message = format!(
            "{PRIORITY} is \"{}\"; expected a whole number from 0 (most urgent) to 255",
            shown(text)
        );
        row.wrong(Code::Value, &message, span)
    })
}

fn bad_tokens(row: Row<'_>, name: &str, text: &str, span: Range<usize>) -> Diagnostic {
    let message = format!(
        "{name} is \"{}\"; expected a whole number of tokens from 0 to 1,000,000,000",
        shown(text)
    );
    row.wrong(Code::Value, &message, span)
}

/// The start of a text that may be long.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 40;
    let mut start: String = text.chars().take(MOST).collect();
    if start.len() < text.len() {
        start.push_str("...");
    }
    start
}

/// A column that is not there, with the nearest that is.
fn missing(
    header: Row<'_>,
    schema: Schema,
    wanted: &str,
    columns: &[(Range<usize>, &str)],
) -> Diagnostic {
    // A letter or two are no hint, and a column that is right is not meant to be another.
    let other = |name: &&str| {
        let known = schema.wanted();
        name.len() > 2 && !known.iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    let near = nearest(wanted, columns.iter().map(|(_, name)| *name).filter(other));
    let span = near
        .first()
        .and_then(|near| columns.iter().find(|(_, name)| name == near))
        .map_or(0..header.text.len(), |(span, _)| span.clone());
    let message = format!("there is no column \"{wanted}\"");
    let diagnostic = header.wrong(Code::Field, &message, span);
    let help = match near.first() {
        Some(near) => format!("is \"{}\" meant?", shown(near)),
        None => super::KNOWN.to_owned(),
    };
    diagnostic.help(help)
}
