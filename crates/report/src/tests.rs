//! Whole reports of comparisons made by hand.

use chokepoint_engine::Comparison;
use serde_json::Value;

use crate::sample::{comparison, deadline, nothing_feasible};
use crate::{Language, csv, html, json, table};

/// Columns that a text takes in a terminal.
fn columns(text: &str) -> usize {
    let wide = |c: char| matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}');
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

#[test]
fn tables_read_as_recorded() {
    insta::assert_snapshot!("table_en", table(&comparison(), Language::En, None));
    insta::assert_snapshot!("table_zh", table(&comparison(), Language::Zh, None));
    insta::assert_snapshot!("table_deadline_en", table(&deadline(), Language::En, None));
}

#[test]
fn data_reads_as_recorded() {
    insta::assert_snapshot!("json_en", json(&comparison(), Language::En).unwrap());
    insta::assert_snapshot!("csv_en", csv(&comparison(), Language::En).unwrap());
}

/// The page without its style, up to the export verdicts.
#[test]
fn the_page_reads_as_recorded() {
    for (name, language) in [("html_en", Language::En), ("html_zh", Language::Zh)] {
        let page = html(&comparison(), language);
        let (head, rest) = page.split_once("<style>").unwrap();
        let (_, body) = rest.split_once("</style>").unwrap();
        let (first, _) = body.split_once("<section id=\"workload-1\">").unwrap();
        insta::assert_snapshot!(name, format!("{head}{first}"));
    }
}

#[test]
fn lines_of_a_table_are_equally_wide_within_the_width() {
    for language in Language::ALL {
        for (comparison, width) in [
            (comparison(), None),
            (comparison(), Some(100)),
            (deadline(), Some(200)),
        ] {
            let text = table(&comparison, language, width);
            let mut expected = 0;
            for line in text.lines() {
                if line.starts_with('┌') {
                    expected = columns(line);
                    assert!(expected <= usize::from(width.unwrap_or(160)), "{line}");
                } else if line.starts_with(['│', '╞', '└']) {
                    assert_eq!(columns(line), expected, "{line}\n{text}");
                }
            }
        }
    }
}

#[test]
fn shares_of_time_sum_to_a_hundred() {
    let comparison = comparison();
    for view in crate::view::views(&comparison) {
        let (keys, shares) = view.shares();
        assert!(
            !keys.contains(&"recompute") && !keys.contains(&"head"),
            "{keys:?}"
        );
        assert_eq!(shares.len(), 2);
        for row in shares {
            assert_eq!(row.iter().sum::<u32>(), 1000, "{row:?}");
        }
    }
}

#[test]
fn json_keeps_the_contract() {
    let text = json(&comparison(), Language::En).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["schema"], 1);
    let rows = value["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    let keys = [
        "system",
        "system_name",
        "workload",
        "kind",
        "chips",
        "chips_used",
        "feasible",
        "reason",
        "plan",
        "metrics",
        "interval",
        "breakdown",
        "memory",
        "chokepoint",
        "elasticities",
        "alternatives",
        "cost",
        "power",
        "network",
        "export",
        "notes",
    ];
    for row in rows {
        for key in keys {
            assert!(row.get(key).is_some(), "{key}");
        }
    }
    assert_eq!(rows[0]["chokepoint"]["resource"], "compute");
    assert_eq!(rows[0]["export"]["on"], "2026-11-24");
    assert_eq!(rows[2]["feasible"], false);
    assert!(rows[2]["reason"].as_str().unwrap().contains("97.1 GB"));
    let parts: f64 = rows[0]["breakdown"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["seconds"].as_f64().unwrap())
        .sum();
    assert!((parts - 12.0).abs() < 1e-9);
}

#[test]
fn every_csv_line_has_every_column() {
    let text = csv(&comparison(), Language::Zh).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let keys = reader.headers().unwrap().clone();
    assert!(
        keys.iter()
            .any(|key| key == "usd_per_million_output_tokens")
    );
    assert_eq!(
        keys.iter().collect::<std::collections::BTreeSet<_>>().len(),
        keys.len()
    );
    let step = keys.iter().position(|key| key == "step_seconds").unwrap();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), 6);
    assert_eq!(&records[0][step], "12");
    assert_eq!(&records[2][step], "");
    assert_eq!(&records[3][step], "");
}

#[test]
fn a_page_escapes_and_stands_alone() {
    for language in Language::ALL {
        let page = html(&comparison(), language);
        assert!(!page.contains("<script"));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; co"));
        assert!(page.contains("made for &lt;data centers&gt;"));
        for fetched in ["src=", "url(", "@import", "href=\"http"] {
            assert!(!page.contains(fetched), "{fetched}");
        }
        assert!(page.contains(&format!("<html lang=\"{}\">", language.tag())));
        assert_eq!(page.matches("<svg role=\"img\"").count(), 8);
        for tag in [
            "table", "section", "details", "svg", "div", "figure", "ul", "tr", "td", "th",
        ] {
            let open = page.matches(&format!("<{tag}>")).count()
                + page.matches(&format!("<{tag} ")).count();
            assert_eq!(open, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}

#[test]
fn answers_say_which_how_much_and_whether_it_is_certain() {
    let text = table(&comparison(), Language::En, None);
    assert!(text.contains("GB200 NVL72 is fastest at 10,000,000 tokens/s: 2.5 times the slowest"));
    assert!(!text.contains("overlaps"));
    let mut close = comparison();
    for row in &mut close.rows {
        if let Some(outcome) = &mut row.outcome {
            outcome.interval = (1.0, 1e9);
        }
    }
    assert!(table(&close, Language::En, None).contains("overlaps that of HGX H200"));
    let text = table(&deadline(), Language::En, None);
    assert!(text.contains("GB200 NVL72 needs the fewest chips, 576."));
    assert!(text.contains("takes 2.5 times as many"));
}

#[test]
fn reports_without_a_result_or_without_rows_say_so() {
    let empty = Comparison {
        rows: Vec::new(),
        ..comparison()
    };
    for language in Language::ALL {
        for comparison in [nothing_feasible(), empty.clone()] {
            assert!(table(&comparison, language, Some(20)).contains("retail-2025"));
            assert!(html(&comparison, language).ends_with("</html>\n"));
            json(&comparison, language).unwrap();
            csv(&comparison, language).unwrap();
        }
    }
    assert!(
        table(&nothing_feasible(), Language::En, None)
            .contains("None of the 3 systems can run it.")
    );
}

#[test]
fn the_same_comparison_gives_the_same_bytes() {
    for language in Language::ALL {
        assert_eq!(html(&comparison(), language), html(&comparison(), language));
        assert_eq!(
            table(&comparison(), language, None),
            table(&comparison(), language, None)
        );
        assert_eq!(
            json(&comparison(), language).unwrap(),
            json(&comparison(), language).unwrap()
        );
    }
}

#[test]
fn nothing_falls_back_to_a_key() {
    for language in Language::ALL {
        for comparison in [comparison(), deadline(), nothing_feasible()] {
            let text = table(&comparison, language, None) + &html(&comparison, language);
            for section in [
                "column.",
                "report.",
                "chart.",
                "answer.",
                "statement.",
                "export-text.",
                "metric.",
                "format.",
                "truth.",
            ] {
                let found = text.match_indices(section).find(|(at, _)| {
                    let rest = &text[at + section.len()..];
                    rest.starts_with(|c: char| c.is_ascii_lowercase())
                });
                assert!(
                    found.is_none(),
                    "{section} {:?}",
                    found.map(|(at, _)| &text[at..at + 40])
                );
            }
        }
    }
}
