//! The comparison as text for a terminal.

use chokepoint_engine::Comparison;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

use crate::answer::answer;
use crate::grid::Grid;
use crate::messages::{Language, Words};
use crate::view::{View, views};
use crate::{notes, tables};

/// Width of tables when none is given.
const WIDTH: u16 = 160;

/// The comparison as text: for each workload what is held equal, the answer, the results, plans,
/// shares of time and cost of a chip-hour; then notes and sources. No colour. Tables are at most
/// `width` columns wide (160 when absent); cells that do not fit are wrapped.
#[must_use]
pub fn table(comparison: &Comparison, language: Language, width: Option<u16>) -> String {
    let words = Words::new(language);
    let mut out = String::new();
    line(&mut out, title(comparison, language));
    line(&mut out, &about(&words, comparison));
    for view in views(comparison) {
        workload(&mut out, &words, comparison, &view, width.unwrap_or(WIDTH));
    }
    let notes = notes::collected(&words, comparison);
    if !notes.is_empty() {
        line(&mut out, "");
        line(&mut out, &words.of("report", "notes"));
        let separator = words.of("format", "list");
        for (text, systems) in notes {
            line(
                &mut out,
                &format!(
                    "- {text}{}{}",
                    words.of("format", "colon"),
                    systems.join(&separator)
                ),
            );
        }
    }
    line(&mut out, "");
    for key in ["intervals", "bases", "sources", "disclaimer"] {
        line(&mut out, &words.of("report", key));
    }
    out
}

/// The title in a language, where the scenario has it.
pub(crate) fn title(comparison: &Comparison, language: Language) -> &str {
    match (language, &comparison.title_zh) {
        (Language::Zh, Some(title)) => title,
        _ => &comparison.title,
    }
}

/// Day and destination of the verdicts, price book and its date.
pub(crate) fn about(words: &Words, comparison: &Comparison) -> String {
    words.fill(
        "report.about",
        [
            ("destination", &comparison.destination),
            ("date", &comparison.date),
            ("prices", &comparison.prices),
            ("as_of", &comparison.prices_as_of),
        ],
    )
}

/// What a workload is called, with what is held equal.
pub(crate) fn heading(words: &Words, view: &View) -> String {
    let held = view
        .held
        .map(|held| words.statement(held))
        .unwrap_or_default();
    let kind = words.of("report", view.kind_key());
    words.fill(
        "report.heading",
        [("workload", view.id), ("kind", &kind), ("held", &held)],
    )
}

fn workload(out: &mut String, words: &Words, comparison: &Comparison, view: &View, width: u16) {
    line(out, "");
    line(out, &heading(words, view));
    line(out, &answer(words, comparison, view));
    let results = tables::results(words, view);
    line(out, &drawn(&results, width));
    let further = [
        Some(tables::plans(words, view, false)),
        tables::breakdown(words, view),
        tables::cost(words, view),
    ];
    for grid in further.into_iter().flatten() {
        line(out, &grid.title);
        line(out, &drawn(&grid, width));
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

/// Draws a table with light borders.
pub(crate) fn drawn(grid: &Grid, width: u16) -> String {
    let mut table = Table::new();
    table
        .load_style(UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    let side = |numeric| {
        if numeric {
            CellAlignment::Right
        } else {
            CellAlignment::Left
        }
    };
    table.set_header(
        grid.columns
            .iter()
            .map(|column| Cell::new(&column.heading).set_alignment(side(column.numeric))),
    );
    for row in &grid.rows {
        table.add_row(
            row.iter()
                .zip(&grid.columns)
                .map(|(cell, column)| Cell::new(cell).set_alignment(side(column.numeric))),
        );
    }
    let last = grid.columns.len().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((1, u16::from(index == last)));
    }
    if let Some(column) = table.column_mut(0) {
        let lower = Width::Fixed(names_width(grid).min(width / 4));
        column.set_constraint(ColumnConstraint::LowerBoundary(lower));
    }
    table.to_string()
}

/// Columns that the longest cell of the first column takes at most.
fn names_width(grid: &Grid) -> u16 {
    let names = grid.rows.iter().filter_map(|row| row.first());
    let widest = names.map(|name| name.chars().count()).max().unwrap_or(0);
    u16::try_from(widest + 1).unwrap_or(u16::MAX)
}
