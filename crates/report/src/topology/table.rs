//! The network of a system as text for a terminal.

use chokepoint_engine::catalog::Media;
use chokepoint_engine::fabric::topology::{Reach, Role, Stage};
use chokepoint_engine::units::Bandwidth;
use chokepoint_engine::{Built, TopologyRun};

use super::totals::Totals;
use crate::grid::{Column, Grid};
use crate::messages::{Language, Words};
use crate::number::{NONE, count, significant};
use crate::terminal::drawn;

/// Width of tables.
const WIDTH: u16 = 140;
/// Distances inside a domain that have rows of their own; more share one.
const MOST_ROWS: usize = 6;

/// The network as text: levels, distances, totals, notes.
#[must_use]
pub fn topology_table(run: &TopologyRun, language: Language) -> String {
    let words = Words::new(language);
    let mut out = heading(&words, run) + "\n";
    if let Some(reason) = &run.reason {
        out += &(words.statement(reason) + "\n");
    }
    if let Some(built) = &run.built {
        out += &(shape(&words, run, built) + "\n");
        for grid in [
            levels(&words, built),
            distances(&words, built),
            totals(&words, run, built),
        ] {
            out += &format!("{}\n{}\n", grid.title, drawn(&grid, WIDTH));
        }
        out += &(words.of("topology", "bases") + "\n");
    }
    if !run.notes.is_empty() {
        out += &format!("\n{}\n", words.of("report", "notes"));
        for note in &run.notes {
            out += &format!("- {}\n", words.statement(note));
        }
    }
    out
}

/// System, chips and domains in a line.
pub(super) fn heading(words: &Words, run: &TopologyRun) -> String {
    let domains = run.chips.div_ceil(run.domain.chips);
    let key = if domains == 1 {
        "topology.heading-one"
    } else {
        "topology.heading"
    };
    words.fill(
        key,
        [
            ("system", &run.system_name),
            ("chips", &count(run.chips)),
            ("domains", &count(domains)),
            ("each", &count(run.domain.chips)),
        ],
    )
}

/// What joins the chips of a domain, and what the domains.
pub(super) fn shape(words: &Words, run: &TopologyRun, built: &Built) -> String {
    let inside = run.link_name.as_deref().unwrap_or(NONE);
    let domain = words.fill(
        "topology.domain",
        [("link", inside), ("rate", &gigabytes(run.domain.bandwidth))],
    );
    if built.scale_out.chips < 2 {
        return sentences(words, &domain, &words.of("topology", "alone"));
    }
    let planes = built.scale_out.planes * built.scale_out.groups;
    let beyond = words.fill(
        "topology.beyond",
        [
            ("shape", &words.of("topology", built.scale_out.shape.name())),
            ("planes", &count(planes)),
            ("network", &run.network_name),
            ("rate", &gigabytes(built.scale_out.bandwidth)),
        ],
    );
    sentences(words, &domain, &beyond)
}

/// Two sentences; Chinese has no space between them.
fn sentences(words: &Words, one: &str, other: &str) -> String {
    match words.language {
        Language::En => format!("{one} {other}"),
        Language::Zh => format!("{one}{other}"),
    }
}

/// Bandwidth in GB/s.
pub(super) fn gigabytes(bandwidth: Bandwidth) -> String {
    significant(bandwidth.get() / 1e9, 3)
}

fn known(value: Option<u64>) -> String {
    value.map_or_else(|| NONE.to_owned(), count)
}

fn columns(words: &Words, heads: &[(&str, bool)]) -> Vec<Column> {
    heads
        .iter()
        .map(|(key, numeric)| Column {
            heading: words.of("topology", key),
            numeric: *numeric,
        })
        .collect()
}

/// What a level is called.
pub(super) fn role(words: &Words, role: Role) -> String {
    words.of("topology", role.name())
}

fn levels(words: &Words, built: &Built) -> Grid {
    let rows = built.stages.iter().map(|stage| level(words, stage));
    let heads = [
        ("level", false),
        ("switches", true),
        ("ports", true),
        ("cables", true),
        ("rate", true),
        ("media", false),
        ("modules", true),
        ("pairs", true),
        ("oversubscription", true),
    ];
    Grid {
        title: words.of("topology", "levels"),
        columns: columns(words, &heads),
        rows: rows.collect(),
    }
}

fn level(words: &Words, stage: &Stage) -> Vec<String> {
    let ports = match (stage.ports_used, stage.ports) {
        (None, None) => NONE.to_owned(),
        (used, ports) => words.fill(
            "topology.used",
            [("used", &known(used)), ("ports", &known(ports))],
        ),
    };
    let media = stage.media.map(|media| medium(words, media));
    vec![
        role(words, stage.role),
        known(stage.switches),
        ports,
        known(stage.links),
        stage.rate.map_or_else(|| NONE.to_owned(), gigabytes),
        media.unwrap_or_else(|| NONE.to_owned()),
        known(stage.modules),
        known(stage.pairs),
        stage
            .oversubscription
            .map_or_else(|| NONE.to_owned(), |ratio| significant(ratio, 3)),
    ]
}

