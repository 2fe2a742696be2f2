//! The shipped data: it loads, every figure has a source, and it agrees with itself and with the
//! tables it was taken from.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chokepoint_catalog::{
    Calibration, Catalog, Chip, CollectiveKind, DecodeCurve, EngineKernel, Figure, GemmCurve,
    PrefillCurve, RowFactors, System, check,
};
use chokepoint_units::{NumberFormat, Quantity, Seconds};

const FOLDERS: [&str; 7] = [
    "chips",
    "links",
    "systems",
    "networks",
    "prices",
    "calibration",
    "reliability",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test reads the shipped files"
)]
fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn catalog() -> Catalog {
    let data = root().join("data");
    let sources = read(&data.join("sources.toml")).unwrap();
    let mut files = vec![("sources.toml".to_owned(), sources)];
    for folder in FOLDERS {
        let mut names: Vec<String> = std::fs::read_dir(data.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        for name in names {
            let text = read(&data.join(folder).join(&name)).unwrap();
            files.push((format!("{folder}/{name}"), text));
        }
    }
    let texts = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    Catalog::load(texts).unwrap_or_else(|error| panic!("{error:?}"))
}

fn chip<'a>(catalog: &'a Catalog, id: &str) -> &'a Chip {
    catalog.chip(id).unwrap()
}

/// The chip that curves were measured on, or whose name they carry.
fn measured<'a>(catalog: &'a Catalog, curve: &str) -> &'a Chip {
    let mut chips = catalog.chips.values().map(|entry| &entry.value);
    chips
        .find(|chip| chip.calibration.curve == curve && !chip.calibration.borrowed)
        .unwrap_or_else(|| chip(catalog, curve))
}

fn system<'a>(catalog: &'a Catalog, id: &str) -> &'a System {
    catalog.system(id).unwrap()
}

fn tera(chip: &Chip, format: NumberFormat) -> f64 {
    chip.peak[&format].value.get() / 1e12
}

/// Bandwidth of a chip into its domain, bytes a second and direction.
fn link(chip: &Chip) -> f64 {
    let figure = chip.scale_up.as_ref().and_then(|s| s.bandwidth.as_ref());
    figure.map_or(f64::NAN, |figure| figure.value.get())
}

fn near(name: &str, value: f64, expected: f64, tolerance: f64) {
    assert!(
        (value / expected - 1.0).abs() <= tolerance,
        "{name}: {value} instead of {expected}"
    );
}

