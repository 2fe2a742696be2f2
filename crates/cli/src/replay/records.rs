//! What became of each request, on its way to a file.

use std::io::Write as _;
use std::path::Path;

use chokepoint_engine::diag::Diagnostic;
use chokepoint_engine::trace::{Observer, Record};
use chokepoint_report::{RecordTable, record_columns, record_line};

use crate::files::{self, Growing};

/// The form of the file.
enum Form {
    Csv(Growing),
    Parquet(Box<RecordTable<Growing>>),
}

/// What became of each request, where a file is asked for.
pub struct Records<'a> {
    file: Option<(&'a Path, Form)>,
    /// The first error of writing.
    failed: Option<Diagnostic>,
}

impl<'a> Records<'a> {
    /// Begins the file; Parquet where its name ends in `.parquet`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(path: Option<&'a Path>) -> Result<Self, Diagnostic> {
        let mut records = Self {
            file: None,
            failed: None,
        };
        if let Some(path) = path {
            let mut file = Growing::begin(path)?;
            let ending = path.extension().and_then(|ending| ending.to_str());
            let form = if ending.is_some_and(|ending| ending.eq_ignore_ascii_case("parquet")) {
                Form::Parquet(Box::new(RecordTable::begin(file)?))
            } else {
                let begun = file.write_all(record_columns().as_bytes());
                begun.map_err(|error| files::unwritable(path, &error))?;
                Form::Csv(file)
            };
            records.file = Some((path, form));
        }
        Ok(records)
    }

    /// Whether nothing went wrong so far.
    ///
    /// # Errors
    /// The first error of writing.
    pub fn check(&mut self) -> Result<(), Diagnostic> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<(), Diagnostic> {
        match self.file {
            None => Ok(()),
            Some((_, Form::Csv(file))) => file.finish(),
            Some((_, Form::Parquet(table))) => table.finish()?.finish(),
        }
    }
}

impl Observer for Records<'_> {
    fn request(&mut self, record: &Record) {
        if self.failed.is_some() {
            return;
        }
        let written = match &mut self.file {
            None => Ok(()),
            Some((path, Form::Csv(file))) => {
                let line = file.write_all(record_line(record).as_bytes());
                line.map_err(|error| files::unwritable(path, &error))
            }
            Some((_, Form::Parquet(table))) => table.add(record),
        };
        self.failed = written.err();
    }
}
