//! Traces: what is read, what is refused and how it is said, and whole replays of public ones.

use std::fs;
use std::io::{BufReader, Read};

use chokepoint_replay::{
    Affine, Engine, Fleet, Load, MOONCAKE_HASH_TOKENS, Record, Request, Router, Trace, replay,
};
use chokepoint_units::Seconds;
use proptest::prelude::*;

const AZURE: &str = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
const BURST: &str = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n";

fn read(text: &str) -> Result<Vec<Request>, String> {
    let trace = Trace::open("t", text.as_bytes()).map_err(|error| error.to_string())?;
    let requests: Result<Vec<Request>, _> = trace.collect();
    requests.map_err(|error| error.to_string())
}

fn brief(requests: &[Request]) -> Vec<(f64, u32, u32)> {
    requests
        .iter()
        .map(|r| (r.arrival.get(), r.input_tokens, r.output_tokens))
        .collect()
}

#[test]
fn three_schemas_are_recognised() {
    let azure =
        format!("{AZURE}2023-11-16 18:15:46.6805900,374,44\r\n\n2023-11-16 18:15:47.68,396,109\n");
    assert_eq!(
        brief(&read(&azure).unwrap()),
        [(0.0, 374, 44), (0.99941, 396, 109)]
    );
    let week = format!(
        "{AZURE}2024-05-12 00:00:00.000425+00:00,2162,5\n2024-05-12 00:00:01.000425+00:00,1,0"
    );
    assert_eq!(brief(&read(&week).unwrap()), [(0.0, 2162, 5), (1.0, 1, 0)]);
    let burst =
        format!("{BURST}5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,1087,230,1317,API log\n");
    assert_eq!(
        brief(&read(&burst).unwrap()),
        [(0.0, 472, 18), (40.0, 1087, 230)]
    );
    let sessions = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
        1.5,,0.2,GPT-4,10,20,30,API log\n";
    assert_eq!(brief(&read(sessions).unwrap()), [(0.0, 10, 20)]);
    let moon = "{\"timestamp\": 27482, \"input_length\": 6955, \"output_length\": 52, \"hash_ids\": [46, 47]}\n\
        {\"timestamp\": 30535, \"input_length\": 6472, \"output_length\": 26, \"hash_ids\": [46, 58]}";
    let requests = read(moon).unwrap();
    assert_eq!(brief(&requests), [(0.0, 6955, 52), (3.053, 6472, 26)]);
    assert_eq!(requests[1].hash_ids, [46, 58]);
}

