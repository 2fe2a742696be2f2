//! Measurements of a chip by class and format: the fastest of engines, and each engine's own.

use std::collections::BTreeMap;

use chokepoint_catalog::EngineKernel;
use chokepoint_diag::Diagnostic;
use chokepoint_units::NumberFormat;

use crate::measured::{Measurement, Work};
use crate::shape::Shape;
use crate::tables::{Measured, TableFile, TableKind, rows};

/// Shortest time of each shape.
pub(crate) type Times = BTreeMap<Shape, f64>;

/// The measurements of one engine.
#[derive(Debug, Clone, Default)]
pub(crate) struct EngineTimes {
    /// Releases that were measured, of all tables.
    pub versions: Vec<String>,
    /// Times by class and format.
    pub times: BTreeMap<(EngineKernel, NumberFormat), Times>,
}

/// All measurements of a chip.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool {
    /// The fastest engine of each shape.
    pub fastest: BTreeMap<(EngineKernel, NumberFormat), Times>,
    /// Each engine.
    pub engines: BTreeMap<String, EngineTimes>,
}

/// Fewest shapes of a class and format in a user's own measurement: two for each coefficient in each
/// half.
const FEWEST: usize = 24;

impl Pool {
    /// The shapes that a user measured, with the fastest library of each, where they are enough.
    pub(crate) fn of(measurement: &Measurement) -> Self {
        let mut pool = Self::default();
        for kernel in &measurement.rows {
            if let Work::Shape(shape) = kernel.work {
                let row = Measured {
                    shape,
                    format: kernel.format,
                    blocks: false,
                    seconds: kernel.seconds,
                };
                shorten(&mut pool.fastest, (shape.class(), row.format), &row);
            }
        }
        pool.fastest.retain(|_, times| times.len() >= FEWEST);
        pool
    }

    /// Reads files; of several releases of an engine the one with most rows in a kind of table
    /// counts, the later of equals. Tables named "kind/engine" in `left_out` are not used.
    ///
    /// # Errors
    /// When a file cannot be read or lacks a column.
    pub(crate) fn read(files: &[TableFile], left_out: &[String]) -> Result<Self, Diagnostic> {
        let mut largest: BTreeMap<(TableKind, &str), (&str, Vec<Measured>)> = BTreeMap::new();
        for file in files {
            if left_out.contains(&format!("{}/{}", file.kind.name(), file.engine)) {
                continue;
            }
            let measured = rows(file)?;
            let key = (file.kind, file.engine.as_str());
            let size = |rows: &Vec<Measured>, version: &str| (rows.len(), version.to_owned());
            let larger = largest.get(&key).is_none_or(|(version, known)| {
                size(&measured, &file.version) > size(known, version)
            });
            if larger {
                largest.insert(key, (&file.version, measured));
            }
        }
        let mut pool = Self::default();
        for ((_, engine), (version, measured)) in largest {
            if !measured.is_empty() {
                pool.add(engine, version, &measured);
            }
        }
        Ok(pool)
    }

    fn add(&mut self, engine: &str, version: &str, measured: &[Measured]) {
        let own = self.engines.entry(engine.to_owned()).or_default();
        if !own.versions.iter().any(|known| known == version) {
            own.versions.push(version.to_owned());
        }
        for row in measured {
            let class = row.shape.class();
            shorten(&mut self.fastest, (class, row.format), row);
            shorten(&mut own.times, (class, row.format), row);
            let blocks = match class {
                EngineKernel::Gemm => Some(EngineKernel::GemmBlock),
                EngineKernel::GroupedGemm => Some(EngineKernel::GroupedGemmBlock),
                _ => None,
            };
            if let Some(blocks) = blocks.filter(|_| row.blocks) {
                shorten(&mut own.times, (blocks, row.format), row);
            }
        }
    }
}

/// Keeps the shorter time of a shape.
fn shorten(
    into: &mut BTreeMap<(EngineKernel, NumberFormat), Times>,
    key: (EngineKernel, NumberFormat),
    row: &Measured,
) {
    let times = into.entry(key).or_default();
    let shortest = times.entry(row.shape).or_insert(row.seconds);
    *shortest = shortest.min(row.seconds);
}