/// What cables run over.
pub(super) fn medium(words: &Words, media: Media) -> String {
    words.of("topology", media.name())
}

fn distances(words: &Words, built: &Built) -> Grid {
    let heads = [
        ("reached", false),
        ("chips", true),
        ("links-inside", true),
        ("links-outside", true),
        ("latency", true),
        ("software", true),
    ];
    let rows = gathered(&built.reaches)
        .into_iter()
        .map(|near_to_far| distance(words, built, near_to_far));
    Grid {
        title: words.of("topology", "distances"),
        columns: columns(words, &heads),
        rows: rows.collect(),
    }
}

/// Distances that share a row: those inside a domain where they are many, as in a torus.
fn gathered(reaches: &[Reach]) -> Vec<&[Reach]> {
    let inside = reaches.partition_point(|reach| reach.outside == 0);
    let (near, far) = reaches.split_at(inside);
    if near.len() <= MOST_ROWS {
        return reaches.chunks(1).collect();
    }
    std::iter::once(near).chain(far.chunks(1)).collect()
}

fn distance(words: &Words, built: &Built, reaches: &[Reach]) -> Vec<String> {
    let [near, .., far] = reaches else {
        return match reaches {
            [only] => distance(words, built, &[*only, *only]),
            _ => Vec::new(),
        };
    };
    let beyond = near.outside > 0;
    let key = if beyond {
        "other-domain"
    } else {
        "same-domain"
    };
    let span = |near: String, far: String| {
        if near == far {
            near
        } else {
            format!("{near}–{far}")
        }
    };
    let wire = |reach: &Reach| {
        if reach.latency.get() > 0.0 {
            significant(reach.latency.get() * 1e6, 3)
        } else {
            NONE.to_owned()
        }
    };
    let links = |of: fn(&Reach) -> u32| span(count(u64::from(of(near))), count(u64::from(of(far))));
    let software = beyond.then(|| significant(built.software.get() * 1e6, 3));
    let chips = if near == far {
        near.chips
    } else {
        reaches.iter().map(|reach| reach.chips).sum()
    };
    vec![
        words.of("topology", key),
        count(chips),
        links(|reach| reach.inside),
        links(|reach| reach.outside),
        span(wire(near), wire(far)),
        software.unwrap_or_else(|| NONE.to_owned()),
    ]
}

fn totals(words: &Words, run: &TopologyRun, built: &Built) -> Grid {
    let inside = Totals::of(&built.stages, |stage| stage.role.in_domain());
    let outside = Totals::of(&built.stages, |stage| !stage.role.in_domain());
    let whole = Totals::of(&built.stages, |_| true);
    let mut rows: Vec<(String, [String; 3])> = Vec::new();
    let mut row = |key: &str, cells: [Option<String>; 3]| {
        let cells = cells.map(|cell| cell.unwrap_or_else(|| NONE.to_owned()));
        rows.push((words.of("topology", key), cells));
    };
    let number = |of: &dyn Fn(&Totals) -> Option<u64>| {
        [&inside, &outside, &whole].map(|totals| of(totals).map(count))
    };
    row("total-switches", number(&|totals| totals.switches));
    for (at, media) in Media::ALL.into_iter().enumerate() {
        let key = format!("cables-{}", media.name());
        row(&key, number(&|totals| totals.cables[at]));
    }
    row("total-pairs", number(&|totals| totals.pairs));
    row("total-modules", number(&|totals| totals.modules));
    let tera = |bandwidth: Bandwidth| significant(bandwidth.get() / 1e12, 3);
    let cut = built.bisection;
    let all = cut.whole.or(cut.domain);
    row(
        "bisection",
        [cut.domain.map(tera), cut.whole.map(tera), all.map(tera)],
    );
    if built.scale_out.chips > 1 {
        for (key, value) in money(run, built) {
            row(key, [None, value, None]);
        }
    }
    // What there is none of is left out.
    rows.retain(|(_, cells)| cells.iter().any(|cell| cell != "0"));
    let heads = [
        ("measure", false),
        ("in-domains", true),
        ("beyond-domains", true),
        ("all", true),
    ];
    let title = words.fill("topology.totals", [("prices", &run.prices)]);
    Grid {
        title,
        columns: columns(words, &heads),
        rows: rows
            .into_iter()
            .map(|(name, cells)| std::iter::once(name).chain(cells).collect())
            .collect(),
    }
}

/// Power and prices of the scale-out network.
fn money(run: &TopologyRun, built: &Built) -> [(&'static str, Option<String>); 4] {
    let power = built.parts.power;
    let kilowatts = power.map(|power| significant(power.get() / 1e3, 3));
    let price = |amount: f64| significant(amount, 3);
    let capital = built.price.map(|price| price.total.get());
    let optics = built.price.map(|price| price.optics.get());
    [
        ("power", kilowatts),
        ("price", capital.map(price)),
        ("price-modules", optics.map(price)),
        (
            "price-chip",
            capital.map(|total| price(total / run.chips as f64)),
        ),
    ]
}
