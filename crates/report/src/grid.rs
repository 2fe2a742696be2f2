//! A table before it becomes text or HTML.

use chokepoint_engine::Row;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Heading; may hold line breaks.
    pub(crate) heading: String,
    /// Whether its cells are numbers, to be set to the right.
    pub(crate) numeric: bool,
}

impl Column {
    pub(crate) const fn text(heading: String) -> Self {
        Self {
            heading,
            numeric: false,
        }
    }

    pub(crate) const fn number(heading: String) -> Self {
        Self {
            heading,
            numeric: true,
        }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grid {
    /// What it shows.
    pub(crate) title: String,
    /// Columns.
    pub(crate) columns: Vec<Column>,
    /// Cells, as many in each row as there are columns.
    pub(crate) rows: Vec<Vec<String>>,
}

/// A column and what a row of the comparison has in it.
pub(crate) type Filled<'a> = (Column, Box<dyn Fn(&Row) -> String + 'a>);

impl Grid {
    /// A table of rows of the comparison.
    pub(crate) fn of<'a>(
        title: String,
        columns: Vec<Filled>,
        rows: impl Iterator<Item = &'a Row>,
    ) -> Self {
        let rows = rows
            .map(|row| columns.iter().map(|(_, cell)| cell(row)).collect())
            .collect();
        Self {
            title,
            columns: columns.into_iter().map(|(column, _)| column).collect(),
            rows,
        }
    }
}
