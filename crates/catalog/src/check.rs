//! What a whole catalogue must satisfy beyond its schema: sources exist, references resolve,
//! values lie in the sanity band of their class.

use std::fmt::Display;
use std::ops::RangeInclusive;

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_units::{NumberFormat, Quantity};

use crate::check_curves::{calibration, curves};
use crate::check_software::software;
use crate::check_wiring::{unknown_link, wiring};
use crate::{Catalog, Chip, DomainLink, Experience, Figure, FigureRow, System};

/// Everything wrong with a catalogue.
#[must_use]
pub fn check(catalog: &Catalog) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for entry in catalog.chips.values() {
        provenance(catalog, &entry.file, &entry.value.figures(), &mut found);
        chip(catalog, &entry.file, &entry.value, &mut found);
    }
    for entry in catalog.links.values() {
        provenance(catalog, &entry.file, &entry.value.figures(), &mut found);
        link(&entry.file, &entry.value, &mut found);
    }
    for entry in catalog.systems.values() {
        provenance(catalog, &entry.file, &entry.value.figures(), &mut found);
        system(catalog, &entry.file, &entry.value, &mut found);
        curves(catalog, &entry.file, &entry.value.collective, &mut found);
    }
    for entry in catalog.networks.values() {
        provenance(catalog, &entry.file, &entry.value.figures(), &mut found);
        let hop = Some(&entry.value.hop);
        band(&entry.file, "hop", hop, 50e-9..=5e-6, &mut found);
    }
    for entry in catalog.prices.values() {
        provenance(catalog, &entry.file, &entry.value.figures(), &mut found);
        for id in entry.value.systems.keys() {
            reference(catalog.system(id).err(), &entry.file, &mut found);
        }
        for id in entry.value.networks.keys() {
            reference(catalog.network(id).err(), &entry.file, &mut found);
        }
    }
    for entry in catalog.reliability.values() {
        provenance(catalog, &entry.file, &entry.value.figures(), &mut found);
        experience(catalog, &entry.file, &entry.value, &mut found);
    }
    software(catalog, &mut found);
    for entry in catalog.calibrations.values() {
        calibration(catalog, &entry.file, &entry.value, &mut found);
    }
    found
}

pub(crate) fn reference(error: Option<Diagnostic>, file: &str, found: &mut Vec<Diagnostic>) {
    if let Some(mut error) = error {
        error.message = format!("{file}: {}", error.message);
        found.push(error);
    }
}

pub(crate) fn known_source(
    catalog: &Catalog,
    file: &str,
    field: &str,
    source: &str,
    found: &mut Vec<Diagnostic>,
) {
    if !catalog.sources.contains_key(source) {
        let known = catalog.sources.keys().map(String::as_str);
        let mut error = Diagnostic::unknown_id("source", source, known);
        error.code = Code::Provenance;
        error.message = format!("{file}: {field}: {}", error.message);
        found.push(error);
    }
}

pub(crate) fn provenance(
    catalog: &Catalog,
    file: &str,
    rows: &[FigureRow],
    found: &mut Vec<Diagnostic>,
) {
    for row in rows {
        known_source(catalog, file, &row.field, &row.source, found);
        if row.assumed && row.note.is_none() {
            found.push(Diagnostic::new(
                Code::Provenance,
                format!(
                    "{file}: {}: an assumed figure must say why in its note",
                    row.field
                ),
            ));
        }
    }
}

pub(crate) fn band<T: Quantity>(
    file: &str,
    field: &str,
    figure: Option<&Figure<T>>,
    range: RangeInclusive<f64>,
    found: &mut Vec<Diagnostic>,
) {
    if let Some(figure) = figure {
        within(file, field, figure, T::base, &range, found);
    }
}

/// [`band`] of a count or a ratio.
pub(crate) fn plain_band(
    file: &str,
    field: &str,
    figure: &Figure<f64>,
    range: RangeInclusive<f64>,
    found: &mut Vec<Diagnostic>,
) {
    within(file, field, figure, |value| value, &range, found);
}

