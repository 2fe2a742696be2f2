//! How an instance of a replay is spread: read from a text, or the best of all in steady state.
//!
//! The search compares every layout in powers of two by the steady state of [`adapted_rate`] at the
//! mean lengths of the requests, all prompts and decodes on the same chips. Pipeline stages are left
//! out: the replay does not follow several batches of one instance.

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_model::Architecture;
use chokepoint_serve::{Case, Instance, Layout, MemoryTable, Plan, Pool, adapted_rate};

use super::request::ReplayRequest;

/// Most chips of an instance: the widest published spreads 320.
const MOST_CHIPS: u64 = 512;
/// Largest tensor parallelism of an instance.
const MOST_TENSOR: u64 = 64;

/// Reads `tp=4 dp=8 ep=32 etp=1`, in any order, with spaces or commas between; what is left out
/// follows: a mixture with `dp` has whole experts on all chips, one without splits each over all.
///
/// # Errors
/// What is wrong with it, or does not suit the model.
pub(crate) fn parse(text: &str, architecture: &Architecture) -> Result<Layout, Diagnostic> {
    let (mut tp, mut dp, mut ep, mut etp) = (None, None, None, None);
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        let (field, value) = word.split_once('=').unwrap_or((word, ""));
        let place = match field {
            "tp" => &mut tp,
            "dp" => &mut dp,
            "ep" => &mut ep,
            "etp" => &mut etp,
            "pp" => return Err(wrong("pipeline stages are not replayed".to_owned())),
            _ => return Err(wrong(format!("a serving plan has no field \"{field}\""))),
        };
        let number = value.parse::<u64>().ok();
        let number = number.filter(|number| (1..=MOST_CHIPS).contains(number));
        let Some(number) = number else {
            let message =
                format!("{field} is \"{value}\"; expected a number from 1 to {MOST_CHIPS}");
            return Err(wrong(message));
        };
        *place = Some(number);
    }
    let (tp, dp) = (tp.unwrap_or(1), dp.unwrap_or(1));
    let mut layout = if dp > 1 {
        Layout::expert(tp, dp)
    } else {
        Layout::tensor(tp)
    };
    match (ep, etp) {
        (None, None) => {}
        (Some(ep), None) => (layout.ep, layout.etp) = (ep, tp * dp / ep),
        (None, Some(etp)) => (layout.ep, layout.etp) = (tp * dp / etp, etp),
        (Some(ep), Some(etp)) => (layout.ep, layout.etp) = (ep, etp),
    }
    match unsuited(&layout, architecture) {
        Some(message) => Err(wrong(message)),
        None => Ok(layout),
    }
}

fn wrong(message: String) -> Diagnostic {
    Diagnostic::new(Code::Value, message).help(
        "write a plan as \"tp=8\", or \"tp=1 dp=32\" for a mixture; leave --plan out to search",
    )
}

/// Why a model cannot be spread so.
fn unsuited(layout: &Layout, architecture: &Architecture) -> Option<String> {
    let &Layout {
        tp, dp, ep, etp, ..
    } = layout;
    let mut heads = architecture.kinds.iter().map(|kind| kind.attention.heads());
    if layout.chips() > MOST_CHIPS {
        return Some(format!("an instance has at most {MOST_CHIPS} chips"));
    }
    if let Some(heads) = heads.find(|heads| !heads.is_multiple_of(tp)) {
        return Some(format!("tp={tp} does not divide {heads} attention heads"));
    }
    match architecture.experts() {
        None if dp > 1 || ep > 1 || (etp != tp) => Some(
            "a dense model is spread by tp alone; more instances take the place of dp".to_owned(),
        ),
        Some(_) if ep * etp != tp * dp => Some(format!(
            "ep x etp must be tp x dp = {}, found {}",
            tp * dp,
            ep * etp
        )),
        Some(experts) if !experts.is_multiple_of(ep) => {
            Some(format!("ep={ep} does not divide {experts} experts"))
        }
        _ => None,
    }
}

/// Instances and chips that a layout makes of what is asked.
pub(super) fn instances(request: &ReplayRequest, layout: &Layout) -> u64 {
    let split = request.disaggregate;
    let split = split.map(|(prefill, decode)| u64::from(prefill) + u64::from(decode));
    let asked = split.or(request.instances);
    asked.unwrap_or_else(|| request.chips.map_or(1, |chips| chips / layout.chips()))
}

