//! How the links of a system are cabled: what a topology needs beyond bandwidths.

use std::fmt;

use chokepoint_units::{Bandwidth, Seconds};
use serde::Deserialize;

use crate::{Figure, FigureRow};

/// What a link runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Media {
    /// Traces of a circuit board.
    Board,
    /// Copper cables or a cabled backplane.
    Copper,
    /// Optical fibre with a module at both ends.
    Optics,
}

impl Media {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Board, Self::Copper, Self::Optics];

    /// Name as written in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Board => "board",
            Self::Copper => "copper",
            Self::Optics => "optics",
        }
    }
}

/// Links of a scale-up domain.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainWiring {
    /// Id of the kind of link.
    pub link: String,
    /// Links of one chip.
    pub per_chip: Figure<f64>,
    /// What they run over.
    pub media: Media,
    /// The second level of switches, where there is one.
    #[serde(default)]
    pub second: Option<SecondLevel>,
    /// The torus, where the chips form one.
    #[serde(default)]
    pub torus: Option<TorusWiring>,
}

/// Second level of switches in a domain, over first-level switches in each node.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondLevel {
    /// First-level switch chips in a node.
    pub first_per_node: Figure<f64>,
    /// Switch chips of the second level in the domain.
    pub switches: Figure<f64>,
    /// Ports of one of them.
    pub ports: Figure<f64>,
    /// Planes: a first-level switch reaches only the second-level switches of its own.
    pub planes: Figure<f64>,
    /// What the links between the levels run over.
    pub media: Media,
    /// Links that one module ends, where they are optical.
    #[serde(default)]
    pub links_per_module: Option<Figure<f64>>,
}

/// A torus of direct links.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TorusWiring {
    /// Chips along each dimension.
    pub dims: Vec<u32>,
    /// Chips along each dimension of a block cabled as one, whose faces end in optical circuit
    /// switches; absent where no circuit switches are used.
    #[serde(default)]
    pub block: Option<Vec<u32>>,
    /// Ports of an optical circuit switch.
    #[serde(default)]
    pub circuit_ports: Option<u32>,
}

/// Shapes of a scale-out network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// All ports of a node end in the same leaf.
    #[default]
    FatTree,
    /// The ports of the chips with the same place in their nodes end in the same leaf; rails meet
    /// in the spines.
    RailOptimised,
    /// Several fat trees that do not meet: a chip has ports in one of them, or in each.
    MultiPlane,
    /// Groups of routers that are all joined, with links between all groups.
    Dragonfly,
}

impl Shape {
    /// Name as written in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FatTree => "fat-tree",
            Self::RailOptimised => "rail-optimised",
            Self::MultiPlane => "multi-plane",
            Self::Dragonfly => "dragonfly",
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Cabling of a scale-out network.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleOutWiring {
    /// Its shape.
    pub shape: Figure<Shape>,
    /// What the cables from chips to their leaves or routers run over; fibre when absent.
    #[serde(default)]
    pub chip_media: Option<Media>,
    /// Planes of a multi-plane network.
    #[serde(default)]
    pub planes: Option<Figure<f64>>,
    /// Bandwidth into a leaf from below over that out of it; 1 when absent.
    #[serde(default)]
    pub leaf_oversubscription: Option<Figure<f64>>,
    /// The same of the second level, in a tree of three.
    #[serde(default)]
    pub spine_oversubscription: Option<Figure<f64>>,
    /// Numbers of a dragonfly.
    #[serde(default)]
    pub dragonfly: Option<DragonflyWiring>,
    /// Several sites.
    #[serde(default)]
    pub wide_area: Option<WideArea>,
}

/// Numbers of a dragonfly (Kim, Dally, Scott and Abts 2008).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DragonflyWiring {
    /// Ports of a router for chips.
    pub chip_ports: Figure<f64>,
    /// Routers in a group.
    pub routers: Figure<f64>,
    /// Ports of a router for links to other groups.
    pub global_ports: Figure<f64>,
}

/// Sites, each with its share of the chips, and a line from each to the others.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WideArea {
    /// Sites.
    pub sites: Figure<f64>,
    /// Bandwidth of one site's line, per direction.
    pub bandwidth: Figure<Bandwidth>,
    /// Time from one site to another.
    pub latency: Figure<Seconds>,
}

impl DomainWiring {
    /// Its figures, for printing with sources.
    pub(crate) fn figures(&self) -> Vec<FigureRow> {
        let mut rows = vec![self.per_chip.row("domain.wiring.per_chip")];
        if let Some(second) = &self.second {
            let name = |field| format!("domain.wiring.second.{field}");
            rows.push(second.first_per_node.row(name("first_per_node")));
            rows.push(second.switches.row(name("switches")));
            rows.push(second.ports.row(name("ports")));
            rows.push(second.planes.row(name("planes")));
            let module = second.links_per_module.iter();
            rows.extend(module.map(|figure| figure.row(name("links_per_module"))));
        }
        rows
    }
}

impl ScaleOutWiring {
    /// Its figures, for printing with sources.
    pub(crate) fn figures(&self) -> Vec<FigureRow> {
        let name = |field| format!("scale_out.wiring.{field}");
        let mut rows = vec![self.shape.row(name("shape"))];
        let ratios = [
            ("planes", &self.planes),
            ("leaf_oversubscription", &self.leaf_oversubscription),
            ("spine_oversubscription", &self.spine_oversubscription),
        ];
        let stated = ratios
            .into_iter()
            .filter_map(|(field, figure)| Some(figure.as_ref()?.row(name(field))));
        rows.extend(stated);
        if let Some(dragonfly) = &self.dragonfly {
            rows.push(dragonfly.chip_ports.row(name("dragonfly.chip_ports")));
            rows.push(dragonfly.routers.row(name("dragonfly.routers")));
            rows.push(dragonfly.global_ports.row(name("dragonfly.global_ports")));
        }
        if let Some(line) = &self.wide_area {
            rows.push(line.sites.row(name("wide_area.sites")));
            rows.push(line.bandwidth.row(name("wide_area.bandwidth")));
            rows.push(line.latency.row(name("wide_area.latency")));
        }
        rows
    }
}
