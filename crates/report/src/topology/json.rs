//! The network of a system as JSON, schema 1.

use chokepoint_engine::catalog::Media;
use chokepoint_engine::fabric::topology::{Reach, Stage};
use chokepoint_engine::units::{Bandwidth, Power};
use chokepoint_engine::{Built, TopologyRun};
use serde_json::{Error, Value, json};

use super::totals::Totals;
use crate::messages::{Language, Words};

/// The network as JSON: keys carry their units, texts are in the language, unknown is null.
/// Keys may be added to the schema, not renamed.
///
/// # Errors
/// When a value cannot be written as JSON.
pub fn topology_json(run: &TopologyRun, language: Language) -> Result<String, Error> {
    let words = Words::new(language);
    let notes: Vec<String> = run.notes.iter().map(|note| words.statement(note)).collect();
    let reason = run.reason.as_ref();
    let mut all = json!({
        "schema": 1,
        "system": run.system,
        "system_name": run.system_name,
        "chips": run.chips,
        "domain_chips": run.domain.chips,
        "domains": run.chips.div_ceil(run.domain.chips),
        "domain_bandwidth_bytes_per_second": run.domain.bandwidth.get(),
        "link": run.link_name,
        "network": run.network_name,
        "feasible": run.built.is_some(),
        "reason": reason.map(|reason| words.statement(reason)),
        "reason_key": reason.map(|reason| reason.key),
        "notes": notes,
    });
    if let Some(built) = &run.built {
        all["scale_out"] = scale_out(run, built);
        all["levels"] = built.stages.iter().map(level).collect();
        all["distances"] = built.reaches.iter().map(distance).collect();
        all["totals"] = totals(&Totals::of(&built.stages, |_| true));
        all["bisection"] = json!({
            "domain_bytes_per_second": built.bisection.domain.map(Bandwidth::get),
            "whole_bytes_per_second": built.bisection.whole.map(Bandwidth::get),
        });
    }
    serde_json::to_string_pretty(&all)
}

fn scale_out(run: &TopologyRun, built: &Built) -> Value {
    let shape = &built.scale_out;
    if shape.chips < 2 {
        return Value::Null;
    }
    json!({
        "shape": shape.shape.name(),
        "described": shape.described,
        "planes": shape.planes * shape.groups,
        "planes_of_a_chip": shape.planes,
        "ports_of_a_chip": shape.ports,
        "chip_bandwidth_bytes_per_second": shape.bandwidth.get(),
        "hop_seconds": shape.hop.get(),
        "software_seconds": built.software.get(),
        "sites": shape.line.map_or(1, |line| line.sites),
        "tiers": built.parts.tiers,
        "endpoints": built.parts.endpoints,
        "switches": built.parts.switches,
        "links": built.parts.links,
        "optical_modules": built.parts.modules,
        "power_watts": built.parts.power.map(Power::get),
        "prices": run.prices,
        "price_usd": built.price.map(|price| price.total.get()),
        "price_of_modules_usd": built.price.map(|price| price.optics.get()),
    })
}

fn level(stage: &Stage) -> Value {
    json!({
        "level": stage.role.name(),
        "place": if stage.role.in_domain() { "domain" } else { "scale-out" },
        "switches": stage.switches,
        "ports_of_a_switch": stage.ports,
        "ports_used_of_a_switch": stage.ports_used,
        "cables": stage.links,
        "cable_bytes_per_second": stage.rate.map(Bandwidth::get),
        "media": stage.media.map(Media::name),
        "optical_modules": stage.modules,
        "copper_pairs": stage.pairs,
        "oversubscription": stage.oversubscription,
    })
}

fn distance(reach: &Reach) -> Value {
    json!({
        "chips": reach.chips,
        "links_in_domains": reach.inside,
        "links_beyond_domains": reach.outside,
        "wire_seconds": (reach.latency.get() > 0.0).then(|| reach.latency.get()),
    })
}

fn totals(totals: &Totals) -> Value {
    let [board, copper, optics] = totals.cables;
    json!({
        "switches": totals.switches,
        "cables_board": board,
        "cables_copper": copper,
        "cables_optics": optics,
        "copper_pairs": totals.pairs,
        "optical_modules": totals.modules,
    })
}