#[test]
fn nothing_is_wrong_with_it() {
    let found: Vec<String> = check(&catalog())
        .into_iter()
        .map(|error| error.message)
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn expected_parts_are_there() {
    let catalog = catalog();
    assert!(catalog.chips.len() >= 40, "{} chips", catalog.chips.len());
    assert!(
        catalog.systems.len() >= 29,
        "{} systems",
        catalog.systems.len()
    );
    for id in [
        "hgx-h20-141g",
        "a800-node",
        "b30a-8",
        "ascend-920-node",
        "cloudmatrix384",
        "gb200-nvl72",
        "hgx-h200",
        "deepseek-2048",
        "mi308x-8",
        "rtx6000d-8",
    ] {
        assert!(catalog.system(id).is_ok(), "{id}");
    }
    for id in ["volume-2025", "retail-2025", "china-2025"] {
        assert!(catalog.price_book(id).is_ok(), "{id}");
    }
    for id in ["meta-llama3-h100", "meta-rsc1-a100", "lablup-b200"] {
        assert!(catalog.experience(id).is_ok(), "{id}");
    }
}

#[test]
fn price_books_cover_all_systems_and_their_networks() {
    let catalog = catalog();
    for (book_id, book) in &catalog.prices {
        for (id, entry) in &catalog.systems {
            let price = book.value.systems.get(id);
            let price = price.unwrap_or_else(|| panic!("{book_id} has no price of {id}"));
            assert!(
                price.chips > 0 && price.price.value.get() > 0.0,
                "{book_id}: {id}"
            );
            let network = &entry.value.scale_out.network;
            assert!(
                book.value.networks.contains_key(network),
                "{book_id}: {network}"
            );
        }
    }
}

#[test]
fn every_system_can_be_simulated() {
    let catalog = catalog();
    for (id, entry) in &catalog.systems {
        let chip = chip(&catalog, &entry.value.chip);
        assert!(chip.usable_memory().is_some(), "{id}: memory.capacity");
        assert!(chip.memory.bandwidth.is_some(), "{id}: memory.bandwidth");
        assert!(chip.tdp.is_some(), "{id}: tdp");
        assert!(
            chip.peak.contains_key(&NumberFormat::Bf16),
            "{id}: peak.bf16"
        );
        assert!(entry.value.domain.latency.is_some(), "{id}: domain.latency");
        assert!(entry.value.power.host.is_some(), "{id}: power.host");
    }
}

/// Rates follow from cores, width and clock; counts from the layout of the machines.
#[test]
fn figures_follow_from_the_hardware() {
    use NumberFormat::{Bf16, Fp8};
    let catalog = catalog();
    let rates = [
        (
            "H100: 132 SM x 4096 x 1.83 GHz",
            "h100-sxm",
            132.0 * 4096.0 * 1.83,
        ),
        (
            "A100: 108 SM x 2048 x 1.41 GHz",
            "a100-80g-sxm",
            108.0 * 2048.0 * 1.41,
        ),
        (
            "H20: 78 SM x 958 x 1.98 GHz",
            "h20-96g",
            78.0 * 958.0 * 1.98,
        ),
        (
            "MI300X: 1216 x 512 x 2.1 GHz",
            "mi300x",
            1216.0 * 512.0 * 2.1,
        ),
        (
            "MI355X: 1024 x 1024 x 2.4 GHz",
            "mi355x",
            1024.0 * 1024.0 * 2.4,
        ),
        (
            "Gaudi 3: 8 x 65536 x 2 x 1.6 GHz",
            "gaudi3",
            8.0 * 65_536.0 * 2.0 * 1.6,
        ),
        (
            "CloudMatrix 384: 289 PFLOP/s / 384",
            "ascend-910c",
            289e6 / 384.0,
        ),
    ];
    for (name, id, giga) in rates {
        near(name, tera(chip(&catalog, id), Bf16), giga / 1e3, 1.5e-3);
    }
    let gaudi = chip(&catalog, "gaudi3");
    near(
        "Gaudi 3: FP8 at the BF16 rate",
        tera(gaudi, Fp8),
        tera(gaudi, Bf16),
        1e-9,
    );

    let cloud = system(&catalog, "cloudmatrix384");
    let count = |figure: &Option<Figure<f64>>| figure.as_ref().unwrap().value;
    let per_package = 336.0 * 16.0 * 28e9 / 384.0;
    near(
        "UB per package",
        cloud.domain.bandwidth.value.get(),
        per_package,
        1e-9,
    );
    near(
        "UB switch chips",
        count(&cloud.domain.switch_chips),
        48.0 * 7.0 + 112.0,
        1e-9,
    );
    let scale_up = count(&cloud.domain.optical_modules);
    near("UB modules", scale_up, 48.0 * 56.0 * 2.0, 1e-9);
    let network = catalog.network(&cloud.scale_out.network).unwrap();
    let ports = cloud.scale_out.bandwidth.value / network.link.rate.value;
    near(
        "all modules",
        scale_up + 384.0 * ports * 2.0,
        5376.0 + 1536.0,
        1e-9,
    );
    near("as the press counts them", 5376.0 + 1536.0, 6912.0, 1e-9);

    let rack = system(&catalog, "gb200-nvl72");
    near(
        "NVL72 copper",
        count(&rack.domain.copper_cables),
        72.0 * 18.0 * 2.0 * 2.0,
        1e-9,
    );
    near(
        "NVL72 switches",
        count(&rack.domain.switch_chips),
        18.0,
        1e-9,
    );
    assert!(count(&rack.domain.optical_modules) < 0.5);
}

/// Rates of failures are events over nodes and days, and shares are of what their source counts.
#[test]
fn rates_of_failures_follow_from_the_events() {
    let catalog = catalog();
    let events = [
        ("meta-llama3-h100", 419.0 / 54.0),
        ("lablup-b200", 10.0 / 55.0),
        ("crusoe-h200", 205.0 / 122.0),
        ("meta-opt-a100", 24.0 / 7.5),
    ];
    for (id, a_day) in events {
        let experience = catalog.experience(id).unwrap();
        let nodes = experience.chips.value / experience.chips_per_node as f64;
        let rate = experience.failures_per_node_day.value;
        near(id, rate, a_day / nodes, 2e-3);
    }
    let llama = catalog.experience("meta-llama3-h100").unwrap();
    let inside_nodes = 148.0 + 72.0 + 19.0 + 17.0 + 7.0 + 6.0 + 6.0;
    near(
        "repairs",
        llama.repair_share.value,
        inside_nodes / 419.0,
        0.01,
    );
    let node = llama.checkpoint.node_bandwidth.value.get();
    near("storage of a node", node, 2e12 / 2048.0, 1e-3);
    // The rate of nodes gives the published time between failures of each job, but for the
    // measured one of 1,024 GPUs.
    for (id, entry) in &catalog.reliability {
        let experience = &entry.value;
        for job in &experience.jobs {
            let Some(mtbf) = &job.mtbf else { continue };
            let nodes = job.chips as f64 / experience.chips_per_node as f64;
            let hours = 24.0 / (nodes * experience.failures_per_node_day.value);
            let published = mtbf.value.get() / 3600.0;
            let expected = if job.chips == 1024 { 28.8 / 7.9 } else { 1.0 };
            near(id, hours / published, expected, 0.025);
        }
    }
}

#[test]
fn wrong_reliability_is_found() {
    let name = "reliability/meta-llama3-h100.toml";
    let text = read(&root().join("data").join(name)).unwrap();
    let wrong = [
        (
            "value = 0.00379",
            "value = 3.79",
            "failures_per_node_day: 3.79 is outside",
        ),
        (
            "low = 0.0036",
            "low = 0.0039",
            "is not between its low 0.0039",
        ),
        (
            "value = \"10 min\"",
            "value = \"10 h\"",
            "restart: 10 h is outside",
        ),
        (
            "\"3.09 h\"",
            "\"3.09 s\"",
            "job.16384.mtbf: 3.09 s is outside",
        ),
        (
            "chips_per_node = 8",
            "chips_per_node = 0",
            "at least one chip",
        ),
        ("\"h100-sxm\"", "\"h100-smx\"", "h100-smx"),
        (
            "source = \"research-viewer\"",
            "source = \"viewer\"",
            "repair: ",
        ),
    ];
    for (good, bad, words) in wrong {
        assert!(text.contains(good), "{good}");
        let mut catalog = catalog();
        catalog.add(name, &text.replacen(good, bad, 1)).unwrap();
        let found: Vec<String> = check(&catalog).into_iter().map(|e| e.message).collect();
        assert!(
            found.iter().any(|text| text.contains(words)),
            "{words}: {found:?}"
        );
    }
}

/// Sparse rates are twice the dense ones and both-ways rates twice those of a direction; vendors
/// print the doubles on the right.
#[test]
fn no_sparse_and_no_both_ways_figures() {
    let catalog = catalog();
    let printed = [
        ("a100-80g-sxm", NumberFormat::Bf16, 624.0, 600.0),
        ("h100-sxm", NumberFormat::Fp8, 3958.0, 900.0),
        ("h200-sxm", NumberFormat::Fp8, 3958.0, 900.0),
        ("h800-sxm", NumberFormat::Fp8, 3958.0, 400.0),
        ("b200-sxm", NumberFormat::Fp4, 18_000.0, 1800.0),
        ("gb200", NumberFormat::Fp4, 20_000.0, 1800.0),
        ("mi300x", NumberFormat::Fp8, 5229.8, 896.0),
        ("mi355x", NumberFormat::Fp4, 20_132.6, 1075.2),
        ("ascend-910b", NumberFormat::Bf16, 640.0, 392.0),
    ];
    for (id, format, sparse, both_ways) in printed {
        let chip = chip(&catalog, id);
        near(id, tera(chip, format) * 2.0, sparse, 1e-3);
        near(id, link(chip) * 2.0, both_ways * 1e9, 1e-3);
    }
    let pairs = [
        (NumberFormat::Tf32, NumberFormat::Bf16),
        (NumberFormat::Fp8, NumberFormat::Fp4),
        (NumberFormat::Bf16, NumberFormat::Int8),
    ];
    for (id, entry) in &catalog.chips {
        let peak = |format| entry.value.peak.get(&format).map(|f| f.value.get());
        for (wide, narrow) in pairs {
            if let (Some(wide), Some(narrow)) = (peak(wide), peak(narrow)) {
                assert!(narrow / wide < 4.0, "{id}: {narrow} of {wide}");
            }
        }
    }
}

fn plausible_gemm(name: &str, curve: &GemmCurve) {
    let shares = 0.1..=1.0;
    assert!(shares.contains(&curve.compute), "{name}: compute");
    assert!(shares.contains(&curve.memory), "{name}: memory");
    assert!(
        (0.0..=50e-6).contains(&curve.launch.get()),
        "{name}: launch"
    );
    assert!((0.0..=600.0).contains(&curve.prologue), "{name}: prologue");
    assert!(curve.split.is_none_or(|depth| depth > 0.0), "{name}: split");
    assert!(
        curve.quantise.is_none_or(|share| shares.contains(&share)),
        "{name}: quantise"
    );
    assert!(curve.median_error <= curve.p90_error, "{name}: errors");
}

fn plausible_prefill(name: &str, curve: &PrefillCurve) {
    assert!((0.5..=1.0).contains(&curve.compute), "{name}: compute");
    assert!((0.1..=1.0).contains(&curve.memory), "{name}: memory");
    assert!((0.0..=500.0).contains(&curve.half), "{name}: half");
    assert!((0.0..=500.0).contains(&curve.softmax), "{name}: softmax");
    assert!(curve.median_error <= curve.p90_error, "{name}: errors");
}

fn plausible_decode(name: &str, curve: &DecodeCurve) {
    assert!((0.1..=1.0).contains(&curve.peak), "{name}: peak");
    assert!((0.0..=1e8).contains(&curve.half), "{name}: half");
    assert!(
        (1e-6..=50e-6).contains(&curve.launch.get()),
        "{name}: launch"
    );
    let tile = curve.tile.map_or(1e-6, Seconds::get);
    // Up to 81 us where no latent kernel is tuned (RTX PRO 6000, L40S).
    assert!((1e-8..=100e-6).contains(&tile), "{name}: tile");
    assert!(
        curve.p90_error.is_none_or(|p90| curve.median_error <= p90),
        "{name}: errors"
    );
}

#[test]
fn curves_are_plausible() {
    let catalog = catalog();
    for (id, entry) in &catalog.calibrations {
        let curves = &entry.value;
        let wire = link(measured(&catalog, id));
        for (format, curve) in curves.gemm.iter().chain(&curves.grouped_gemm) {
            plausible_gemm(&format!("{id} {format}"), curve);
        }
        for (format, curve) in &curves.attention_prefill {
            plausible_prefill(&format!("{id} {format}"), curve);
        }
        let caches = curves.attention_decode.iter();
        for (format, curve) in caches.chain(&curves.attention_decode_latent) {
            plausible_decode(&format!("{id} {format}"), curve);
        }
        assert!((0.5..=1.0).contains(&curves.stream), "{id}: stream");
        for curve in &curves.collective {
            let name = format!("{id}: {:?} of {}", curve.kind, curve.ranks);
            for pair in curve.points.windows(2) {
                assert!(pair[0].size < pair[1].size, "{name}: sizes must rise");
            }
            let share = (curve.ranks - 1) as f64 / curve.ranks as f64;
            let factor = match curve.kind {
                CollectiveKind::AllReduce => 2.0 * share,
                _ => share,
            };
            for point in &curve.points {
                let time = point.size.get() * factor / point.bus.get();
                assert!(
                    time > curve.latency.get() * 0.9,
                    "{name}: {} is faster than the smallest message",
                    point.size
                );
                // Reduction in the switch lets an all-reduce pass the wire by a few percent.
                assert!(
                    point.bus.get() < wire * 1.1,
                    "{name}: {} is more than the wire",
                    point.bus
                );
            }
        }
    }
}

/// Every chip with tables has factors of three engines, about one where an engine is the fastest;
/// wrong ones are found.
#[test]
fn engines_differ_from_the_curves_by_known_factors() {
    let mut catalog = catalog();
    let fitted: Vec<&Calibration> = catalog
        .calibrations
        .values()
        .map(|entry| &entry.value)
        .filter(|curves| curves.refit.is_some())
        .collect();
    assert!(fitted.len() >= 9, "{}", fitted.len());
    for curves in fitted {
        let bf16 = NumberFormat::Bf16;
        let plain = |engine| curves.engine_factor(engine, EngineKernel::Gemm, bf16, 8192.0);
        for engine in ["sglang", "trtllm", "vllm"] {
            assert!(
                curves.engine.contains_key(engine),
                "{}: {engine}",
                curves.id
            );
            assert!(
                (0.9..1.2).contains(&plain(engine)),
                "{}: {engine}",
                curves.id
            );
        }
    }
    // SGLang reads latents in FP8 on Hopper several times slower than TensorRT-LLM.
    let h100 = catalog.calibration("h100-sxm").unwrap();
    let latent =
        |engine| h100.engine_factor(engine, EngineKernel::LatentDecode, NumberFormat::Fp8, 64.0);
    assert!(latent("sglang") > 3.0 * latent("trtllm"));
    let wrong = catalog.calibrations.get_mut("h100-sxm").unwrap();
    let sglang = wrong.value.engine.get_mut("sglang").unwrap();
    sglang.source = "nobody".to_owned();
    sglang
        .gemm
        .insert(NumberFormat::Bf16, RowFactors([1.0, 30.0, 1.0, 1.0]));
    wrong.value.refit.as_mut().unwrap().chip = "h101".to_owned();
    wrong.value.power.active = 1.2;
    wrong.value.power.source = "somebody".to_owned();
    let found: Vec<String> = check(&catalog).into_iter().map(|p| p.message).collect();
    assert_eq!(found.len(), 5, "{found:?}");
    assert!(
        found
            .iter()
            .any(|message| message.contains("engine.sglang.gemm.bf16: 30"))
    );
    assert!(found.iter().any(|message| message.contains("nobody")));
    assert!(
        found
            .iter()
            .any(|message| message.contains("power.active: 1.2"))
    );
    assert!(found.iter().any(|message| message.contains("power.source")));
    assert!(found.iter().any(|message| message.contains("h101")));
}

/// Splits one line of CSV; quotes protect commas and double themselves.
fn fields(line: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        let last = found.len() - 1;
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                found[last].push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => found.push(String::new()),
            other => found[last].push(other),
        }
    }
    found
}

