//! A serving plan given as text, and whether it makes sense for a model on a chip.

use chokepoint_chip::Precision;
use chokepoint_diag::{Code, Diagnostic, nearest};
use chokepoint_model::Architecture;
use chokepoint_serve::{Case, Layout, Plan, PlanTextError, Pool};
use chokepoint_units::NumberFormat;

use crate::limits::{self, MOST_COUNTED};

/// Where diagnostics of a given plan point.
const PLACE: &str = "--plan";

/// Reads a plan; formats that it does not name are those of the case.
///
/// # Errors
/// What cannot be read, or makes no sense for the model and the chip.
pub(crate) fn given(text: &str, case: &Case) -> Result<Plan, Diagnostic> {
    let plan = Plan::parse(text, case.precision()).map_err(|error| unreadable(text, &error))?;
    let pools = [plan.prefill, Some(plan.decode)];
    let mut chips = 0_u64;
    for pool in pools.into_iter().flatten() {
        chips = chips.saturating_add(counted(&pool).map_err(|what| impossible(text, &what))?);
        possible(case.architecture, &pool.layout).map_err(|what| impossible(text, &what))?;
    }
    if chips > MOST_COUNTED {
        return Err(impossible(
            text,
            &format!("it takes {chips} chips, at most {MOST_COUNTED} are counted"),
        ));
    }
    let linear = plan.precision;
    let formats = [linear.attention, linear.feed_forward, linear.experts];
    for format in formats.into_iter().chain([linear.inputs]) {
        multiplied(text, case, format)?;
    }
    Ok(plan)
}

/// Reads how one instance is spread, such as `tp=8` or `tp=1 dp=32 ep=32`.
///
/// # Errors
/// What cannot be read, makes no sense for the model, or is more than one instance.
pub(crate) fn spread(text: &str, architecture: &Architecture) -> Result<Layout, Diagnostic> {
    let any = Precision::uniform(NumberFormat::Bf16, NumberFormat::Bf16);
    let plan = Plan::parse(&format!("[{text}]"), any).map_err(|error| unreadable(text, &error))?;
    let layout = plan.decode.layout;
    if plan.prefill.is_some() || plan.decode.instances > 1 {
        return Err(impossible(text, "it is more than one instance"));
    }
    counted(&plan.decode).map_err(|what| impossible(text, &what))?;
    possible(architecture, &layout).map_err(|what| impossible(text, &what))?;
    Ok(layout)
}

/// Chips of a pool whose numbers are in range.
fn counted(pool: &Pool) -> Result<u64, String> {
    let layout = pool.layout;
    let numbers = [
        ("the number of instances", pool.instances),
        ("tp", layout.tp),
        ("dp", layout.dp),
        ("pp", layout.pp),
        ("ep", layout.ep),
        ("batch", pool.batch),
    ];
    let wrong = numbers
        .into_iter()
        .find_map(|(name, value)| limits::count(name, value));
    if let Some((name, what)) = wrong {
        return Err(format!("{name} {what}"));
    }
    let chips = [pool.instances, layout.tp, layout.dp, layout.pp];
    Ok(chips.into_iter().fold(1, u64::saturating_mul))
}

/// What of a layout a model cannot have.
///
/// Experts are either split over all chips of a tensor-parallel group, or whole or split on each of
/// `ep` groups; data-parallel attention with split experts has transfers that are not modelled.
fn possible(model: &Architecture, layout: &Layout) -> Result<(), String> {
    let heads = model.kinds.iter().map(|kind| kind.attention.heads());
    if let Some(heads) = heads.into_iter().find(|heads| heads % layout.tp != 0) {
        return Err(format!(
            "tp={} does not divide the {heads} attention heads",
            layout.tp
        ));
    }
    let layers = model.layers.len() as u64;
    if layout.pp > layers {
        return Err(format!("pp={} is above the {layers} layers", layout.pp));
    }
    let Some(experts) = model.experts() else {
        if layout.dp > 1 || layout.ep > 1 {
            return Err(format!(
                "{} has no experts, so that dp and ep are 1: write more instances",
                model.name
            ));
        }
        return Ok(());
    };
    if experts % layout.ep != 0 {
        return Err(format!(
            "ep={} does not divide the {experts} experts",
            layout.ep
        ));
    }
    let (spread, chips) = (layout.ep.saturating_mul(layout.etp), layout.tp * layout.dp);
    if spread != chips {
        return Err(format!(
            "ep x etp = {} x {} must be tp x dp = {} x {}",
            layout.ep, layout.etp, layout.tp, layout.dp
        ));
    }
    if layout.dp > 1 && layout.etp > 1 {
        return Err(format!(
            "split experts beside data-parallel attention are not modelled: write ep={chips}"
        ));
    }
    Ok(())
}

/// Whether the chip multiplies in a format as wanted.
fn multiplied(text: &str, case: &Case, format: NumberFormat) -> Result<(), Diagnostic> {
    let has = |format: &NumberFormat| case.chip.best_format(&[*format]) == *format;
    if has(&format) {
        return Ok(());
    }
    let message = format!("the chip does not multiply in {format}, or not faster than in 16 bits");
    let known = NumberFormat::ALL.into_iter().filter(has);
    let known: Vec<&str> = known.map(NumberFormat::name).collect();
    let problem = Diagnostic::new(Code::Value, message).help(format!("write {}", known.join(", ")));
    Err(placed(problem, text, format.name()))
}

fn unreadable(text: &str, error: &PlanTextError) -> Diagnostic {
    let problem = Diagnostic::new(Code::Field, error.to_string());
    let problem = match error.unknown() {
        Some((word, known)) => {
            let near = nearest(word, known.iter().copied());
            problem.help(if near.is_empty() {
                format!("known: {}", known.join(", "))
            } else {
                format!("did you mean {}?", near.join(", "))
            })
        }
        None => problem,
    };
    placed(problem, text, error.part().unwrap_or(text))
}

/// Points at a word of the plan; at all of it where it is not found.
fn placed(problem: Diagnostic, text: &str, word: &str) -> Diagnostic {
    let span = text
        .find(word)
        .map_or(0..text.len(), |start| start..start + word.len());
    problem.at(PLACE, text, span)
}

fn impossible(text: &str, what: &str) -> Diagnostic {
    let message = format!("the plan does not work: {what}");
    Diagnostic::new(Code::Value, message).at(PLACE, text, 0..text.len())
}
