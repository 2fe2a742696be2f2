//! What kind of measurement a row is, how long its requests are and how many there are at once.

use chokepoint_units::Seconds;

use super::case::{Lengths, Limits, Load, Mode, Speculation};
use crate::validate::assumed::Assumed;
use crate::validate::row::Row;

/// Mean length over the nominal one where a benchmark draws lengths evenly between 80 and 100%
/// (`InferenceX`; `validation.md` section 8.4, from memory).
const DRAWN_SHARE: f64 = 0.9;

/// Half of that range over the mean.
const DRAWN_SPREAD: f64 = 0.1 / 0.9;

/// Most tokens that are drafted at once.
const MOST_DRAFTED: u64 = 64;

/// Mean input of data sets whose table leaves it out, tokens; background knowledge, grade C.
const DATASETS: [(&str, f64); 4] = [
    ("lm-arena-chat", 200.0),
    ("gpqa", 250.0),
    ("sourcegraph-fim", 500.0),
    ("openorca+gsm8k+mbxp", 250.0),
];

/// The kind of measurement.
pub(super) fn mode(row: &Row) -> Result<Mode, String> {
    let text = row.lower("mode");
    let has = |word: &str| text.contains(word);
    let one_token = row.number("osl") == Some(1.0);
    Ok(if has("prefill") {
        Mode::PrefillOnly
    } else if has("decode") {
        Mode::DecodeOnly
    } else if has("static batch") || has("fixed batch") {
        if one_token {
            Mode::FirstToken
        } else {
            Mode::StaticBatch
        }
    } else if has("mlperf offline") {
        Mode::MlperfOffline
    } else if has("mlperf server") {
        Mode::MlperfServer
    } else if has("mlperf interactive") {
        Mode::MlperfInteractive
    } else if has("all requests at once") {
        Mode::AllAtOnce
    } else if has("rate") {
        Mode::Rate
    } else if has("fixed concurrency")
        || ["agg", "disagg", "server", "mixed"]
            .iter()
            .any(|word| text.starts_with(word))
    {
        Mode::Concurrency
    } else if has("offline") {
        Mode::Saturation
    } else {
        return Err(format!("mode {text} is not known"));
    })
}

/// Requests at once, of all instances.
pub(super) fn load(
    row: &Row,
    mode: Mode,
    chips: u64,
    assumed: &mut Assumed,
) -> Result<Load, String> {
    let positive = |column: &str| row.number(column).filter(|value| *value > 0.0);
    let running = positive("batch_total")
        .or_else(|| positive("batch_per_chip").map(|batch| batch * chips as f64));
    match mode {
        Mode::StaticBatch | Mode::FirstToken | Mode::DecodeOnly => running
            .map(Load::Running)
            .ok_or_else(|| "the batch is not given".to_owned()),
        Mode::PrefillOnly => Ok(running.map_or(Load::Saturated, Load::Running)),
        Mode::Concurrency => running
            .map(Load::Running)
            .or_else(|| positive("concurrency").map(Load::Concurrency))
            .ok_or_else(|| "neither batch nor concurrency is given".to_owned()),
        Mode::Saturation | Mode::MlperfOffline => Ok(offline(row, assumed)),
        Mode::MlperfServer | Mode::MlperfInteractive => limits(row),
        Mode::AllAtOnce => {
            if let Some(most) = positive("concurrency") {
                return Ok(Load::Concurrency(most));
            }
            requests(row)
                .map(Load::AtOnce)
                .ok_or_else(|| "the number of requests is not given".to_owned())
        }
        Mode::Rate => rate(row, assumed),
    }
}

/// A queue of prompts, of a stated number where the notes have one.
fn offline(row: &Row, assumed: &mut Assumed) -> Load {
    let notes = row.text_or_blank("notes");
    let prompts = number_before(notes, " prompts");
    if prompts.is_none() {
        assumed.note("enough requests to fill the memory, batch from memory");
    }
    prompts.map_or(Load::Saturated, Load::AtOnce)
}

/// The most that meets the limits of a scenario.
fn limits(row: &Row) -> Result<Load, String> {
    let limit = |column: &str| row.number(column).map(|time| Seconds::new(time / 1000.0));
    match (limit("ttft_limit_ms"), limit("tpot_limit_ms")) {
        (Some(ttft), Some(tpot)) => Ok(Load::Within(Limits { ttft, tpot })),
        _ => Err("the latency limits are not given".to_owned()),
    }
}