/// The value of a figure that some source states, in a unit of the table.
fn stated<T: Quantity>(figure: Option<&Figure<T>>, unit: f64) -> Option<f64> {
    figure
        .filter(|figure| !figure.assumed)
        .map(|figure| figure.value.base() / unit)
}

/// The columns of the reference table that chip files repeat, in its units.
fn in_table_units(chip: &Chip) -> Vec<(&'static str, Option<f64>)> {
    let link = chip
        .scale_up
        .as_ref()
        .filter(|s| !s.link.starts_with("none"));
    let cores = chip.cores.as_ref();
    // The table's own figure for B30A is an assumption too.
    let power = chip
        .tdp
        .as_ref()
        .filter(|f| !f.assumed || chip.id == "b30a");
    let mut columns = vec![
        ("mem_gb", stated(chip.memory.capacity.as_ref(), 1e9)),
        (
            "mem_visible_mib",
            stated(chip.memory.visible.as_ref(), 1_048_576.0),
        ),
        ("mem_bw_gbs", stated(chip.memory.bandwidth.as_ref(), 1e9)),
        (
            "scaleup_gbs_per_dir",
            link.and_then(|s| stated(s.bandwidth.as_ref(), 1e9)),
        ),
        (
            "host_gbs_per_dir",
            chip.host
                .as_ref()
                .and_then(|h| stated(h.bandwidth.as_ref(), 1e9)),
        ),
        ("tdp_w", power.map(|f| f.value.get())),
        ("die_area_mm2", stated(chip.die.area.as_ref(), 1.0)),
        ("logic_dies", chip.die.count.map(|count| count as f64)),
        (
            "core_count",
            cores.and_then(|c| c.count).map(|count| count as f64),
        ),
        ("boost_mhz", cores.and_then(|c| c.boost_mhz)),
        (
            "llc_mb",
            cores.and_then(|c| c.cache).map(|cache| cache.get() / 1e6),
        ),
    ];
    for format in NumberFormat::ALL {
        columns.push((format.name(), stated(chip.peak.get(&format), 1e12)));
    }
    columns
}

