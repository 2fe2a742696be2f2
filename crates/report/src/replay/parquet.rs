//! The requests of a replay as a Parquet file: the columns of the CSV, written in groups of rows as they
//! end, so that memory does not grow with their number.

use std::io::Write;
use std::sync::Arc;

use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_engine::trace::Record;
use chokepoint_engine::units::Seconds;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use super::csv::outcome_name;

/// Rows of a group.
const GROUP: usize = 1 << 16;

/// What a column holds; those of times and instances may lack a value.
enum Column {
    Text(fn(&Record) -> &'static str),
    Count(fn(&Record) -> Option<u64>),
    Time(fn(&Record) -> Option<Seconds>),
}

/// The columns, as in the CSV.
const COLUMNS: [(&str, Repetition, Column); 13] = {
    use Column::{Count, Text, Time};
    const OPTIONAL: Repetition = Repetition::OPTIONAL;
    const REQUIRED: Repetition = Repetition::REQUIRED;
    [
        ("request", REQUIRED, Count(|it| Some(it.request))),
        ("outcome", REQUIRED, Text(|it| outcome_name(it.outcome))),
        ("arrival_seconds", REQUIRED, Time(|it| Some(it.arrival))),
        ("first_token_seconds", OPTIONAL, Time(|it| it.first_token)),
        ("end_seconds", REQUIRED, Time(|it| Some(it.end))),
        (
            "input_tokens",
            REQUIRED,
            Count(|it| Some(it.input_tokens as u64)),
        ),
        (
            "output_tokens",
            REQUIRED,
            Count(|it| Some(it.output_tokens as u64)),
        ),
        (
            "made_tokens",
            REQUIRED,
            Count(|it| Some(it.made_tokens as u64)),
        ),
        (
            "cached_tokens",
            REQUIRED,
            Count(|it| Some(it.cached_tokens as u64)),
        ),
        ("class", REQUIRED, Count(|it| Some(it.class as u64))),
        ("instance", OPTIONAL, Count(|it| it.instance.map(u64::from))),
        (
            "preemptions",
            REQUIRED,
            Count(|it| Some(it.preemptions as u64)),
        ),
        ("retries", REQUIRED, Count(|it| Some(it.retries as u64))),
    ]
};

/// A Parquet file of requests that grows with them.
pub struct RecordTable<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    /// Records of the group that is being gathered.
    group: Vec<Record>,
}

impl<W: Write + Send> RecordTable<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(file: W) -> Result<Self, Diagnostic> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by("chokepoint".to_owned())
            .build();
        let writer = schema()
            .and_then(|schema| SerializedFileWriter::new(file, schema, Arc::new(properties)));
        Ok(Self {
            writer: writer.map_err(|error| unwritten(&error))?,
            group: Vec::new(),
        })
    }

    /// Adds a request.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, record: &Record) -> Result<(), Diagnostic> {
        self.group.push(record.clone());
        if self.group.len() < GROUP {
            return Ok(());
        }
        self.write().map_err(|error| unwritten(&error))
    }

    /// Ends the file and gives it back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<W, Diagnostic> {
        if !self.group.is_empty() {
            self.write().map_err(|error| unwritten(&error))?;
        }
        let file = self.writer.into_inner();
        file.map_err(|error| unwritten(&error))
    }

    fn write(&mut self) -> Result<(), ParquetError> {
        let mut rows = self.writer.next_row_group()?;
        for (_, repetition, column) in &COLUMNS {
            let optional = *repetition == Repetition::OPTIONAL;
            let records = self.group.iter();
            match column {
                Column::Text(of) => {
                    let cells = records.map(|it| Some(ByteArray::from(of(it))));
                    values::<ByteArrayType, W>(&mut rows, optional, cells)?;
                }
                Column::Count(of) => {
                    let whole = |count| i64::try_from(count).unwrap_or(i64::MAX);
                    let cells = records.map(|it| of(it).map(whole));
                    values::<Int64Type, W>(&mut rows, optional, cells)?;
                }
                Column::Time(of) => {
                    let cells = records.map(|it| of(it).map(Seconds::get));
                    values::<DoubleType, W>(&mut rows, optional, cells)?;
                }
            }
        }
        rows.close()?;
        self.group.clear();
        Ok(())
    }
}

/// Writes the next column of a group of rows.
fn values<T: DataType, W: Write + Send>(
    rows: &mut SerializedRowGroupWriter<'_, W>,
    optional: bool,
    cells: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let cells: Vec<Option<T::T>> = cells.collect();
    let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let there: Vec<T::T> = cells.into_iter().flatten().collect();
    let mut column = rows
        .next_column()?
        .ok_or_else(|| ParquetError::General("more columns than the schema has".to_owned()))?;
    let levels = optional.then_some(&levels[..]);
    column.typed::<T>().write_batch(&there, levels, None)?;
    column.close()
}

fn schema() -> Result<TypePtr, ParquetError> {
    let column = |(name, repetition, column): &(&str, Repetition, Column)| {
        let (physical, logical) = match column {
            Column::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Column::Count(_) => (Physical::INT64, None),
            Column::Time(_) => (Physical::DOUBLE, None),
        };
        Type::primitive_type_builder(name, physical)
            .with_repetition(*repetition)
            .with_logical_type(logical)
            .build()
            .map(Arc::new)
    };
    let columns: Result<Vec<TypePtr>, ParquetError> = COLUMNS.iter().map(column).collect();
    let table = Type::group_type_builder("requests").with_fields(columns?);
    table.build().map(Arc::new)
}

fn unwritten(error: &ParquetError) -> Diagnostic {
    Diagnostic::new(Code::File, format!("cannot write the requests: {error}"))
}
