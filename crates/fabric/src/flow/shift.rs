//! Classes of a permutation by shift on a sprayed fat tree.
//!
//! Chip i sends to chip i + s, around the end. Chips of one lowest subtree whose destinations are
//! in one lowest subtree are alike, as each link of a chip carries one flow only. A chip with a
//! slow link stands alone.

use chokepoint_units::{Bytes, Seconds};

use super::classes::{Classes, FlowClass, LinkClass};
use super::run::{Overlay, capacity};
use crate::network::{Network, Routing, Tree};

/// Classes of the flows from each chip to the one so many further.
///
/// Absent for trees with single paths and numbers beyond 32 bits.
#[must_use]
pub fn shift(tree: &Tree, overlay: &Overlay, by: u32, size: Bytes) -> Option<Classes> {
    if tree.routing() != Routing::Spray {
        return None;
    }
    let chips = tree.chips();
    let (links, rates) = (tree.links(), capacity(tree.links(), overlay));
    let half = links.len() as u32 / 2;
    let cuts = cuts(tree, overlay, by);
    let runs = cuts.len() as u32 - 1;
    let mut classes = Classes::default();
    let mut add = |link: u32, copies: u32| {
        classes.links.push(LinkClass {
            link,
            copies: u64::from(copies),
            rate: rates[link as usize],
        });
    };
    for run in cuts.windows(2) {
        add(run[0], run[1] - run[0]);
        add(half + target(chips, by, run[0]), run[1] - run[0]);
    }
    for vertex in chips..half {
        add(vertex, 1);
        add(half + vertex, 1);
    }
    let mut path = Vec::new();
    for (at, run) in (0..runs).zip(cuts.windows(2)) {
        let (from, to) = (run[0], target(chips, by, run[0]));
        path.clear();
        tree.route(from, to, 0, &mut path);
        let latency: Seconds = path.iter().map(|it| links[*it as usize].latency).sum();
        for link in &mut path {
            let (vertex, down) = (*link % half, *link / half);
            let place = vertex.checked_sub(chips).map_or(at, |above| runs + above);
            *link = 2 * place + down;
        }
        let copies = u64::from(run[1] - run[0]);
        classes.push(
            &path,
            FlowClass {
                from,
                to,
                copies,
                size,
                latency,
            },
        )?;
    }
    Some(classes)
}

fn target(chips: u32, by: u32, from: u32) -> u32 {
    ((u64::from(from) + u64::from(by)) % u64::from(chips)) as u32
}

/// First chips of runs of like chips, rising, and the number of chips at the end.
fn cuts(tree: &Tree, overlay: &Overlay, by: u32) -> Vec<u32> {
    let chips = tree.chips();
    let half = tree.links().len() as u32 / 2;
    let back = chips - by % chips;
    let width = tree.levels()[0].children;
    let mut cuts = vec![0, chips];
    for subtree in 0..tree.subtrees(1) {
        let first = subtree * width;
        cuts.extend([first, target(chips, back, first)]);
    }
    for (link, _) in overlay.range(..chips) {
        cuts.extend([*link, *link + 1]);
    }
    for (link, _) in overlay.range(half..half + chips) {
        let from = target(chips, back, *link - half);
        cuts.extend([from, from + 1]);
    }
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}
