//! Which measurements a curve is fitted on and which it is judged by.

use std::collections::BTreeMap;

use chokepoint_catalog::EngineKernel;
use chokepoint_chip::ChipSpec;
use chokepoint_model::Operator;
use chokepoint_units::{Bytes, NumberFormat};

use crate::shape::{Shape, cache_bytes, time};

/// Most shapes that a fit counts.
const FITTED: usize = 4000;

/// Most shapes that errors are of.
const JUDGED: usize = 8000;

/// Least cache of decoding that is fitted; smaller ones are a launch.
const LEAST_CACHE: f64 = 1e6;

/// A measured shape as the chip sees it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// What was measured.
    pub shape: Shape,
    /// The work.
    pub operators: Vec<Operator>,
    /// Its format.
    pub format: NumberFormat,
    /// The fastest measured time.
    pub seconds: f64,
    /// Weight in the fit.
    pub weight: f64,
}

impl Case {
    /// From a shape and its time.
    pub(crate) fn new(shape: Shape, format: NumberFormat, seconds: f64) -> Self {
        Self {
            shape,
            operators: shape.operators(),
            format,
            seconds,
            weight: weight(&shape),
        }
    }

    /// Time on a chip with its curves over the measured time.
    pub(crate) fn ratio(&self, chip: &ChipSpec) -> f64 {
        time(chip, &self.operators, self.format).get() / self.seconds
    }
}

/// The shapes of a class in a format, halved by hash.
#[derive(Debug, Clone, Default)]
pub(crate) struct Halves {
    /// What curves are fitted on.
    pub fitted: Vec<Case>,
    /// What they have not seen.
    pub held_out: Vec<Case>,
}

/// Halves the shapes of one class and format by a hash of their sizes, and takes those of each half
/// whose hashes are least.
pub(crate) fn halves(
    times: &BTreeMap<Shape, f64>,
    format: NumberFormat,
    chip: &ChipSpec,
) -> Halves {
    let mut hashed: Vec<(u64, Case)> = times
        .iter()
        .filter(|(shape, seconds)| usable(shape, format, **seconds, chip))
        .map(|(shape, seconds)| (hash(shape), Case::new(*shape, format, *seconds)))
        .collect();
    hashed.sort_by_key(|(hash, _)| *hash);
    let half = |odd: bool, most: usize| -> Vec<Case> {
        let own = hashed.iter().filter(|(hash, _)| (hash & 1 == 1) == odd);
        own.take(most).map(|(_, case)| case.clone()).collect()
    };
    let mut halves = Halves {
        fitted: half(false, FITTED),
        held_out: half(true, JUDGED),
    };
    even_decades(&mut halves.fitted);
    even_decades(&mut halves.held_out);
    halves
}

/// Whether a measured time can be: a cache is not read faster than the memory delivers.
pub(crate) fn usable(shape: &Shape, format: NumberFormat, seconds: f64, chip: &ChipSpec) -> bool {
    let decoding = matches!(
        shape.class(),
        EngineKernel::Decode | EngineKernel::LatentDecode
    );
    if !decoding {
        return true;
    }
    let bytes = cache_bytes(shape, format);
    bytes >= LEAST_CACHE && (Bytes::new(bytes) / chip.bandwidth).get() <= seconds
}

/// What counts more: products and prompts of the size that training and prefill have.
fn weight(shape: &Shape) -> f64 {
    match *shape {
        Shape::Product {
            rows,
            columns,
            depth,
        } if rows >= 1024 && columns >= 512 && depth >= 512 => 2.0,
        Shape::Experts { .. } | Shape::Grouped { .. } if shape.rows() >= 64.0 => 2.0,
        Shape::Prefill {
            batch,
            query,
            heads,
            key,
            ..
        } => {
            let long = query >= 2048 && f64::from(batch) * f64::from(heads) >= 8.0;
            (if long { 4.0 } else { 1.0 }) * (if key >= 128 { 2.0 } else { 1.0 })
        }
        _ => 1.0,
    }
}

/// Gives each decade of cache in decoding the same weight: most shapes of the tables are small.
fn even_decades(cases: &mut [Case]) {
    let decade = |case: &Case| {
        let bytes = cache_bytes(&case.shape, case.format);
        [1e7, 1e8, 1e9]
            .iter()
            .filter(|least| bytes >= **least)
            .count()
    };
    let mut counts = [0.0; 4];
    for case in cases.iter() {
        counts[decade(case)] += 1.0;
    }
    for case in cases {
        if cache_bytes(&case.shape, case.format) > 0.0 {
            case.weight = 1.0 / counts[decade(case)];
        }
    }
}

/// A hash of a shape's sizes (the finaliser of `SplitMix64` over each of them).
fn hash(shape: &Shape) -> u64 {
    let sizes: [u32; 6] = match *shape {
        Shape::Product {
            rows,
            columns,
            depth,
        } => [1, rows, columns, depth, 0, 0],
        Shape::Experts {
            tokens,
            hidden,
            inner,
            choices,
            experts,
        } => [tokens, hidden, inner, choices, experts, 2],
        Shape::Grouped {
            rows,
            columns,
            depth,
            groups,
        } => [rows, columns, depth, groups, 0, 6],
        Shape::Prefill {
            batch,
            query,
            heads,
            kv_heads,
            key,
            value,
        } => [batch, query, heads, kv_heads, key, value],
        Shape::Decode {
            batch,
            keys,
            heads,
            kv_heads,
        } => [4, batch, keys, heads, kv_heads, 0],
        Shape::Latent { batch, keys, heads } => [5, batch, keys, heads, 0, 0],
    };
    sizes.iter().fold(0, |state, size| {
        let mut mixed = (state ^ u64::from(*size)).wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    })
}