#[test]
fn a_priority_is_read_where_there_is_one() {
    let table = "Timestamp,Model,Request tokens,Response tokens,Priority\n1,m,3,1,2\n2,m,4,1,0\n";
    let classes = |text: &str| -> Vec<u8> { read(text).unwrap().iter().map(|r| r.class).collect() };
    assert_eq!(classes(table), [2, 0]);
    let azure =
        "TIMESTAMP,priority,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,255,374,44\n";
    assert_eq!(classes(azure), [255]);
    let moon = "{\"timestamp\": 0, \"input_length\": 1, \"output_length\": 1, \"priority\": 7}";
    assert_eq!(classes(moon), [7]);
    for (text, wanted) in [
        (
            table.replace("4,1,0", "4,1,high"),
            "priority is \"high\"; expected a whole number from 0 (most urgent) to 255 (t:3:9)",
        ),
        (
            table.replace("4,1,0", "4,1"),
            "the line has 4 columns; expected priority too (t:3:1)",
        ),
        (
            moon.replace('7', "256"),
            "priority is not as expected: a whole number from 0 (most urgent) to 255",
        ),
        (
            moon.replace('7', "\"high\""),
            "priority is not as expected: a whole number from 0 (most urgent) to 255",
        ),
    ] {
        let message = read(&text).unwrap_err();
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn lines_out_of_order_are_sorted_and_equal_times_keep_theirs() {
    let text = format!("{BURST}7,m,3,1,4,l\n5,m,1,1,2,l\n7,m,4,1,5,l\n6,m,2,1,3,l\n");
    let inputs: Vec<u32> = read(&text)
        .unwrap()
        .iter()
        .map(|r| r.input_tokens)
        .collect();
    assert_eq!(inputs, [1, 2, 3, 4]);

    let mut late = BURST.to_owned();
    for time in 10..5000 {
        late.push_str(&format!("{time},m,1,1,2,l\n"));
    }
    late.push_str("3,m,1,1,2,l\n");
    let message = read(&late).unwrap_err();
    assert!(
        message.contains("more than 4096 lines") && message.contains("(t:4992:1)"),
        "{message}"
    );
}

#[test]
fn mistakes_are_named_with_line_column_and_what_was_expected() {
    let moon = |rest: &str| format!("{{\"timestamp\": 0, {rest}}}");
    for (text, wanted) in [
        (String::new(), "t has no lines"),
        (" \n\n".to_owned(), "t has no lines"),
        (
            "a,b\n".to_owned(),
            "there is no column \"TIMESTAMP\" (t:1:1); known traces are",
        ),
        (
            "TIMESTAMP,ContextToken,GeneratedTokens\n".to_owned(),
            "there is no column \"ContextTokens\" (t:1:11); is \"ContextToken\" meant?",
        ),
        (
            "Timestamp,Model,Request tokens,Response\n".to_owned(),
            "there is no column \"Response tokens\" (t:1:32); is \"Response\" meant?",
        ),
        (
            format!("{AZURE}2023-11-16 18:15:46,374\n"),
            "the line has 2 columns; expected GeneratedTokens too (t:2:1)",
        ),
        (
            format!("{AZURE}2023-11-16 18:15:46,3.5,1\n"),
            "ContextTokens is \"3.5\"; expected a whole number of tokens from 0 to 1,000,000,000 (t:2:21)",
        ),
        (
            format!("{AZURE}2023-11-16 18:15:46,1,-2\n"),
            "GeneratedTokens is \"-2\"",
        ),
        (
            format!("{AZURE}2023-11-16 18:15:46,99999999999999999999,1\n"),
            "ContextTokens is \"99999999999999999999\"",
        ),
        (
            format!("{AZURE}yesterday,1,1\n"),
            "TIMESTAMP is \"yesterday\"; expected a date and time such as 2023-11-16 18:17:03.9799600 (t:2:1)",
        ),
        (
            format!("{BURST}1,m,1,1,2,l\n-4,m,1,1,2,l\n"),
            "Timestamp is \"-4\"; expected seconds that are not negative, such as 45 or 45.125 (t:3:1)",
        ),
        (
            moon("\"input_lenght\": 3, \"output_length\": 4"),
            "there is no field \"input_length\" (t:1:1); is \"input_lenght\" meant?",
        ),
        (
            moon("\"input_length\": \"3\", \"output_length\": 4"),
            "input_length is not as expected: a number (t:1:18)",
        ),
        (
            moon("\"input_length\": 3, \"output_length\": 1e12"),
            "output_length is not as expected: a whole number of tokens from 0 to 1,000,000,000",
        ),
        (
            "{\"timestamp\": -1, \"input_length\": 3, \"output_length\": 4}".to_owned(),
            "timestamp is not as expected: milliseconds that are not negative (t:1:2)",
        ),
        (
            moon("\"input_length\": 3, \"output_length\": 4, \"hash_ids\": [-1]"),
            "a field is not as expected",
        ),
        (
            format!("{}\nx", moon("\"input_length\": 3, \"output_length\": 4")),
            "the line is not a JSON object",
        ),
    ] {
        let message = read(&text).unwrap_err();
        assert!(
            message.contains(wanted),
            "{text:?}\n  {message}\n  wanted {wanted}"
        );
    }
    let message = Trace::open("t", &b"TIMESTAMP\xFF\n"[..])
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains("a line is not UTF-8 (t:1:1)"), "{message}");
}

/// A trace of so many lines that is made as it is read.
struct Endless {
    line: u64,
    lines: u64,
    rest: Vec<u8>,
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.rest.is_empty() && self.line < self.lines {
            self.rest = format!("{}.5,m,100,{},0,l\n", self.line, self.line % 3).into_bytes();
            self.line += 1;
        }
        let count = into.len().min(self.rest.len());
        for (to, from) in into.iter_mut().zip(self.rest.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }
}

#[test]
fn a_long_trace_is_read_as_it_comes() {
    let lines = 300_000;
    let rest = BURST.as_bytes().to_vec();
    let trace = Trace::open(
        "t",
        BufReader::new(Endless {
            line: 0,
            lines,
            rest,
        }),
    )
    .unwrap();
    let time = Affine::MADE_UP;
    let fleet = Fleet::of(1, Engine::with_blocks(100), &time);
    let mut without_tokens = 0;
    let summary = replay(&fleet, Load::Timed(trace), &mut |record: &Record| {
        without_tokens += u64::from(record.first_token.is_none());
    });
    let summary = summary.unwrap();
    assert_eq!((summary.finished, without_tokens), (lines, lines / 3));
    assert!(
        summary.whole.unwrap().relative_error > 0.0,
        "more values than are kept one by one"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*", lines in proptest::collection::vec("[-0-9a-zA-Z,:. {}\"\\[\\]_]{0,40}", 0..6)) {
        let _ = read(&text);
        let priority = "Timestamp,priority,Request tokens,Response tokens\n";
        for header in [AZURE, BURST, priority, "{\"timestamp\":0,\"input_length\":1,\"output_length\":1}\n"] {
            let whole = format!("{header}{}", lines.join("\n"));
            if let Ok(requests) = read(&whole) {
                prop_assert!(requests.windows(2).all(|pair| pair[0].arrival <= pair[1].arrival));
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(trace) = Trace::open("t", &bytes[..]) {
            for request in trace {
                if request.is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn written_lines_come_back(rows in proptest::collection::vec((0_u32..1_000_000, 0_u32..1_000_000_000, 0_u32..1_000_000_000), 1..30)) {
        let mut text = "\u{feff}".to_owned() + BURST;
        for (time, input, output) in &rows {
            text.push_str(&format!("{time}, m,\"{input}\",{output} ,0,l\n"));
        }
        let mut sorted = rows.clone();
        sorted.sort_by_key(|row| row.0);
        let origin = sorted[0].0;
        let wanted: Vec<(f64, u32, u32)> = sorted.iter().map(|r| (f64::from(r.0 - origin), r.1, r.2)).collect();
        prop_assert_eq!(brief(&read(&text).unwrap()), wanted);
    }
}

/// A public trace, where it is at hand.
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test reads public data, and says what it skipped"
)]
fn public(name: &str) -> Option<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/traces");
    let text = fs::read_to_string(format!("{folder}/{name}")).ok();
    if text.is_none() {
        eprintln!("{name} is not in {folder}: skipped");
    }
    text
}

#[test]
fn azure_conversations() {
    let Some(text) = public("AzureLLMInferenceTrace_conv.csv") else {
        return;
    };
    let requests = read(&text).unwrap();
    // `reference/peers_inference.md`, section 7: 19,366 rows in 58 minutes, 1155 in, 211 out.
    assert_eq!(requests.len(), 19_366);
    let mean = |of: fn(&Request) -> u32| {
        requests.iter().map(|r| f64::from(of(r))).sum::<f64>() / requests.len() as f64
    };
    assert!((mean(|r| r.input_tokens) - 1155.0).abs() < 1.0);
    assert!((mean(|r| r.output_tokens) - 211.0).abs() < 1.0);
    let last = requests.last().unwrap().arrival;
    assert!((3480.0..3540.0).contains(&last.get()), "{last}");

    let time = Affine::MADE_UP;
    let mut fleet = Fleet::of(1, Engine::with_blocks(32_768), &time);
    let run = |fleet: &Fleet<'_>| {
        let trace = Trace::open("t", text.as_bytes()).unwrap();
        replay(fleet, Load::Timed(trace), &mut |_: &Record| {}).unwrap()
    };
    let summary = run(&fleet);
    assert_eq!((summary.finished, summary.unfinished), (19_366, 0));
    fleet.longest_run = 1;
    assert_eq!(run(&fleet), summary, "step by step gives the same");
    fleet.pools[0].instances = 4;
    let four = run(&fleet);
    assert!(four.whole.unwrap().mean_seconds < summary.whole.unwrap().mean_seconds);
}

#[test]
fn mooncake_conversations_share_prefixes() {
    let Some(text) = public("mooncake_conversation_trace.jsonl") else {
        return;
    };
    let time = Affine::MADE_UP;
    let run = |router, longest_run| {
        let mut fleet = Fleet::of(8, Engine::with_blocks(65_536), &time);
        fleet.router = router;
        fleet.hash_tokens = MOONCAKE_HASH_TOKENS;
        fleet.longest_run = longest_run;
        let trace = Trace::open("t", text.as_bytes()).unwrap();
        replay(&fleet, Load::Timed(trace), &mut |_: &Record| {}).unwrap()
    };
    let aware = Router::KvAware {
        prefill_weight: 1.0,
    };
    let (routed, blind) = (run(aware, u64::MAX), run(Router::RoundRobin, u64::MAX));
    assert_eq!((routed.finished, blind.finished), (12_031, 12_031));
    assert_eq!(run(aware, 1), routed, "step by step gives the same");
    let cached =
        |s: &chokepoint_replay::Summary| s.instances.iter().map(|i| i.cached_tokens).sum::<u64>();
    assert!(
        cached(&routed) > cached(&blind) * 3 / 2,
        "{} {}",
        cached(&routed),
        cached(&blind)
    );
    let first = |s: &chokepoint_replay::Summary| s.first_token.unwrap().mean_seconds;
    assert!(first(&routed) < first(&blind));
    assert!(first(&routed) > Seconds::ZERO);
}
