//! `network topology` as users meet it.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(system: &str, chips: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chokepoint"))
        .current_dir(root())
        .args(["network", "topology", system, "--chips", chips])
        .args(more)
        .output()
        .unwrap()
}

fn text(system: &str, chips: &str, more: &[&str]) -> String {
    let output = run(system, chips, more);
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{system}: {problem}");
    assert!(problem.is_empty(), "{system}: {problem}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(system: &str, chips: &str, more: &[&str]) -> Value {
    let more = [more, &["--format", "json"]].concat();
    serde_json::from_str(&text(system, chips, &more)).unwrap()
}

#[test]
fn the_json_keeps_its_contract() {
    let found = json("cloudmatrix384", "384", &[]);
    assert_eq!(found["schema"], 1);
    assert_eq!(found["levels"][0]["switches"], 336);
    assert_eq!(found["levels"][1]["switches"], 112);
    assert_eq!(found["totals"]["optical_modules"], 5376);
    assert!(found["scale_out"].is_null());
    for key in [
        "ports_of_a_switch",
        "cable_bytes_per_second",
        "copper_pairs",
        "oversubscription",
    ] {
        assert!(found["levels"][0].get(key).is_some(), "{key}");
    }
    let found = json("hgx-h100", "2048", &["--prices", "volume-2025"]);
    assert_eq!(found["scale_out"]["prices"], "volume-2025");
    assert_eq!(found["bisection"]["whole_bytes_per_second"], 51.2e12);
}

#[test]
fn a_network_is_drawn_in_both_languages() {
    let folder = tempfile::tempdir().unwrap();
    let drawing = folder.path().join("network.svg");
    for (language, words) in [
        ("en", ["spine", "domain switch"]),
        ("zh", ["脊交换机", "芯片"]),
    ] {
        let path = drawing.to_str().unwrap();
        let table = text("gb200-nvl72", "576", &["--svg", path, "--lang", language]);
        let svg = std::fs::read_to_string(&drawing).unwrap();
        for word in words {
            assert!(
                table.contains(word) && svg.contains(word),
                "{language}: {word}"
            );
        }
        assert!(svg.contains("prefers-color-scheme:dark"));
        assert!(!svg.contains("href") && !svg.contains("<script"));
    }
}

/// More chips than three tiers of switches join are a result with a reason; nothing is drawn.
#[test]
fn beyond_its_reach_a_topology_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let drawing = folder.path().join("network.svg");
    let output = run("hgx-h100", "70000", &["--svg", drawing.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.is_empty() && !drawing.exists());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("reaches at most 65536 chips"), "{said}");
}

/// The described what-ifs of `examples/topologies`.
#[test]
fn examples_run() {
    let data = ["--data", "examples/topologies"];
    let torus = json("tpu-cubes-4096", "4096", &data);
    assert_eq!(torus["levels"][1]["level"], "circuit");
    assert_eq!(torus["levels"][1]["switches"], 48);
    let dragonfly = json("h200-dragonfly", "8192", &data);
    let named = |level: &Value, name: &str| level["level"] == name;
    let levels = dragonfly["levels"].as_array().unwrap();
    assert!(levels.iter().any(|level| named(level, "global")));
    assert!(dragonfly["scale_out"]["price_usd"].is_null());
    let sites = json("b200-two-sites", "4096", &data);
    assert_eq!(sites["scale_out"]["sites"], 2);
    assert_eq!(sites["bisection"]["whole_bytes_per_second"], 1.6e12);
    assert_eq!(sites["levels"][1]["oversubscription"], 3.0);
    assert_eq!(sites["levels"][1]["media"], "copper");
    let modules = &sites["totals"]["optical_modules"];
    assert_eq!(modules, &sites["levels"][2]["optical_modules"]);
    assert_eq!(modules, &sites["scale_out"]["optical_modules"]);
}

#[test]
fn links_are_in_the_catalogue() {
    let show = |id: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_chokepoint"))
            .args(["catalog", "show", id, "--sources"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(show("nvlink5").contains("switch.ports"));
    let system = show("cloudmatrix384");
    assert!(system.contains("link ub") && system.contains("domain.wiring.second.switches"));
}
