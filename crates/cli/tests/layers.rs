//! The one-way rule: a room uses only rooms of a lower layer (`ARCHITECTURE.md`).

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Layer of each room.
fn layers() -> BTreeMap<&'static str, u32> {
    BTreeMap::from([
        ("units", 0),
        ("diag", 0),
        ("catalog", 1),
        ("rules", 1),
        ("model", 1),
        ("chip", 2),
        ("fabric", 2),
        ("train", 3),
        ("serve", 3),
        ("replay", 3),
        ("cost", 3),
        ("kernels", 3),
        ("engine", 4),
        ("report", 5),
        ("cli", 6),
    ])
}

#[test]
fn rooms_use_only_lower_layers() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let layers = layers();
    let mut seen = 0;
    for package in &metadata.packages {
        let Some(room) = package.name.strip_prefix("chokepoint-") else {
            continue;
        };
        let layer = layers
            .get(room)
            .unwrap_or_else(|| panic!("room {room} has no layer in this test"));
        seen += 1;
        for dependency in &package.dependencies {
            let Some(used) = dependency.name.strip_prefix("chokepoint-") else {
                continue;
            };
            assert!(
                layers[used] < *layer,
                "{room} (layer {layer}) must not use {used} (layer {})",
                layers[used]
            );
        }
    }
    assert_eq!(seen, layers.len());
}

#[test]
fn rooms_below_the_front_use_nothing_that_talks_to_the_outside() {
    const OUTSIDE: [&str; 7] = [
        "rayon",
        "tempfile",
        "clap",
        "tokio",
        "anyhow",
        "rand",
        "annotate-snippets",
    ];
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let layers = layers();
    for package in &metadata.packages {
        let Some(room) = package.name.strip_prefix("chokepoint-") else {
            continue;
        };
        let below = layers.get(room).is_some_and(|layer| *layer <= 5);
        for dependency in package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal)
        {
            assert!(
                !(below && OUTSIDE.contains(&dependency.name.as_str())),
                "{room} uses {}",
                dependency.name
            );
        }
    }
}

#[test]
fn the_architecture_page_names_every_room() {
    let page = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../ARCHITECTURE.md"
    ))
    .unwrap();
    for room in layers().keys() {
        assert!(
            page.contains(&format!("`{room}`")),
            "ARCHITECTURE.md does not name `{room}`"
        );
    }
}
