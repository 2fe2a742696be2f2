//! A network as an SVG file that stands alone, for light and dark pages: one domain to the left,
//! what joins the domains to the right. Of many equal things some are drawn, with their number.

use chokepoint_engine::catalog::{Media, Shape, Topology};
use chokepoint_engine::fabric::topology::{Role, Stage};
use chokepoint_engine::{Built, TopologyRun};

use super::figure::{BOX, Canvas, Joined, Links, Panel, Row};
use super::table::{gigabytes, heading, medium, role, shape};
use super::totals::Totals;
use crate::messages::{Language, Words};
use crate::number::{NONE, count, significant};
use crate::svg::{escape, text_width};

const WIDTH: f64 = 1180.0;
const HEIGHT: f64 = 640.0;
const TOP: f64 = 96.0;
const PANEL: f64 = 440.0;

/// Colours: told apart with the common kinds of colour blindness, on both backgrounds.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:var(--ink)}\
svg{--page:#ffffff;--ink:#1c2126;--quiet:#5c6670;--grid:#d8dde2;--panel:#f6f8f9}\
@media(prefers-color-scheme:dark){svg{--page:#14181c;--ink:#e8ecf0;--quiet:#9aa5b0;--grid:#333b43;--panel:#1a1f24}}\
.page{fill:var(--page)}.panel{fill:var(--panel);stroke:var(--grid)}.title{font-weight:600;font-size:15px}\
.quiet{fill:var(--quiet);font-size:12px}.panel-title{font-weight:600}\
.chip{fill:#0072b2}.switch{fill:#e69f00}.domain{fill:#56b4e9}.site{fill:#8c8c8c}\
.row-label,.link-label,.more{text-anchor:middle}.ground{fill:var(--panel)}\
.link-label{fill:var(--quiet);font-size:12px}.more{font-size:20px}\
line{stroke-width:1}.board{stroke:#8c8c8c}.copper{stroke:#c44e00}.optics{stroke:#009e73}.unknown{stroke:var(--quiet);stroke-dasharray:4 3}";

/// The network as a whole file; absent where the topology does not reach the chips.
#[must_use]
pub fn topology_svg(run: &TopologyRun, language: Language) -> Option<String> {
    let built = run.built.as_ref()?;
    let words = Words::new(language);
    let mut canvas = Canvas::default();
    let title = heading(&words, run);
    canvas.rect("page", (0.0, 0.0), (WIDTH, HEIGHT));
    canvas.text("title", (16.0, 28.0), &title);
    canvas.text("quiet", (16.0, 50.0), &shape(&words, run, built));
    canvas.text("quiet", (16.0, 68.0), &sums(&words, run, built));
    let panel = |left: f64, width: f64| Panel {
        left,
        width,
        top: TOP + 34.0,
        height: PANEL - 50.0,
    };
    for (left, width, key) in [
        (16.0, 470.0, "one-domain"),
        (502.0, 662.0, "beyond-domains"),
    ] {
        canvas.rect("panel", (left, TOP), (width, PANEL));
        canvas.text(
            "panel-title",
            (left + 14.0, TOP + 22.0),
            &words.of("topology", key),
        );
    }
    domain(&mut canvas, &words, run, built, panel(30.0, 442.0));
    beyond(&mut canvas, &words, run, built, panel(516.0, 634.0));
    legend(&mut canvas, &words);
    let name = escape(&title);
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{name}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\"><title>{name}</title><style>{STYLE}</style>{}</svg>\n",
        canvas.body
    ))
}

/// The main sums in a line.
fn sums(words: &Words, run: &TopologyRun, built: &Built) -> String {
    let all = Totals::of(&built.stages, |_| true);
    let known = |value: Option<u64>| value.map_or_else(|| NONE.to_owned(), count);
    let cut = built.bisection.whole.or(built.bisection.domain);
    let cut = cut.map_or_else(|| NONE.to_owned(), |rate| significant(rate.get() / 1e12, 3));
    let power = built.parts.power;
    let power = power.map_or_else(|| NONE.to_owned(), |it| significant(it.get() / 1e3, 3));
    let price = built.price;
    let price = price.map_or_else(
        || NONE.to_owned(),
        |it| significant(it.total.get() / 1e6, 3),
    );
    let key = if built.scale_out.chips > 1 {
        "topology.sums"
    } else {
        "topology.sums-domain"
    };
    words.fill(
        key,
        [
            ("switches", &known(all.switches)),
            ("modules", &known(all.modules)),
            ("bisection", &cut),
            ("power", &power),
            ("price", &price),
            ("prices", &run.prices),
        ],
    )
}

/// Lines below a level.
fn links(words: &Words, stage: &Stage, joined: Joined) -> Links {
    let label = match (stage.links, stage.rate) {
        (Some(links), Some(rate)) => {
            let (cables, rate) = (count(links), gigabytes(rate));
            let first = [("cables", cables.as_str()), ("rate", rate.as_str())];
            match stage.media.map(|media| medium(words, media)) {
                Some(media) => words.fill(
                    "topology.cable-label",
                    [first[0], first[1], ("media", &media)],
                ),
                None => words.fill("topology.cable-label-short", first),
            }
        }
        _ => words.of("topology", "not-described"),
    };
    Links {
        class: stage.media.map_or("unknown", Media::name),
        label,
        joined,
    }
}

/// A level as a row of its switches.
fn switches(words: &Words, stage: &Stage, joined: Joined) -> Row {
    let number = stage.switches.map_or_else(|| NONE.to_owned(), count);
    let name = role(words, stage.role);
    let label = match (stage.ports_used, stage.ports) {
        (Some(used), Some(ports)) => words.fill(
            "topology.switch-label",
            [
                ("switches", &number),
                ("level", &name),
                ("used", &count(used)),
                ("ports", &count(ports)),
            ],
        ),
        _ => words.fill(
            "topology.switch-label-short",
            [("switches", &number), ("level", &name)],
        ),
    };
    Row {
        count: stage.switches,
        class: "switch",
        label,
        links: Some(links(words, stage, joined)),
    }
}

fn domain(canvas: &mut Canvas, words: &Words, run: &TopologyRun, built: &Built, panel: Panel) {
    let chips = run.chips.min(run.domain.chips);
    let rate = gigabytes(run.domain.bandwidth);
    let label = words.fill(
        "topology.chip-label",
        [("chips", &count(chips)), ("rate", &rate)],
    );
    let mut row = Row {
        count: Some(chips),
        class: "chip",
        label,
        links: None,
    };
    let direct = built.of_domain.first();
    match (run.domain.topology, direct) {
        (Topology::Mesh, Some(stage)) => {
            let links = links(words, stage, Joined::All);
            let class = links.class;
            row.links = Some(links);
            canvas.circle(panel, class, &row);
        }
        (Topology::Torus, Some(stage)) => {
            let mut links = links(words, stage, Joined::All);
            let class = links.class;
            if let Some(circuit) = built.of_domain.get(1) {
                let over = self::links(words, circuit, Joined::All).label;
                let switches = switches(words, circuit, Joined::All).label;
                links.label = format!("{}\n{over}\n{switches}", links.label);
            }
            let dims = run.domain.torus.iter().flat_map(|torus| &torus.dims);
            let dims: Vec<String> = dims.map(u32::to_string).collect();
            row.label = format!("{} ({})", row.label, dims.join(" × "));
            row.links = Some(links);
            canvas.grid(panel, class, &row);
        }
        _ => {
            let last = built.of_domain.len();
            let levels = built.of_domain.iter().enumerate().rev();
            // A first-level switch serves its own node.
            let mut rows: Vec<Row> = levels
                .map(|(at, stage)| {
                    let own = last == 2 && at == 0;
                    let joined = if own { Joined::Own } else { Joined::All };
                    switches(words, stage, joined)
                })
                .collect();
            rows.push(row);
            canvas.rows(panel, &rows);
        }
    }
}

fn beyond(canvas: &mut Canvas, words: &Words, run: &TopologyRun, built: &Built, panel: Panel) {
    let shape = &built.scale_out;
    let outside: Vec<&Stage> = built
        .stages
        .iter()
        .filter(|stage| !stage.role.in_domain())
        .collect();
    let domains = run.chips.div_ceil(run.domain.chips);
    let label = words.fill(
        "topology.domain-label",
        [
            ("domains", &count(domains)),
            ("chips", &count(run.domain.chips)),
        ],
    );
    let mut row = Row {
        count: Some(domains),
        class: "domain",
        label,
        links: None,
    };
    if outside.is_empty() {
        row.label = words.of("topology", "alone");
        canvas.rows(panel, &[row]);
        return;
    }
    if shape.shape == Shape::Dragonfly {
        return groups(canvas, words, run, built, panel);
    }
    let planes = shape.planes * shape.groups > 1;
    let sites = shape.line.is_some();
    let mut rows: Vec<Row> = Vec::new();
    for stage in outside.iter().rev() {
        if stage.role == Role::WideArea {
            let mut top = switches(words, stage, Joined::Own);
            top.count = stage.links;
            top.class = "site";
            top.label = words.fill(
                "topology.site-label",
                [("sites", &count(stage.links.unwrap_or(1)))],
            );
            rows.push(top);
            continue;
        }
        // Planes and sites do not meet; pods of three tiers do above; a leaf of a plain tree has its nodes.
        let joined = match stage.role {
            Role::Leaf if shape.shape == Shape::FatTree => Joined::Own,
            Role::Spine if planes || sites || built.parts.tiers > 2 => Joined::Halves,
            Role::Core if planes || sites => Joined::Halves,
            Role::Leaf if sites => Joined::Halves,
            _ => Joined::All,
        };
        rows.push(switches(words, stage, joined));
    }
    rows.push(row);
    canvas.rows(panel, &rows);
}

/// The groups of a dragonfly.
fn groups(canvas: &mut Canvas, words: &Words, run: &TopologyRun, built: &Built, panel: Panel) {
    let of = |role: Role| built.stages.iter().find(|stage| stage.role == role);
    let (Some(router), local) = (of(Role::Router), of(Role::Local)) else {
        return;
    };
    let between = of(Role::Global).or(local).unwrap_or(router);
    let Some(count_of_groups) = built.scale_out.dragonfly_groups() else {
        return;
    };
    let label = words.fill(
        "topology.group-label",
        [
            ("groups", &count(count_of_groups)),
            (
                "routers",
                &count(router.switches.unwrap_or(0) / count_of_groups.max(1)),
            ),
            ("chips", &count(run.chips)),
        ],
    );
    let links = links(words, between, Joined::All);
    let class = links.class;
    let row = Row {
        count: Some(count_of_groups),
        class: "switch",
        label,
        links: Some(links),
    };
    canvas.circle(panel, class, &row);
}

/// What colours mean.
fn legend(canvas: &mut Canvas, words: &Words) {
    let y = TOP + PANEL + 30.0;
    let mut x = 16.0;
    for class in ["chip", "switch", "domain"] {
        let name = words.of("topology", &format!("legend-{class}"));
        canvas.rect(class, (x, y), (18.0, BOX / 2.0));
        canvas.text("quiet", (x + 26.0, y + 11.0), &name);
        x += 54.0 + text_width(&name) * 12.0;
    }
    for class in ["board", "copper", "optics", "unknown"] {
        let name = words.of("topology", &format!("legend-{class}"));
        canvas.line(class, (x, y + 7.0), (x + 22.0, y + 7.0));
        canvas.text("quiet", (x + 30.0, y + 11.0), &name);
        x += 58.0 + text_width(&name) * 12.0;
    }
    canvas.text("quiet", (16.0, y + 44.0), &words.of("topology", "legend"));
}
