//! Two sizes of a made-up collective, one of which cannot be run.

use chokepoint_engine::fabric::algorithm::{Algorithm, Collective};
use chokepoint_engine::units::{Bandwidth, Bytes, Seconds};
use chokepoint_engine::{
    Busiest, CollectiveFound, CollectiveRequest, CollectiveRow, CollectiveRun, Fidelity, Imported,
    NcclRow, ShareFound, ShareRow, ShareRun, Statement, parse_failed, parse_traffic,
};
use serde_json::Value;

use super::{
    collective_csv, collective_json, collective_table, imported_table, share_csv, share_json,
    share_table,
};
use crate::Language;

fn made_up() -> CollectiveRun {
    let found = CollectiveFound {
        time: Seconds::new(25e-6),
        algorithm: Some((Algorithm::DoubleTree, 4)),
        algorithm_bandwidth: Bandwidth::new(41.94e9),
        bus_bandwidth: Bandwidth::new(73.4e9),
        busiest: Some(Busiest {
            wire: "card",
            share: 0.925,
        }),
        skipped: Vec::new(),
    };
    let size = Bytes::new(1_048_576.0);
    let most = [("packets", "70"), ("most", "50")];
    let most = most.map(|(key, text)| (key, text.to_owned()));
    CollectiveRun {
        system: "made-up".to_owned(),
        system_name: "Made-up system".to_owned(),
        network: "Made-up network".to_owned(),
        request: CollectiveRequest {
            system: "made-up".to_owned(),
            collective: Collective::AllReduce,
            ranks: 16,
            sizes: vec![size, size * 1024.0],
            fidelity: Fidelity::Packets,
            algorithm: None,
            slices: None,
            damage: Vec::new(),
            seed: 0,
        },
        shape: (8, 2),
        rows: vec![
            CollectiveRow {
                size,
                found: Ok(found),
                whole: None,
            },
            CollectiveRow {
                size: size * 1024.0,
                found: Err(Statement::new("too-many-packets", most)),
                whole: None,
            },
        ],
        notes: vec![Statement::new("wires-achieved", [])],
    }
}

#[test]
fn a_collective_reads_as_recorded() {
    let run = made_up();
    for (name, language) in [("run_en", Language::En), ("run_zh", Language::Zh)] {
        insta::assert_snapshot!(name, collective_table(&run, language));
    }
    insta::assert_snapshot!("run_json", collective_json(&run).unwrap());
    insta::assert_snapshot!("run_csv", collective_csv(&run).unwrap());
}

/// Two kinds of traffic, one of which cannot be run.
fn shared() -> ShareRun {
    let row = |text: &str, groups, found| ShareRow {
        traffic: parse_traffic(text).unwrap(),
        groups,
        found,
    };
    let found = ShareFound {
        algorithm: (Algorithm::Ring, 1),
        alone: Seconds::new(200e-6),
        together: Seconds::new(300e-6),
        whole: None,
    };
    ShareRun {
        system: "made-up".to_owned(),
        system_name: "Made-up system".to_owned(),
        network: "Made-up network".to_owned(),
        chips: 64,
        rows: vec![
            row("all-reduce:1 MiB:8x8", 8, Ok(found)),
            row(
                "all-to-all:1 MiB:64x1",
                1,
                Err(Statement::new("ranks-uneven", [])),
            ),
        ],
        together: None,
        whole: None,
        notes: Vec::new(),
    }
}

#[test]
fn shared_traffic_reads_as_recorded() {
    let mut run = shared();
    insta::assert_snapshot!("share_zh", share_table(&run, Language::Zh));
    run.rows.truncate(1);
    let busiest = Busiest {
        wire: "scale-out",
        share: 0.5,
    };
    run.together = Some((Seconds::new(300e-6), Some(busiest)));
    insta::assert_snapshot!("share_en", share_table(&run, Language::En));
    insta::assert_snapshot!("share_json", share_json(&run).unwrap());
    insta::assert_snapshot!("share_csv", share_csv(&shared()).unwrap());
}

/// The same collective and traffic on a network with a failed spine: what it took on the whole one
/// stands beside it.
#[test]
fn damage_reads_as_recorded() {
    let mut run = made_up();
    run.request.damage = vec![parse_failed("spine").unwrap()];
    run.rows[0].whole = Some(Seconds::new(20e-6));
    let hit = [
        ("hit", "1"),
        ("there", "32"),
        ("part", "spine"),
        ("rate", "0"),
    ];
    let hit = hit.map(|(key, text)| (key, text.to_owned()));
    run.notes = vec![Statement::new("parts-failed", hit)];
    let mut both = shared();
    both.rows.truncate(1);
    if let Ok(found) = &mut both.rows[0].found {
        found.whole = Some(Seconds::new(250e-6));
    }
    both.whole = Some(Seconds::new(250e-6));
    both.notes.clone_from(&run.notes);
    for (name, language) in [("damage_en", Language::En), ("damage_zh", Language::Zh)] {
        let text = collective_table(&run, language) + &share_table(&both, language);
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn json_has_its_keys_where_nothing_is_found() {
    let text = collective_json(&made_up()).unwrap();
    let found: Value = serde_json::from_str(&text).unwrap();
    let row = &found["rows"][1];
    assert!(row["seconds"].is_null() && row["algorithm"].is_null());
    assert_eq!(row["reason"]["key"], "too-many-packets");
}

#[test]
fn an_import_stands_beside_its_predictions() {
    let run = made_up();
    let imported = Imported {
        files: [
            (String::new(), String::new()),
            (String::new(), String::new()),
        ],
        collective: Collective::AllReduce,
        ranks: 16,
        device: Some(("Other device".to_owned(), "Made-up chip".to_owned())),
        rows: vec![NcclRow {
            size: Bytes::new(1_048_576.0),
            time: Seconds::new(26e-6),
        }],
    };
    for (name, language) in [("import_en", Language::En), ("import_zh", Language::Zh)] {
        insta::assert_snapshot!(name, imported_table(&imported, (&run, &run), language));
    }
}