fn within<T: Copy + PartialOrd + Display>(
    file: &str,
    field: &str,
    figure: &Figure<T>,
    base: impl Fn(T) -> f64,
    range: &RangeInclusive<f64>,
    found: &mut Vec<Diagnostic>,
) {
    if !range.contains(&base(figure.value)) {
        found.push(Diagnostic::new(
            Code::Value,
            format!(
                "{file}: {field}: {} is outside the range of its class",
                figure.value
            ),
        ));
    }
    let (low, high) = (
        figure.low.unwrap_or(figure.value),
        figure.high.unwrap_or(figure.value),
    );
    if !(low <= figure.value && figure.value <= high) {
        found.push(Diagnostic::new(
            Code::Value,
            format!(
                "{file}: {field}: {} is not between its low {low} and high {high}",
                figure.value
            ),
        ));
    }
}

/// Sanity bands of chips sold or announced 2020 to 2027. An 8-bit peak above 2.1 times the 16-bit
/// one is taken for a sparse figure unless the note of the figure says that it is dense.
fn chip(catalog: &Catalog, file: &str, chip: &Chip, found: &mut Vec<Diagnostic>) {
    reference(
        catalog.calibration(&chip.calibration.curve).err(),
        file,
        found,
    );
    band(
        file,
        "memory.capacity",
        chip.memory.capacity.as_ref(),
        16e9..=1e12,
        found,
    );
    band(
        file,
        "memory.visible",
        chip.memory.visible.as_ref(),
        16e9..=1e12,
        found,
    );
    band(
        file,
        "memory.bandwidth",
        chip.memory.bandwidth.as_ref(),
        0.2e12..=30e12,
        found,
    );
    let link = chip.scale_up.as_ref().and_then(|s| s.bandwidth.as_ref());
    band(file, "scale_up.bandwidth", link, 20e9..=4e12, found);
    if let (Some(scale_up), Some(bandwidth)) = (&chip.scale_up, link)
        && let Some(lanes) = lanes(&scale_up.link)
        && (bandwidth.value.get() / 1e9 / lanes - 1.0).abs() > 0.02
    {
        found.push(Diagnostic::new(
            Code::Value,
            format!(
                "{file}: scale_up.bandwidth {} is not the {lanes} GB/s of \"{}\": is it a both-ways figure?",
                bandwidth.value, scale_up.link
            ),
        ));
    }
    let host = chip.host.as_ref().and_then(|h| h.bandwidth.as_ref());
    band(file, "host.bandwidth", host, 10e9..=1e12, found);
    band(file, "tdp", chip.tdp.as_ref(), 50.0..=4000.0, found);
    band(
        file,
        "die.area",
        chip.die.area.as_ref(),
        100.0..=3500.0,
        found,
    );
    for (format, figure) in &chip.peak {
        band(
            file,
            &format!("peak.{format}"),
            Some(figure),
            0.1e12..=60e15,
            found,
        );
    }
    let peak = |format| chip.peak.get(&format).map(|f| f.value.get());
    let dense = chip
        .peak
        .get(&NumberFormat::Fp8)
        .and_then(|figure| figure.note.as_ref());
    let dense = dense.is_some_and(|note| note.contains("dense"));
    if let (Some(wide), Some(narrow)) = (peak(NumberFormat::Bf16), peak(NumberFormat::Fp8))
        && !(0.9..=if dense { 5.0 } else { 2.1 }).contains(&(narrow / wide))
    {
        found.push(Diagnostic::new(
            Code::Value,
            format!(
                "{file}: peak.fp8 is {:.1} times peak.bf16: is one of them a sparse figure?",
                narrow / wide
            ),
        ));
    }
}

/// GB/s per direction of a link written as "NVLink4 (18x25)": lanes times GB/s of one.
fn lanes(link: &str) -> Option<f64> {
    let inside = link.split_once('(')?.1.split_once(')')?.0;
    let (count, each) = inside.split_once('x')?;
    Some(count.trim().parse::<f64>().ok()? * each.trim().parse::<f64>().ok()?)
}

/// Sanity bands of links of 2020 to 2027.
fn link(file: &str, link: &DomainLink, found: &mut Vec<Diagnostic>) {
    band(file, "rate", Some(&link.rate), 5e9..=200e9, found);
    band(file, "hop", Some(&link.hop), 50e-9..=5e-6, found);
    let switch = link.switch.as_ref();
    if let Some(ports) = switch.and_then(|switch| switch.ports.as_ref()) {
        plain_band(file, "switch.ports", ports, 2.0..=1024.0, found);
    }
    let power = switch.and_then(|switch| switch.power.as_ref());
    band(file, "switch.power", power, 5.0..=2000.0, found);
}

