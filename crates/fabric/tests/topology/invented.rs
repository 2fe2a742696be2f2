//! Systems that the catalogue does not have, described as its files would.

use chokepoint_catalog::{Catalog, DomainLink, System as Described};

/// A system with the kind of its links where the catalogue has none.
pub struct System {
    /// The system.
    pub system: Described,
    /// The link.
    pub link: Option<DomainLink>,
}

const FIGURE: &str = "source = \"assumption\", grade = \"C\"";

fn read(domain: &str, wiring: &str, link: Option<DomainLink>) -> System {
    let text = format!(
        r#"
schema = 1
id = "invented"
name = "Invented"
vendor = "nobody"
status = "rumour"
chip = "h100-sxm"
[node]
chips = 1
[domain]
{domain}
[scale_out]
network = "roce-400g"
bandwidth = {{ value = "50 GB/s", {FIGURE} }}
[scale_out.wiring]
{wiring}
"#
    );
    let mut catalog = Catalog::default();
    catalog.add("systems/invented.toml", &text).unwrap();
    System {
        system: catalog.system("invented").unwrap().clone(),
        link,
    }
}

fn alone() -> String {
    format!("chips = 1\ntopology = \"switched\"\nbandwidth = {{ value = \"450 GB/s\", {FIGURE} }}")
}

/// Single chips at routers of a dragonfly.
pub fn dragonfly(chips: u32, routers: u32, global: u32) -> System {
    let wiring = format!(
        "shape = {{ value = \"dragonfly\", {FIGURE} }}\n[scale_out.wiring.dragonfly]\n\
         chip_ports = {{ value = {chips}.0, {FIGURE} }}\n\
         routers = {{ value = {routers}.0, {FIGURE} }}\n\
         global_ports = {{ value = {global}.0, {FIGURE} }}"
    );
    read(&alone(), &wiring, None)
}

/// Single chips in trees at several sites.
pub fn sites(count: f64, bandwidth: &str, latency: &str) -> System {
    let wiring = format!(
        "shape = {{ value = \"fat-tree\", {FIGURE} }}\n[scale_out.wiring.wide_area]\n\
         sites = {{ value = {count:.1}, {FIGURE} }}\n\
         bandwidth = {{ value = \"{bandwidth}\", {FIGURE} }}\n\
         latency = {{ value = \"{latency}\", {FIGURE} }}"
    );
    read(&alone(), &wiring, None)
}

/// A torus of TPU v5p links, with blocks and ports of circuit switches.
pub fn tpu(dims: &[u32], circuit: Option<(&[u32], u32)>) -> System {
    let chips: u32 = dims.iter().product();
    let block = circuit.map_or_else(String::new, |(block, ports)| {
        format!("block = {block:?}\ncircuit_ports = {ports}")
    });
    let domain = format!(
        "chips = {chips}\ntopology = \"torus\"\nbandwidth = {{ value = \"540 GB/s\", {FIGURE} }}\n\
         [domain.wiring]\nlink = \"ici-v5p\"\nper_chip = {{ value = 6.0, {FIGURE} }}\n\
         media = \"copper\"\n[domain.wiring.torus]\ndims = {dims:?}\n{block}"
    );
    read(
        &domain,
        &format!("shape = {{ value = \"fat-tree\", {FIGURE} }}"),
        None,
    )
}

/// Single chips with as many ports as there are planes, one in each.
pub fn planes(count: u32) -> System {
    let wiring = format!(
        "shape = {{ value = \"multi-plane\", {FIGURE} }}\nplanes = {{ value = {count}.0, {FIGURE} }}"
    );
    let mut found = read(&alone(), &wiring, None);
    let bandwidth = &mut found.system.scale_out.bandwidth.value;
    *bandwidth = *bandwidth * f64::from(count);
    found
}
