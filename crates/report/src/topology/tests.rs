//! Networks of the shipped catalogue.

use chokepoint_engine::{Data, TopologyRequest, TopologyRun, run_topology};

use crate::{Language, topology_csv, topology_json, topology_svg, topology_table};

fn run_with(files: &[(String, String)], system: &str, chips: u64) -> TopologyRun {
    let request = TopologyRequest {
        system: system.to_owned(),
        chips,
        prices: "volume-2025".to_owned(),
    };
    run_topology(&request, &Data::load(files).unwrap()).unwrap()
}

fn run(system: &str, chips: u64) -> TopologyRun {
    run_with(&[], system, chips)
}

#[test]
fn tables_in_both_languages() {
    for language in Language::ALL {
        let tag = language.tag();
        let show = |system, chips| topology_table(&run(system, chips), language);
        insta::assert_snapshot!(format!("planes_{tag}"), show("deepseek-2048", 2048));
        insta::assert_snapshot!(format!("cloudmatrix_{tag}"), show("cloudmatrix384", 768));
        insta::assert_snapshot!(format!("too_many_{tag}"), show("hgx-h100", 70_000));
    }
    let rack = topology_table(&run("gb200-nvl72", 72), Language::En);
    insta::assert_snapshot!("nvl72_en", rack);
    let unknown = topology_table(&run("atlas-950-1024", 2048), Language::En);
    insta::assert_snapshot!("undescribed_en", unknown);
}

#[test]
fn for_programs() {
    let found = run("hgx-h100", 2048);
    insta::assert_snapshot!("json_en", topology_json(&found, Language::En).unwrap());
    insta::assert_snapshot!("csv_en", topology_csv(&found, Language::En).unwrap());
    let refused = run("hgx-h100", 70_000);
    let json = topology_json(&refused, Language::En).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["feasible"], false);
    assert_eq!(json["reason_key"], "topology-too-many-chips");
    assert!(json["levels"].is_null());
    let csv = topology_csv(&refused, Language::Zh).unwrap();
    assert_eq!(csv.lines().count(), 2);
}

/// What is unknown is null or empty, never zero.
#[test]
fn unknown_is_not_zero() {
    let found = run("vr-nvl72", 144);
    let json = topology_json(&found, Language::En).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["levels"][0]["switches"].is_null());
    assert!(json["totals"]["switches"].is_null());
    assert!(json["totals"]["copper_pairs"].is_null());
    assert_eq!(json["levels"][0]["cables"], 144 * 36);
    let csv = topology_csv(&found, Language::En).unwrap();
    let first = csv.lines().nth(1).unwrap();
    assert!(first.starts_with("vr-nvl72,144,domain,switch,,,,5184,50000000000,copper,0,,,"));
}

const TPU: &str = r#"
schema = 1
id = "tpu-cubes"
name = "TPU cubes"
vendor = "Google"
status = "shipping"
chip = "tpu-v5p"
[node]
chips = 4
[domain]
chips = 4096
topology = "torus"
bandwidth = { value = "540 GB/s", source = "scaling", grade = "B" }
[domain.wiring]
link = "ici-v5p"
per_chip = { value = 6.0, source = "scaling", grade = "B" }
media = "copper"
[domain.wiring.torus]
dims = [16, 16, 16]
block = [4, 4, 4]
circuit_ports = 128
[scale_out]
network = "roce-200g"
bandwidth = { value = "25 GB/s", source = "assumption", grade = "C" }
[scale_out.wiring]
shape = { value = "dragonfly", source = "assumption", grade = "C" }
[scale_out.wiring.dragonfly]
chip_ports = { value = 16.0, source = "assumption", grade = "C" }
routers = { value = 32.0, source = "assumption", grade = "C" }
global_ports = { value = 16.0, source = "assumption", grade = "C" }
"#;

/// Drawings are well-formed, escape what they quote, and say their numbers.
#[test]
fn drawings() {
    let torus = [("systems/tpu-cubes.toml".to_owned(), TPU.to_owned())];
    let runs = [
        run("gb200-nvl72", 576),
        run("cloudmatrix384", 384),
        run("mi300x-8", 4096),
        run("deepseek-2048", 16_384),
        run("atlas-950-1024", 2048),
        run_with(&torus, "tpu-cubes", 8192),
    ];
    let words = ["1,296", "5,376", "28 × 64", "512 ×", "–", "4,096"];
    for (found, word) in runs.iter().zip(words) {
        for language in Language::ALL {
            let svg = topology_svg(found, language).unwrap();
            assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
            assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
            assert!(!svg.contains("NaN") && !svg.contains("topology."), "{svg}");
            assert!(svg.contains(word), "{word}");
            assert!(svg.len() < 60_000, "{}", svg.len());
        }
    }
    assert_eq!(topology_svg(&run("hgx-h100", 70_000), Language::En), None);
}
