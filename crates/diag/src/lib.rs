//! A diagnostic: what is wrong with an input, where, and what to write instead. No rendering.

use std::fmt;
use std::ops::Range;

mod nearest;
mod readers;

pub use nearest::nearest;
pub use readers::{from_json, from_toml};

/// One thing wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, such as `CK0102`, one for each kind of mistake.
    pub code: Code,
    /// What was found and what was expected, without a full stop.
    pub message: String,
    /// Where: absent when the mistake has no place in a file (a missing command-line argument).
    pub place: Option<Place>,
    /// What to do about it.
    pub help: Option<String>,
}

/// A place in a named text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// File name as the user gave it, or the name of embedded data.
    pub file: String,
    /// The whole text of the file.
    pub text: String,
    /// Bytes of the text that are wrong; empty at a single point.
    pub span: Range<usize>,
}

/// Kinds of mistakes; the number is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// The text is not TOML or not JSON.
    Syntax,
    /// A field is unknown, missing or of the wrong kind.
    Field,
    /// A quantity has no unit, the wrong unit or an ambiguous one.
    Unit,
    /// An id names nothing.
    UnknownId,
    /// A value is out of its possible range or contradicts another.
    Value,
    /// A figure lacks its source, or names a source that is not listed.
    Provenance,
    /// A model configuration describes something that cannot be computed.
    Model,
    /// A file cannot be read or written.
    File,
    /// A command line makes no sense.
    Usage,
}

impl Code {
    /// The stable code as printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syntax => "CK0001",
            Self::Field => "CK0002",
            Self::Unit => "CK0003",
            Self::UnknownId => "CK0004",
            Self::Value => "CK0005",
            Self::Provenance => "CK0006",
            Self::Model => "CK0007",
            Self::File => "CK0008",
            Self::Usage => "CK0009",
        }
    }
}

impl Diagnostic {
    /// A diagnostic without a place.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            place: None,
            help: None,
        }
    }

    /// The same with a place.
    #[must_use]
    pub fn at(mut self, file: &str, text: &str, span: Range<usize>) -> Self {
        let end = span.end.min(text.len());
        let span = span.start.min(end)..end;
        self.place = Some(Place {
            file: file.to_owned(),
            text: text.to_owned(),
            span,
        });
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// An id that names nothing, with the nearest names that exist.
    #[must_use]
    pub fn unknown_id<'a>(kind: &str, id: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let near = nearest(id, known.iter().copied());
        let help = if near.is_empty() {
            format!("`chokepoint catalog list` names all {} known", known.len())
        } else {
            format!("did you mean {}?", near.join(", "))
        };
        Self::new(Code::UnknownId, format!("there is no {kind} \"{id}\"")).help(help)
    }
}

impl Place {
    /// Line and column of the start, both from 1, the column in characters.
    #[must_use]
    pub fn line_column(&self) -> (usize, usize) {
        let mut start = self.span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &self.text[..start];
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .map_or(0, |tail| tail.chars().count())
            + 1;
        (line, column)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)?;
        if let Some(place) = &self.place {
            let (line, column) = place.line_column();
            write!(f, " ({}:{line}:{column})", place.file)?;
        }
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}
