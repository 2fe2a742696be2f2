//! Lines of a text that is read as it comes, with their numbers, and mistakes placed in them.

use std::io::{BufRead, Read};
use std::ops::Range;

use chokepoint_diag::{Code, Diagnostic};

/// Longest line taken; a line of a trace has a few kilobytes.
const LONGEST: u64 = 1 << 24;

/// A text read line by line, one line in memory.
pub(super) struct Lines<R> {
    pub(super) file: String,
    reader: R,
    bytes: Vec<u8>,
    /// Number of the current line, from 1.
    number: usize,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(file: &str, reader: R) -> Self {
        Self {
            file: file.to_owned(),
            reader,
            bytes: Vec::new(),
            number: 0,
        }
    }

    /// The next line that is not blank, without its end; nothing at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>, Diagnostic> {
        loop {
            self.bytes.clear();
            self.number += 1;
            let mut part = (&mut self.reader).take(LONGEST);
            let read = part.read_until(b'\n', &mut self.bytes).map_err(|error| {
                Diagnostic::new(Code::File, format!("cannot read {}: {error}", self.file))
            })?;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 == LONGEST {
                return Err(self.bad_line("a line is longer than 16 MiB"));
            }
            if self.bytes.iter().any(|byte| !byte.is_ascii_whitespace()) {
                break;
            }
        }
        let start = if self.number == 1 && self.bytes.starts_with(b"\xEF\xBB\xBF") {
            3
        } else {
            0
        };
        match std::str::from_utf8(&self.bytes[start..]) {
            Ok(text) => Ok(Some(Row {
                file: &self.file,
                number: self.number,
                text: text.trim_end(),
            })),
            Err(_) => Err(self.bad_line("a line is not UTF-8")),
        }
    }

    fn bad_line(&self, message: &str) -> Diagnostic {
        let row = Row {
            file: &self.file,
            number: self.number,
            text: "",
        };
        row.wrong(Code::Syntax, message, 0..0)
    }
}

/// One line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    file: &'a str,
    number: usize,
    pub(super) text: &'a str,
}

impl Row<'_> {
    /// Something wrong in this line. The lines before it, which are not kept, stand in the place
    /// as empty ones, so that line and column are right.
    pub(super) fn wrong(&self, code: Code, message: &str, span: Range<usize>) -> Diagnostic {
        let before = self.number.saturating_sub(1);
        let mut text = "\n".repeat(before);
        text.push_str(self.text);
        let span = span.start + before..span.end + before;
        Diagnostic::new(code, message).at(self.file, &text, span)
    }

    /// The columns of a comma-separated line, with their bytes.
    pub(super) fn columns(&self) -> impl Iterator<Item = (Range<usize>, &str)> {
        let mut start = 0;
        self.text.split(',').map(move |column| {
            let from = start + (column.len() - column.trim_start().len());
            let value = column.trim();
            start += column.len() + 1;
            (from..from + value.len(), value.trim_matches('"'))
        })
    }
}