/// A rate of requests; 1000 a second of 1000 requests means all at once (dstack).
fn rate(row: &Row, assumed: &mut Assumed) -> Result<Load, String> {
    let rate = row.number("request_rate").filter(|rate| *rate > 0.0);
    match (rate, requests(row)) {
        (Some(rate), Some(requests)) if rate >= 1000.0 => {
            assumed.note("all requests at once");
            Ok(Load::AtOnce(requests))
        }
        (Some(rate), _) => Ok(Load::Rate(rate)),
        (None, _) => Err("the rate of requests is not given".to_owned()),
    }
}

/// Requests that a row's notes count, as "1000 requests in 76.59 s".
fn requests(row: &Row) -> Option<f64> {
    number_before(row.text_or_blank("notes"), " requests")
}

/// The largest batch that a submitter built or configured, as "engine max batch 512".
pub(super) fn most_sequences(row: &Row) -> Option<f64> {
    let after = row
        .text_or_blank("notes")
        .split("engine max batch ")
        .nth(1)?;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|number| *number > 0.0)
}

/// The number that stands before a word.
fn number_before(text: &str, word: &str) -> Option<f64> {
    let before = text
        .split(word)
        .next()
        .filter(|found| found.len() < text.len())?;
    let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|number| *number > 0.0)
}

/// Mean lengths of requests.
pub(super) fn lengths(row: &Row, mode: Mode, assumed: &mut Assumed) -> Result<Lengths, String> {
    let note = row.lower("isl_osl_note");
    let drawn = if note.contains("80-100%") {
        assumed.note("lengths drawn from 80 to 100% of the nominal ones: 90% in the mean");
        DRAWN_SHARE
    } else {
        1.0
    };
    let input = match row.number("isl") {
        Some(input) => input * drawn,
        None => {
            let input = unstated(&note).ok_or("isl is not given")?;
            assumed.taken("isl", input);
            input
        }
    };
    let output = match (row.number("osl"), mode) {
        (Some(output), _) => output * drawn,
        (None, Mode::PrefillOnly) => 1.0,
        // Only the context counts, which the input states.
        (None, Mode::DecodeOnly) => 2.0,
        (None, _) => return Err("osl is not given".to_owned()),
    };
    let cached = row.number("prefix_cache_hit").unwrap_or(0.0);
    if !(0.0..1.0).contains(&cached) {
        return Err("prefix_cache_hit is no share below 1".to_owned());
    }
    Ok(Lengths {
        input: input.max(1.0),
        output: output.max(1.0),
        cached,
        spread: if drawn < 1.0 { DRAWN_SPREAD } else { 0.0 },
        // Lengths of a decoding table are those of the cache.
        whole_context: note.contains("kv length"),
    })
}

/// A mean input from a note, as "mean input ~9.4k tokens (memory)", or that of its data set.
fn unstated(note: &str) -> Option<f64> {
    if let Some(after) = note.split("mean input ~").nth(1) {
        let word = after.split_whitespace().next()?;
        return match word.strip_suffix('k') {
            Some(thousands) => thousands.parse::<f64>().ok().map(|number| number * 1000.0),
            None => word.parse().ok(),
        };
    }
    let found = DATASETS.iter().find(|(name, _)| note.contains(name));
    found.map(|(_, input)| *input)
}

/// Speculative decoding of a row; an error where it is on and nobody says how often it is right.
pub(super) fn speculation(row: &Row, assumed: &mut Assumed) -> Result<Option<Speculation>, String> {
    let text = row.lower("spec_decode");
    if text == "not recorded" || text.is_empty() {
        assumed.note("no speculative decoding");
        return Ok(None);
    }
    if text.starts_with("none") {
        return Ok(None);
    }
    let percent = text
        .split('%')
        .next()
        .filter(|found| found.len() < text.len());
    let digits = percent.and_then(|before| {
        let word = before
            .rsplit(|c: char| !c.is_ascii_digit() && c != '.')
            .next();
        word.and_then(|word| word.parse::<f64>().ok())
    });
    let acceptance = digits.map(|percent| percent / 100.0);
    let acceptance = acceptance.filter(|share| (0.0..=1.0).contains(share));
    let acceptance = acceptance.ok_or("speculative decoding with an unknown acceptance")?;
    let tokens = text.split("mtp ").nth(1).and_then(|after| {
        let digits = after.split(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|digits| digits.parse().ok())
    });
    let tokens = tokens.filter(|tokens| *tokens <= MOST_DRAFTED);
    let tokens = tokens.ok_or("speculative decoding with an unknown number of tokens")?;
    Ok(Some(Speculation { tokens, acceptance }))
}
