//! Measured kernels beside what the curves of a chip say of them: the formulas that predictions use,
//! at full clocks, and the power of their operations and bytes.
//!
//! Of several libraries on the same shape the fastest counts, as in the tables behind the curves.
//!
//! Limits: starting a kernel by the host is the engine's, not the chip's, and is only listed; power of
//! copies to and from the host is not predicted.

use std::collections::BTreeMap;

use chokepoint_catalog::{Calibration, Chip};
use chokepoint_chip::{ChipSpec, PowerDraw, Precision};
use chokepoint_diag::Diagnostic;
use chokepoint_model::{ElementwiseKind, Operator};
use chokepoint_units::{Bytes, NumberFormat, Power, Seconds};

use crate::errors::{Errors, median};
use crate::measured::{MeasuredKernel, Measurement, Work};
use crate::shape::Shape;

/// A measured kernel with its prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelRow {
    /// Line of the file.
    pub line: u64,
    /// Kind of kernel.
    pub kernel: &'static str,
    /// Number format.
    pub format: NumberFormat,
    /// Sizes.
    pub sizes: String,
    /// Library whose kernel ran.
    pub library: String,
    /// Median time.
    pub measured: Seconds,
    /// Predicted time; absent for what is not the chip's.
    pub predicted: Option<Seconds>,
    /// Measured power.
    pub measured_power: Option<Power>,
    /// Predicted power.
    pub predicted_power: Option<Power>,
}

/// Errors of one kind of kernel in one format.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelClass {
    /// Kind of kernel.
    pub kernel: &'static str,
    /// Number format.
    pub format: NumberFormat,
    /// Of times.
    pub time: Errors,
    /// Median of predicted over measured time, less one: positive is too slow.
    pub bias: f64,
    /// Of powers, where they were measured.
    pub power: Option<Errors>,
}

/// A file beside a chip.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelComparison {
    /// Id of the chip.
    pub chip: String,
    /// Id of the curves.
    pub curves: String,
    /// What the file says of the machine.
    pub header: Vec<(String, String)>,
    /// The fastest library of each shape, in the order of the file.
    pub rows: Vec<KernelRow>,
    /// Errors by kind and format.
    pub classes: Vec<KernelClass>,
}

/// Compares a file with the curves of a chip.
///
/// # Errors
/// When the chip lacks a figure that every calculation needs.
pub fn compare(
    chip: &Chip,
    curves: &Calibration,
    measurement: &Measurement,
) -> Result<KernelComparison, Diagnostic> {
    let spec = ChipSpec::new(chip, curves)?;
    let rows: Vec<KernelRow> = fastest(&measurement.rows)
        .into_iter()
        .map(|kernel| row(&spec, kernel))
        .collect();
    Ok(KernelComparison {
        chip: chip.id.clone(),
        curves: curves.id.clone(),
        header: measurement.header.clone(),
        classes: classes(&rows),
        rows,
    })
}

/// The fastest row of each work in each format.
fn fastest(rows: &[MeasuredKernel]) -> Vec<&MeasuredKernel> {
    let mut kept: Vec<&MeasuredKernel> = Vec::new();
    let mut places: BTreeMap<(&str, NumberFormat, String), usize> = BTreeMap::new();
    for row in rows {
        let key = (row.work.name(), row.format, sizes(&row.work));
        let place = *places.entry(key).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(known) if row.seconds < known.seconds => *known = row,
            Some(_) => {}
            None => kept.push(row),
        }
    }
    kept
}

fn row(chip: &ChipSpec, kernel: &MeasuredKernel) -> KernelRow {
    let (predicted, power) = predicted(chip, kernel);
    KernelRow {
        line: kernel.line,
        kernel: kernel.work.name(),
        format: kernel.format,
        sizes: sizes(&kernel.work),
        library: kernel.library.clone(),
        measured: Seconds::new(kernel.seconds),
        predicted,
        measured_power: kernel.watts.map(Power::new),
        predicted_power: power,
    }
}

/// Time and power on a chip, where they are the chip's.
fn predicted(chip: &ChipSpec, kernel: &MeasuredKernel) -> (Option<Seconds>, Option<Power>) {
    let operators = match kernel.work {
        Work::Shape(shape) => shape.operators(),
        Work::Copy { bytes } => vec![stream(bytes / NumberFormat::Bf16.stored_bytes())],
        Work::GraphLaunch => vec![stream(1.0)],
        Work::Launch => return (None, None),
        Work::Host { bytes, .. } => {
            return (chip.host.map(|host| Bytes::new(bytes) / host), None);
        }
    };
    let precision = Precision::uniform(kernel.format, kernel.format);
    let mut draw = PowerDraw::default();
    for operator in &operators {
        draw += chip.operator(operator, &precision).draw();
    }
    let time = draw.time();
    // A chip that mostly starts kernels draws what no curve is of.
    let power = (kernel.work != Work::GraphLaunch).then(|| chip.energy(draw) / time);
    (Some(time), power)
}

/// Reads and writes so many elements of 16 bits.
const fn stream(elements: f64) -> Operator {
    Operator::Elementwise {
        what: ElementwiseKind::Norm,
        read: elements,
        written: elements,
        cache: 0.0,
    }
}

/// Sizes as text.
fn sizes(work: &Work) -> String {
    match *work {
        Work::Shape(Shape::Product {
            rows,
            columns,
            depth,
        }) => format!("{rows}x{columns}x{depth}"),
        Work::Shape(Shape::Grouped {
            rows,
            columns,
            depth,
            groups,
        }) => format!("{rows}x{columns}x{depth} in {groups}"),
        Work::Shape(Shape::Prefill {
            batch,
            query,
            heads,
            kv_heads,
            key,
            ..
        }) => format!("{batch}x{query} heads {heads}/{kv_heads} of {key}"),
        Work::Shape(Shape::Decode {
            batch,
            keys,
            heads,
            kv_heads,
        }) => format!("{batch}x{keys} heads {heads}/{kv_heads}"),
        Work::Shape(Shape::Experts { .. } | Shape::Latent { .. })
        | Work::Launch
        | Work::GraphLaunch => String::new(),
        Work::Copy { bytes } | Work::Host { bytes, .. } => format!("{bytes:.0} B"),
    }
}

fn classes(rows: &[KernelRow]) -> Vec<KernelClass> {
    let mut ratios: BTreeMap<(&'static str, NumberFormat), [Vec<f64>; 2]> = BTreeMap::new();
    for row in rows {
        let Some(time) = row.predicted else { continue };
        let [times, powers] = ratios.entry((row.kernel, row.format)).or_default();
        times.push(time / row.measured);
        let power = row.predicted_power.zip(row.measured_power);
        powers.extend(power.map(|(predicted, measured)| predicted / measured));
    }
    let class = |((kernel, format), [mut times, powers]): (_, [Vec<f64>; 2])| {
        Some(KernelClass {
            kernel,
            format,
            time: Errors::of_ratios(&times)?,
            bias: median(&mut times)? - 1.0,
            power: Errors::of_ratios(&powers),
        })
    };
    ratios.into_iter().filter_map(class).collect()
}
