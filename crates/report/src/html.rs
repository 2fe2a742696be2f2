//! The comparison as one self-contained HTML page: no scripts, nothing to fetch.

use std::fmt::Write;

use chokepoint_engine::Comparison;

use crate::answer::answer;
use crate::figures::figures;
use crate::grid::Grid;
use crate::messages::{Language, Words};
use crate::svg::{escape, text_width};
use crate::terminal::{about, heading, title};
use crate::view::{View, views};
use crate::{export, notes, tables};

const STYLE: &str = include_str!("style.css");

/// The comparison as one HTML file: the answers, then for each workload charts and tables, then
/// export verdicts with their reasoning, notes and sources. It needs no network and no scripts,
/// follows the reader's light or dark setting, and prints.
#[must_use]
pub fn html(comparison: &Comparison, language: Language) -> String {
    let words = Words::new(language);
    let views = views(comparison);
    let title = escape(title(comparison, language));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        language.tag()
    );
    let _ = write!(
        out,
        "<header><h1>{title}</h1>\n<p class=\"quiet\">{}</p></header>\n<main>\n",
        escape(&about(&words, comparison))
    );
    out.push_str(&answers(&words, comparison, &views));
    for (index, view) in views.iter().enumerate() {
        out.push_str(&section(&words, view, index));
    }
    if !comparison.rows.is_empty() {
        out.push_str(&export::section(&words, comparison));
    }
    out.push_str("</main>\n");
    out.push_str(&footer(&words, comparison));
    out.push_str("</body>\n</html>\n");
    out
}

fn answers(words: &Words, comparison: &Comparison, views: &[View]) -> String {
    let mut out = String::from("<div class=\"answers\">\n");
    for (index, view) in views.iter().enumerate() {
        let name = escape(&heading(words, view));
        let text = escape(&answer(words, comparison, view));
        let _ = writeln!(
            out,
            "<p><a href=\"#workload-{index}\">{name}</a><br>{text}</p>"
        );
    }
    out.push_str("</div>\n");
    out
}

fn section(words: &Words, view: &View, index: usize) -> String {
    let name = escape(&heading(words, view));
    let mut out = format!("<section id=\"workload-{index}\"><h2>{name}</h2>\n");
    out.push_str(&figures(words, view));
    for grid in [
        tables::results(words, view),
        tables::plans(words, view, true),
    ] {
        let _ = write!(
            out,
            "<h3>{}</h3>\n{}",
            escape(&grid.title),
            grid_table(&grid)
        );
    }
    let further = [
        tables::breakdown(words, view),
        tables::cost(words, view),
        Some(tables::money(words, view)),
        tables::memory(words, view),
        tables::metrics(words, view),
    ];
    for grid in further.into_iter().flatten() {
        let _ = writeln!(
            out,
            "<details><summary>{}</summary>{}</details>",
            escape(&grid.title),
            grid_table(&grid)
        );
    }
    out.push_str("</section>\n");
    out
}

fn footer(words: &Words, comparison: &Comparison) -> String {
    let mut out = String::from("<footer>\n");
    let notes = notes::collected(words, comparison);
    if !notes.is_empty() {
        let _ = write!(
            out,
            "<h2>{}</h2>\n<ul>\n",
            escape(&words.of("report", "notes"))
        );
        let (colon, separator) = (words.of("format", "colon"), words.of("format", "list"));
        for (text, systems) in notes {
            let line = format!("{text}{colon}{}", systems.join(&separator));
            let _ = writeln!(out, "<li>{}</li>", escape(&line));
        }
        out.push_str("</ul>\n");
    }
    let lines = ["intervals", "bases", "sources"].map(|key| escape(&words.of("report", key)));
    let _ = writeln!(
        out,
        "<p class=\"quiet\">{} {}</p>\n</footer>",
        lines[0], lines[1]
    );
    out
}

/// Class of a cell: numbers to the right, short texts on one line, long ones wide enough to read.
fn class(numeric: bool, text: &str) -> &'static str {
    match text_width(text) {
        _ if numeric => " class=\"n\"",
        width if width <= 14.0 => " class=\"s\"",
        width if width > 40.0 => " class=\"l\"",
        _ => "",
    }
}

/// A table that scrolls sideways where it does not fit.
pub(crate) fn grid_table(grid: &Grid) -> String {
    let label = escape(&grid.title);
    let mut out = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\"><table><thead><tr>"
    );
    for column in &grid.columns {
        let heading = escape(&column.heading).replace('\n', "<br>");
        let class = class(column.numeric, "");
        let _ = write!(out, "<th scope=\"col\"{class}>{heading}</th>");
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in &grid.rows {
        out.push_str("<tr>");
        for (index, (cell, column)) in row.iter().zip(&grid.columns).enumerate() {
            let (text, class) = (escape(cell), class(column.numeric, cell));
            if index == 0 {
                let _ = write!(out, "<th scope=\"row\">{text}</th>");
            } else {
                let _ = write!(out, "<td{class}>{text}</td>");
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}