#[test]
#[expect(clippy::disallowed_macros, reason = "a test says what it skipped")]
fn chips_equal_the_reference_table() {
    let path = root().join("../shared/reference/hardware_chips.csv");
    let Some(text) = read(&path) else {
        eprintln!("skipped: {} is not here", path.display());
        return;
    };
    // Section 6 of reference/hardware.md recommends the shared reading for the link to the host;
    // PCIe cards without links of their own carry the port in its place.
    let different = |id: &str, column: &str| {
        matches!(
            (id, column),
            ("gb200" | "gb300", "host_gbs_per_dir")
                | (
                    "rtx-pro-6000-server" | "rtx-pro-6000d",
                    "scaleup_gbs_per_dir"
                )
        )
    };
    let catalog = catalog();
    let mut lines = text.lines();
    let header = fields(lines.next().unwrap());
    let (mut rows, mut compared) = (0, 0);
    for line in lines {
        let row: BTreeMap<&str, String> = header
            .iter()
            .map(String::as_str)
            .zip(fields(line))
            .collect();
        let id = row["id"].replace('_', "-");
        rows += 1;
        for (column, ours) in in_table_units(chip(&catalog, &id)) {
            let theirs = row[column].parse::<f64>().ok();
            match (ours, theirs) {
                _ if different(&id, column) => {}
                (Some(_), None) if column == "mem_visible_mib" => {} // derived where the table has none
                (Some(ours), Some(theirs)) => {
                    near(&format!("{id} {column}"), ours, theirs, 1e-9);
                    compared += 1;
                }
                (None, None) => {}
                (ours, theirs) => panic!("{id} {column}: {ours:?} here, {theirs:?} in the table"),
            }
        }
    }
    assert!(
        rows == 40 && compared > 450,
        "{rows} rows, {compared} figures"
    );
}

