//! Columns of a Parquet file by name.

use std::collections::BTreeMap;

use bytes::Bytes;
use chokepoint_diag::{Code, Diagnostic};
use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};

/// A column that is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// Its name.
    pub name: &'static str,
    /// Whether it holds words or numbers.
    pub kind: Kind,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Text.
    Words,
    /// Whole or floating-point numbers.
    Numbers,
    /// Numbers that older tables lack, with what counts instead.
    NumbersOr(f64),
}

/// A column as read: words by their place in a list.
#[derive(Debug)]
enum Column {
    Words { list: Vec<String>, of: Vec<usize> },
    Numbers(Vec<f64>),
}

/// The columns that were wanted; all have as many rows.
#[derive(Debug)]
pub(crate) struct Table {
    columns: BTreeMap<&'static str, Column>,
    rows: usize,
}

impl Table {
    /// Reads columns of a file of that name.
    ///
    /// # Errors
    /// When the bytes are no Parquet file, or a column is missing or of another kind.
    pub(crate) fn read(file: &str, bytes: Bytes, wanted: &[Wanted]) -> Result<Self, Diagnostic> {
        let unreadable = |error: ParquetError| {
            let message = format!("cannot read {file} as Parquet: {error}");
            Diagnostic::new(Code::File, message)
        };
        let reader = SerializedFileReader::new(bytes).map_err(unreadable)?;
        let mut columns = BTreeMap::new();
        let mut rows = 0;
        for group in 0..reader.num_row_groups() {
            let group = reader.get_row_group(group).map_err(unreadable)?;
            let count = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            for column in wanted {
                let into = columns
                    .entry(column.name)
                    .or_insert_with(|| column.kind.empty());
                fill(into, column, group.as_ref(), count)
                    .map_err(unreadable)?
                    .map_err(|problem| problem.of(file, column.name))?;
            }
            rows += count;
        }
        Ok(Self { columns, rows })
    }

    /// Rows of the table.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// A number; not a number where the column was not wanted.
    pub(crate) fn number(&self, column: &str, row: usize) -> f64 {
        match self.columns.get(column) {
            Some(Column::Numbers(numbers)) => numbers.get(row).copied().unwrap_or(f64::NAN),
            _ => f64::NAN,
        }
    }

    /// A whole number that fits; zero for anything else.
    pub(crate) fn whole(&self, column: &str, row: usize) -> u32 {
        let number = self.number(column, row);
        if number >= 0.0 && number <= f64::from(u32::MAX) {
            number as u32
        } else {
            0
        }
    }

    /// A word; empty where the column was not wanted.
    pub(crate) fn word(&self, column: &str, row: usize) -> &str {
        match self.columns.get(column) {
            Some(Column::Words { list, of }) => of
                .get(row)
                .and_then(|place| list.get(*place))
                .map_or("", String::as_str),
            _ => "",
        }
    }
}

impl Kind {
    const fn empty(self) -> Column {
        match self {
            Self::Words => Column::Words {
                list: Vec::new(),
                of: Vec::new(),
            },
            Self::Numbers | Self::NumbersOr(_) => Column::Numbers(Vec::new()),
        }
    }
}

/// What is wrong with a column.
enum Problem {
    Missing(Vec<String>),
    OtherKind(Type),
    Short,
}

impl Problem {
    fn of(self, file: &str, column: &str) -> Diagnostic {
        match self {
            Self::Missing(known) => {
                let message = format!("{file} has no column \"{column}\"");
                let help = format!("its columns are {}", known.join(", "));
                Diagnostic::new(Code::Field, message).help(help)
            }
            Self::OtherKind(found) => {
                let message = format!("column \"{column}\" of {file} holds {found}");
                Diagnostic::new(Code::Field, message)
            }
            Self::Short => {
                let message = format!("column \"{column}\" of {file} has fewer rows than others");
                Diagnostic::new(Code::Field, message)
            }
        }
    }
}

/// Appends the rows of one group.
fn fill(
    into: &mut Column,
    wanted: &Wanted,
    group: &dyn RowGroupReader,
    rows: usize,
) -> Result<Result<(), Problem>, ParquetError> {
    let columns = group.metadata().columns();
    let place = columns
        .iter()
        .position(|column| column.column_path().string() == wanted.name);
    let (Some(place), missing) = (place, missing(wanted.kind)) else {
        return Ok(match (into, wanted.kind) {
            (Column::Numbers(numbers), Kind::NumbersOr(value)) => {
                numbers.extend(std::iter::repeat_n(value, rows));
                Ok(())
            }
            _ => Err(Problem::Missing(
                columns.iter().map(|c| c.column_path().string()).collect(),
            )),
        });
    };
    let kind = columns[place].column_type();
    let optional = columns[place].column_descr().max_def_level() > 0;
    let reader = group.get_column_reader(place)?;
    let read = match (into, reader) {
        (Column::Numbers(numbers), ColumnReader::Int32ColumnReader(mut reader)) => {
            drain(&mut reader, rows, optional, |value| {
                numbers.push(value.map_or(missing, |value| f64::from(*value)));
            })?
        }
        (Column::Numbers(numbers), ColumnReader::Int64ColumnReader(mut reader)) => {
            drain(&mut reader, rows, optional, |value| {
                numbers.push(value.map_or(missing, |value| *value as f64));
            })?
        }
        (Column::Numbers(numbers), ColumnReader::FloatColumnReader(mut reader)) => {
            drain(&mut reader, rows, optional, |value| {
                numbers.push(value.map_or(missing, |value| f64::from(*value)));
            })?
        }
        (Column::Numbers(numbers), ColumnReader::DoubleColumnReader(mut reader)) => {
            drain(&mut reader, rows, optional, |value| {
                numbers.push(value.copied().unwrap_or(missing));
            })?
        }
        (Column::Words { list, of }, ColumnReader::ByteArrayColumnReader(mut reader)) => {
            drain(&mut reader, rows, optional, |value| {
                let word = value.map_or(&[][..], |value| value.data());
                of.push(place_of(list, word));
            })?
        }
        _ => return Ok(Err(Problem::OtherKind(kind))),
    };
    Ok(if read == rows {
        Ok(())
    } else {
        Err(Problem::Short)
    })
}

/// What counts for a number that is not given.
const fn missing(kind: Kind) -> f64 {
    match kind {
        Kind::NumbersOr(value) => value,
        Kind::Words | Kind::Numbers => f64::NAN,
    }
}

/// The place of a word in a list of few words.
fn place_of(list: &mut Vec<String>, word: &[u8]) -> usize {
    let found = list.iter().position(|known| known.as_bytes() == word);
    found.unwrap_or_else(|| {
        list.push(String::from_utf8_lossy(word).into_owned());
        list.len() - 1
    })
}

/// All values of a column chunk in order, with nothing for a null; their number.
fn drain<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    optional: bool,
    mut push: impl FnMut(Option<&T::T>),
) -> Result<usize, ParquetError> {
    let mut read = 0;
    while read < rows {
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        let into = optional.then_some(&mut levels);
        let (records, ..) = reader.read_records(rows - read, into, None, &mut values)?;
        if records == 0 {
            break;
        }
        if optional {
            let mut values = values.iter();
            for level in &levels {
                push(if *level > 0 { values.next() } else { None });
            }
        } else {
            values.iter().for_each(|value| push(Some(value)));
        }
        read += records;
    }
    Ok(read)
}
