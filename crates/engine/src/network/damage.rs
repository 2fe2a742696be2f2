//! Parts of a network that fail or are slow, as options name them.

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_fabric::topology::{Amount, Damage, NetworkPart, TooFew};

use super::request::named;
use crate::row::Statement;

/// Reads parts that fail, `PART[:AMOUNT]`: a number of them, one where none is given, or a share
/// such as `1%`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_failed(text: &str) -> Result<Damage, Diagnostic> {
    let fields: Vec<&str> = text.split(':').collect();
    let (part, amount) = match fields[..] {
        [part] => (part, None),
        [part, amount] => (part, Some(amount)),
        _ => return Err(no_parts("failed", text)),
    };
    Ok(Damage {
        part: part_of(part)?,
        amount: amount_of("failed", text, amount)?,
        left: 0.0,
    })
}

/// Reads parts that are slow, `PART[:AMOUNT]:RATE`, the rate as a share of the whole one.
///
/// # Errors
/// What is wrong with it.
pub fn parse_slow(text: &str) -> Result<Damage, Diagnostic> {
    let fields: Vec<&str> = text.split(':').collect();
    let (part, amount, rate) = match fields[..] {
        [part, rate] => (part, None, rate),
        [part, amount, rate] => (part, Some(amount), rate),
        _ => return Err(no_parts("slow", text)),
    };
    let left = rate.trim().parse::<f64>().ok();
    let left = left.filter(|left| *left > 0.0 && *left < 1.0);
    Ok(Damage {
        part: part_of(part)?,
        amount: amount_of("slow", text, amount)?,
        left: left.ok_or_else(|| {
            let message = format!("\"{rate}\" is no share of a rate");
            let help = "write a number above 0 and below 1, such as 0.5; --fail takes what carries nothing";
            Diagnostic::new(Code::Usage, message).help(help)
        })?,
    })
}

fn part_of(text: &str) -> Result<NetworkPart, Diagnostic> {
    let known = NetworkPart::ALL.map(NetworkPart::name);
    named("part of a network", text, &known).map(|at| NetworkPart::ALL[at])
}

fn amount_of(kind: &str, text: &str, amount: Option<&str>) -> Result<Amount, Diagnostic> {
    let Some(amount) = amount.map(str::trim) else {
        return Ok(Amount::Count(1));
    };
    let found = match amount.strip_suffix('%') {
        Some(percent) => {
            let share = percent.trim().parse::<f64>().ok().map(|it| it / 100.0);
            share
                .filter(|share| *share > 0.0 && *share <= 1.0)
                .map(Amount::Share)
        }
        None => {
            let count = amount.parse::<u64>().ok().filter(|count| *count > 0);
            count.map(Amount::Count)
        }
    };
    found.ok_or_else(|| no_parts(kind, text))
}

fn no_parts(kind: &str, text: &str) -> Diagnostic {
    let help = if kind == "failed" {
        "write PART:NUMBER or PART:SHARE%, such as spine:1 or cable:1%"
    } else {
        "write PART:NUMBER:RATE or PART:SHARE%:RATE, such as port:1:0.5 or cable:1%:0.5"
    };
    let message = format!("\"{text}\" does not say which parts are {kind}");
    Diagnostic::new(Code::Usage, message).help(help)
}

/// That fewer parts are there than shall fail.
pub(super) fn too_few(few: TooFew) -> Statement {
    let values = [
        ("part", few.part.name().to_owned()),
        ("there", few.there.to_string()),
    ];
    Statement::new("too-few-parts", values)
}

/// What was hit, for readers.
pub(super) fn notes(damages: &[Damage], hit: &[(u64, u64)]) -> Vec<Statement> {
    let of = |(damage, (hit, there)): (&Damage, &(u64, u64))| {
        let values = [
            ("hit", hit.to_string()),
            ("there", there.to_string()),
            ("part", damage.part.name().to_owned()),
            ("rate", format!("{}", damage.left * 100.0)),
        ];
        let key = if damage.left > 0.0 {
            "parts-slow"
        } else {
            "parts-failed"
        };
        Statement::new(key, values)
    };
    damages.iter().zip(hit).map(of).collect()
}