mod damaged {
    use chokepoint_catalog::Catalog;
    use proptest::prelude::*;

    const FILES: [(&str, &str); 8] = [
        (
            "chips/h200-sxm.toml",
            include_str!("../../../data/chips/h200-sxm.toml"),
        ),
        (
            "systems/gb200-nvl72.toml",
            include_str!("../../../data/systems/gb200-nvl72.toml"),
        ),
        (
            "systems/cloudmatrix384.toml",
            include_str!("../../../data/systems/cloudmatrix384.toml"),
        ),
        (
            "links/nvlink5.toml",
            include_str!("../../../data/links/nvlink5.toml"),
        ),
        (
            "networks/ib-ndr-400g.toml",
            include_str!("../../../data/networks/ib-ndr-400g.toml"),
        ),
        (
            "prices/retail-2025.toml",
            include_str!("../../../data/prices/retail-2025.toml"),
        ),
        (
            "calibration/h100-sxm.toml",
            include_str!("../../../data/calibration/h100-sxm.toml"),
        ),
        (
            "reliability/meta-rsc1-a100.toml",
            include_str!("../../../data/reliability/meta-rsc1-a100.toml"),
        ),
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        /// A damaged file gives an error with a place in it, or a catalogue; never a panic.
        #[test]
        fn files_never_panic(which in 0..FILES.len(), at in 0.0..1.0_f64, cut in 0..20_usize, with in "[ -~\n\u{4e2d}]{0,8}") {
            let (name, text) = FILES[which];
            let start = (text.len() as f64 * at) as usize;
            let start = (0..=start).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let end = (start + cut).min(text.len());
            let end = (end..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
            let damaged = format!("{}{with}{}", &text[..start], &text[end..]);
            match Catalog::load([(name, damaged.as_str())]) {
                Ok(catalog) => drop(chokepoint_catalog::check(&catalog)),
                Err(error) => prop_assert!(error.place.is_some(), "{error}"),
            }
        }
    }
}
