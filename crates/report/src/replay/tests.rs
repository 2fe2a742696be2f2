//! A made-up replay, and one that could not run.

use chokepoint_engine::trace::{Drawn, Lengths, Outcome, Process, Record, Synthetic, Targets};
use chokepoint_engine::units::{Bytes, NumberFormat, Seconds};
use chokepoint_engine::{
    Data, Failures, ReplayFailures, ReplayRequest, ReplayRun, ReplayScaling, ReplaySource,
    Statement, run_replay,
};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;

use super::{
    RecordTable, record_columns, record_line, replay_csv, replay_json, replay_svg, replay_table,
};
use crate::Language;

/// A few requests.
const DRAWN: Synthetic = Synthetic {
    requests: 40,
    process: Process::Uniform { rate: 20.0 },
    input: Lengths::fixed(512),
    output: Lengths {
        least: 30,
        most: 34,
    },
    seed: 1,
};

/// They on one chip, and on too few for the model.
fn run(model: &str, split: Option<(u32, u32)>) -> ReplayRun {
    let drawn = DRAWN;
    let source = ReplaySource::Synthetic {
        drawn,
        concurrency: None,
    };
    let request = ReplayRequest {
        disaggregate: split,
        plan: Some("tp=1".to_owned()),
        formats: vec![NumberFormat::Fp8],
        targets: Targets {
            first_token: Some(Seconds::new(0.1)),
            ..Targets::default()
        },
        ..ReplayRequest::new(model, "hgx-h100", source)
    };
    let data = Data::load(&[]).unwrap();
    let mut open = || -> Result<Drawn, _> { drawn.draw() };
    let mut observer = |_: &Record| {};
    run_replay(&request, &data, &mut open, &mut observer).unwrap()
}

#[test]
fn every_statement_and_heading_has_words() {
    for language in Language::ALL {
        for (model, split) in [
            ("llama-3.1-8b", None),
            ("llama-3.1-8b", Some((1, 1))),
            ("deepseek-v3", None),
        ] {
            let mut text = String::new();
            for run in [run(model, split), changing()] {
                text += &replay_table(&run, language);
                text += &replay_svg(&run, language).unwrap_or_default();
            }
            for raw in ["replay.", "statement.", "{", "good-rate"] {
                let drawn = text.replace(super::drawing::STYLE, "");
                assert!(!drawn.contains(raw), "{raw}: {drawn}");
            }
        }
    }
}

#[test]
fn json_and_csv_say_the_same() {
    let run = run("llama-3.1-8b", None);
    let json: Value = serde_json::from_str(&replay_json(&run).unwrap()).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["found"]["finished"], 40);
    assert!(json["reason"].is_null());
    let csv = replay_csv(&run).unwrap();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let heads = reader.headers().unwrap().clone();
    let row = reader.records().next().unwrap().unwrap();
    let cell = |name: &str| row[heads.iter().position(|head| head == name).unwrap()].to_owned();
    let number = |value: &Value| value.as_f64().unwrap();
    let found = &json["found"];
    for (name, value) in [
        ("ttft_p99_seconds", &found["ttft"]["p99_seconds"]),
        ("tpot_mean_seconds", &found["tpot"]["mean_seconds"]),
        (
            "output_tokens_per_second_per_chip",
            &found["output_tokens_per_second_per_chip"],
        ),
        (
            "chip_joules_per_output_token",
            &found["chip_joules_per_output_token"],
        ),
    ] {
        let written: f64 = cell(name).parse().unwrap();
        assert!(
            (written - number(value)).abs() <= 1e-12 * written.abs(),
            "{name}"
        );
    }
}

#[test]
fn a_reason_leaves_the_keys_and_blank_cells() {
    let run = run("deepseek-v3", None);
    let json: Value = serde_json::from_str(&replay_json(&run).unwrap()).unwrap();
    assert!(json["found"].is_null());
    assert_eq!(json["reason"]["key"], "memory-short");
    let csv = replay_csv(&run).unwrap();
    assert_eq!(csv.lines().count(), 2);
    assert!(csv.trim_end().ends_with("memory-short"), "{csv}");
    assert!(replay_svg(&run, Language::En).is_none());
}

#[test]
fn a_record_has_a_cell_for_each_column() {
    let record = Record {
        request: 3,
        outcome: Outcome::Unfinished,
        arrival: Seconds::new(1.5),
        first_token: None,
        end: Seconds::new(2.0),
        input_tokens: 100,
        output_tokens: 10,
        made_tokens: 0,
        cached_tokens: 0,
        class: 0,
        instance: None,
        preemptions: 1,
        retries: 0,
    };
    assert_eq!(
        record_line(&record),
        "3,unfinished,1.5,,2,100,10,0,0,0,,1,0\n"
    );
    let columns = |text: &str| text.split(',').count();
    assert_eq!(columns(&record_line(&record)), columns(record_columns()));
}