/// The layout with the most tokens a second in steady state: on all chips where their number is
/// given, else on each chip of a domain. Where none fits, the memory of the one that lacks least.
pub(super) fn search(
    request: &ReplayRequest,
    case: &Case,
    domain: u64,
) -> Result<Option<Layout>, (Layout, MemoryTable)> {
    let most = request.chips.map_or(domain, |chips| {
        if request.instances.is_some() || request.disaggregate.is_some() {
            chips / instances(request, &Layout::tensor(1))
        } else {
            chips
        }
    });
    let mut best: Option<(f64, Layout)> = None;
    let mut nearest: Option<(Layout, MemoryTable)> = None;
    let mut fits = false;
    for layout in layouts(case.architecture, most.min(MOST_CHIPS)) {
        let instance = Instance {
            case,
            layout,
            precision: case.precision(),
        };
        let table = instance.memory(1);
        if table.total > table.usable {
            let lacks = |table: &MemoryTable| table.total / table.usable;
            if nearest
                .as_ref()
                .is_none_or(|(_, known)| lacks(&table) < lacks(known))
            {
                nearest = Some((layout, table));
            }
            continue;
        }
        fits = true;
        let worth = worth(request, case, layout);
        if worth > best.map_or(0.0, |(known, _)| known) {
            best = Some((worth, layout));
        }
    }
    match nearest {
        Some(nearest) if !fits => Err(nearest),
        _ => Ok(best.map(|(_, layout)| layout)),
    }
}

/// Tokens a second of all instances in steady state, or of each chip where more instances take more.
fn worth(request: &ReplayRequest, case: &Case, layout: Layout) -> f64 {
    let alone = Case {
        chips: layout.chips(),
        ..*case
    };
    let rate = adapted_rate(&alone, &plan(&alone, layout)).unwrap_or(0.0);
    if request.chips.is_some() {
        rate * instances(request, &layout) as f64
    } else {
        rate / layout.chips() as f64
    }
}

fn plan(case: &Case, layout: Layout) -> Plan {
    Plan {
        decode: Pool {
            instances: 1,
            layout,
            batch: 1,
        },
        prefill: None,
        precision: case.precision(),
    }
}

/// All layouts in powers of two that suit the model.
fn layouts(architecture: &Architecture, most: u64) -> Vec<Layout> {
    let powers = |most: u64| {
        (0..10)
            .map(|power| 1_u64 << power)
            .take_while(move |n| *n <= most)
    };
    let mut all = Vec::new();
    for tp in powers(most.min(MOST_TENSOR)) {
        all.push(Layout::tensor(tp));
        if architecture.experts().is_some() {
            let spread = powers(most / tp).map(|dp| Layout::expert(tp, dp));
            all.extend(spread.filter(|layout| layout.ep > 1));
        }
    }
    all.retain(|layout| unsuited(layout, architecture).is_none());
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Data;

    #[test]
    fn every_layout_that_is_searched_can_be_written() {
        let data = Data::load(&[]).unwrap();
        for model in ["llama-3.1-70b", "gpt-oss-120b", "deepseek-v3"] {
            let architecture = data.model(model).unwrap();
            let all = layouts(&architecture, 64);
            assert!(all.len() >= 6, "{model}: {all:?}");
            for layout in all {
                assert_eq!(
                    parse(&layout.to_string(), &architecture).unwrap(),
                    layout,
                    "{model}"
                );
            }
        }
    }

    #[test]
    fn what_is_left_out_follows() {
        let data = Data::load(&[]).unwrap();
        let mixture = data.model("deepseek-v3").unwrap();
        let layout = |text: &str| parse(text, &mixture).unwrap();
        assert_eq!(layout("dp=32"), Layout::expert(1, 32));
        assert_eq!(layout("tp=8"), Layout::tensor(8));
        assert_eq!(
            (layout("tp=2,dp=8,ep=8").ep, layout("tp=2,dp=8,ep=8").etp),
            (8, 2)
        );
        assert!(parse("tp=2 dp=8 ep=8 etp=4", &mixture).is_err());
    }
}
