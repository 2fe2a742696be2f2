//! Which place in the scale-out network a chip has.

use chokepoint_catalog::Shape;

use super::scale_out::ScaleOut;

/// Chips to places: for trees, which of them and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placement {
    chips: u32,
    node: u32,
    /// Sets of planes that join other chips.
    pub(super) groups: u32,
    /// Chips of a site, and places of a site in the tree.
    site: u32,
    stride: u32,
    /// Nodes whose chips of one rail fill a leaf; none where rails are not told apart.
    nodes_of_leaf: Option<u32>,
}

impl Placement {
    /// Of the chips of a network, with nodes of a size; `stride` is how many places a site has.
    pub(super) fn new(shape: &ScaleOut, node: u32, stride: u32) -> Option<Self> {
        let rails = shape.shape == Shape::RailOptimised && shape.tiers() > 1;
        let leaf = shape.trees().first().filter(|_| rails);
        let nodes_of_leaf = leaf.map(|tree| u32::try_from(tree.chips_of_leaf()));
        Some(Self {
            chips: u32::try_from(shape.chips).ok()?,
            node,
            groups: u32::try_from(shape.groups).ok()?,
            site: u32::try_from(shape.site).ok()?.max(1),
            stride,
            nodes_of_leaf: nodes_of_leaf.transpose().ok()?,
        })
    }

    /// The set of planes that a chip has its ports in.
    pub(super) const fn tree(&self, chip: u32) -> u32 {
        chip % self.groups
    }

    /// The chip of the same node that has its ports in a set of planes.
    pub(super) const fn mate(&self, chip: u32, tree: u32) -> Option<u32> {
        let mate = chip - chip % self.node + tree;
        if mate < self.chips { Some(mate) } else { None }
    }

    /// The chip at a place, where sites and rails are not told apart.
    pub(super) const fn chip(&self, tree: u32, place: u32) -> u32 {
        place * self.groups + tree
    }

    /// The place of a chip in its tree.
    pub(super) fn place(&self, chip: u32) -> u32 {
        let (site, local) = (chip / self.site, chip % self.site);
        let here = self.site.min(self.chips - site * self.site);
        let place = match self.nodes_of_leaf {
            Some(nodes) => self.on_rail(local, here, nodes),
            None => local / self.groups,
        };
        site * self.stride + place
    }

    /// Nodes in groups of as many as fill a leaf; in a group rail by rail. A group that is not
    /// full keeps its places together, so that several of its rails may share a leaf.
    fn on_rail(&self, chip: u32, chips: u32, nodes: u32) -> u32 {
        let (node, rail) = (chip / self.node, chip % self.node);
        let first = node - node % nodes;
        let all = chips.div_ceil(self.node);
        let in_group = nodes.min(all - first);
        let part = chips % self.node;
        let short = if part > 0 && first + in_group == all {
            rail.saturating_sub(part)
        } else {
            0
        };
        first * self.node + rail * in_group - short + node % nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rails(chips: u32, node: u32, nodes: u32) -> Placement {
        Placement {
            chips,
            node,
            groups: 1,
            site: chips,
            stride: 0,
            nodes_of_leaf: Some(nodes),
        }
    }

    /// 4 nodes of 2 chips, leaves of 2: nodes 0 and 1 on leaf 0 with their first chips, on leaf 1
    /// with their second.
    #[test]
    fn chips_with_the_same_place_share_a_leaf() {
        let placement = rails(8, 2, 2);
        let places: Vec<u32> = (0..8).map(|chip| placement.place(chip)).collect();
        assert_eq!(places, [0, 2, 1, 3, 4, 6, 5, 7]);
    }

    /// Whatever is not full, places are those of a permutation.
    #[test]
    fn places_are_all_different() {
        for (chips, node, nodes) in [(8, 8, 32), (100, 8, 4), (77, 8, 3), (13, 4, 32), (95, 1, 8)] {
            let placement = rails(chips, node, nodes);
            let mut places: Vec<u32> = (0..chips).map(|chip| placement.place(chip)).collect();
            places.sort_unstable();
            assert_eq!(
                places,
                (0..chips).collect::<Vec<_>>(),
                "{chips} {node} {nodes}"
            );
        }
    }
}