fn system(catalog: &Catalog, file: &str, system: &System, found: &mut Vec<Diagnostic>) {
    reference(unknown_link(catalog, system), file, found);
    for wrong in wiring(catalog, system) {
        let message = format!("{file}: {wrong}");
        found.push(Diagnostic::new(Code::Value, message));
    }
    reference(catalog.chip(&system.chip).err(), file, found);
    reference(
        catalog.network(&system.scale_out.network).err(),
        file,
        found,
    );
    band(
        file,
        "domain.bandwidth",
        Some(&system.domain.bandwidth),
        20e9..=4e12,
        found,
    );
    band(
        file,
        "scale_out.bandwidth",
        Some(&system.scale_out.bandwidth),
        1e9..=1e12,
        found,
    );
    band(
        file,
        "power.host",
        system.power.host.as_ref(),
        100.0..=20_000.0,
        found,
    );
    if system.node.chips == 0 || system.domain.chips == 0 {
        found.push(Diagnostic::new(
            Code::Value,
            format!("{file}: a node and a domain have at least one chip"),
        ));
    }
    let link = catalog
        .chip(&system.chip)
        .ok()
        .and_then(|chip| chip.scale_up.as_ref());
    if let Some(bandwidth) = link.and_then(|link| link.bandwidth.as_ref())
        && system.domain.bandwidth.source != "scenario"
        && system.domain.bandwidth.value > bandwidth.value * 1.2
    {
        found.push(Diagnostic::new(
            Code::Value,
            format!(
                "{file}: domain.bandwidth {} exceeds the chip's own links, {}: is it a both-ways figure?",
                system.domain.bandwidth.value, bandwidth.value
            ),
        ));
    }
}

/// Sanity bands of clusters of 2020 to 2027: from one failure of a node in 30 years to one in ten
/// days, restarts to two hours, repairs to two months.
fn experience(catalog: &Catalog, file: &str, experience: &Experience, found: &mut Vec<Diagnostic>) {
    reference(catalog.chip(&experience.chip).err(), file, found);
    let chips_are_whole = experience.chips_per_node > 0
        && experience.chips.value >= experience.chips_per_node as f64
        && experience.jobs.iter().all(|job| job.chips > 0);
    if !chips_are_whole {
        found.push(Diagnostic::new(
            Code::Value,
            format!("{file}: a node and a job have at least one chip, a cluster at least one node"),
        ));
    }
    let ratios = [
        (
            "failures_per_node_day",
            &experience.failures_per_node_day,
            1e-4..=0.1,
        ),
        ("repair_share", &experience.repair_share, 0.0..=1.0),
        ("spare_share", &experience.spare_share, 0.0..=0.5),
        ("straggler_loss", &experience.straggler_loss, 0.0..=0.5),
        (
            "checkpoint.blocking_share",
            &experience.checkpoint.blocking_share,
            0.0..=1.0,
        ),
        (
            "network.failures_per_link_day",
            &experience.network.failures_per_link_day,
            0.0..=0.01,
        ),
        (
            "network.failures_per_switch_day",
            &experience.network.failures_per_switch_day,
            0.0..=0.01,
        ),
    ];
    for (field, figure, range) in ratios {
        plain_band(file, field, figure, range, found);
    }
    let times = [
        ("repair", &experience.repair, 3600.0..=5.2e6),
        ("network.repair", &experience.network.repair, 60.0..=5.2e6),
        ("restart", &experience.restart, 1.0..=7200.0),
    ];
    for (field, figure, range) in times {
        band(file, field, Some(figure), range, found);
    }
    let checkpoint = &experience.checkpoint;
    band(
        file,
        "checkpoint.node_bandwidth",
        Some(&checkpoint.node_bandwidth),
        1e8..=1e12,
        found,
    );
    band(
        file,
        "checkpoint.shared_bandwidth",
        checkpoint.shared_bandwidth.as_ref(),
        1e9..=1e14,
        found,
    );
    for job in &experience.jobs {
        let of_job = |field| format!("job.{}.{field}", job.chips);
        band(
            file,
            &of_job("mtbf"),
            job.mtbf.as_ref(),
            60.0..=3.2e7,
            found,
        );
        if let Some(share) = &job.effective_share {
            plain_band(file, &of_job("effective_share"), share, 0.01..=1.0, found);
        }
    }
}