#[test]
fn a_parquet_file_has_the_cells_of_the_csv() {
    let record = |number: u64| Record {
        request: number,
        outcome: if number.is_multiple_of(3) {
            Outcome::RejectedTooLong
        } else {
            Outcome::Finished
        },
        arrival: Seconds::new(number as f64 * 0.25),
        first_token: (!number.is_multiple_of(3)).then(|| Seconds::new(number as f64)),
        end: Seconds::new(number as f64 + 0.5),
        input_tokens: 100 + number as u32 % 7,
        output_tokens: 10,
        made_tokens: 10,
        cached_tokens: 16,
        class: 2,
        instance: (!number.is_multiple_of(3)).then_some(5),
        preemptions: 1,
        retries: 3,
    };
    // More than one group of rows, and nothing at all.
    for rows in [0, 70_000] {
        let mut table = RecordTable::begin(Vec::new()).unwrap();
        for number in 0..rows {
            table.add(&record(number)).unwrap();
        }
        let bytes = table.finish().unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        let names: Vec<String> = reader
            .metadata()
            .file_metadata()
            .schema_descr()
            .columns()
            .iter()
            .map(|column| column.name().to_owned())
            .collect();
        assert_eq!(names.join(",") + "\n", record_columns());
        let mut seen = 0;
        for row in reader.get_row_iter(None).unwrap() {
            let row = row.unwrap();
            let cells = row.get_column_iter().map(|(_, cell)| match cell {
                Field::Null => String::new(),
                Field::Str(text) => text.clone(),
                Field::Double(number) => number.to_string(),
                Field::Long(number) => number.to_string(),
                other => panic!("{other:?}"),
            });
            let line = cells.collect::<Vec<String>>().join(",") + "\n";
            assert_eq!(line, record_line(&record(seen)));
            seen += 1;
        }
        assert_eq!(seen, rows);
    }
}

/// A replay with all that instances may do.
fn changing() -> ReplayRun {
    let drawn = DRAWN;
    let source = ReplaySource::Synthetic {
        drawn,
        concurrency: None,
    };
    let request = ReplayRequest {
        plan: Some("[tp=1 pp=2 batch=8] fp8".to_owned()),
        swap: Some(Bytes::new(4e9)),
        drafted_tokens: Some(3),
        accepted_tokens: Some(1.5),
        scaling: Some(ReplayScaling {
            least: 2,
            most: 3,
            target: Some(4.0),
            interval: Seconds::new(15.0),
            loading: ReplayScaling::LOADING,
            beside: Seconds::new(20.0),
        }),
        failures: ReplayFailures::Published(Failures::Nearest),
        targets: Targets {
            whole: Some(Seconds::new(1.0)),
            ..Targets::default()
        },
        ..ReplayRequest::new("llama-3.1-8b", "hgx-h100", source)
    };
    let data = Data::load(&[]).unwrap();
    let mut open = || -> Result<Drawn, _> { drawn.draw() };
    run_replay(&request, &data, &mut open, &mut |_: &Record| {}).unwrap()
}

/// A run whose numbers do not move with the model, for the words around them.
#[test]
fn a_replay_reads_as_recorded() {
    let mut plain = run("llama-3.1-8b", None);
    plain.notes.truncate(2);
    let mut changing = changing();
    let told = |note: &Statement| {
        let own = ["scaling", "swap", "stages", "failures"];
        own.iter().any(|word| note.key.contains(word))
    };
    changing.notes.retain(told);
    assert_eq!(changing.notes.len(), 5);
    for (name, mut run) in [("replay", plain), ("replay_changing", changing)] {
        settle(&mut run);
        for (ending, language) in [("en", Language::En), ("zh", Language::Zh)] {
            insta::assert_snapshot!(format!("{name}_{ending}"), replay_table(&run, language));
        }
    }
}

/// Replaces what moves with the model.
fn settle(run: &mut ReplayRun) {
    let found = run.found.as_mut().unwrap();
    let round = |time: Seconds| Seconds::new((time.get() * 10.0).ceil() / 10.0);
    for times in [
        &mut found.summary.first_token,
        &mut found.summary.token_interval,
        &mut found.summary.whole,
    ]
    .into_iter()
    .flatten()
    {
        for time in [
            &mut times.mean_seconds,
            &mut times.p50_seconds,
            &mut times.p90_seconds,
            &mut times.p95_seconds,
            &mut times.p99_seconds,
            &mut times.max_seconds,
        ] {
            *time = round(*time);
        }
    }
    found.summary.seconds = Seconds::new(2.5);
    found.summary.output_tokens_per_second = 512.0;
    found.summary.requests_per_second = 16.0;
    found.summary.good_requests_per_second = 16.0;
    found.summary.good = 40;
    found.summary.output_tokens = 1280;
    found.engine.blocks = 1 << 15;
    found.cache = Bytes::new(64e9);
    found.energy = chokepoint_engine::units::Energy::new(640.0);
    for one in &mut found.summary.instances {
        one.utilisation = 0.5;
        one.up_seconds = Seconds::new(2.5);
    }
}
