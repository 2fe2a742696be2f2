//! What a prediction must beat: latency plus size over bandwidth, fitted on the rows themselves.

use std::collections::BTreeMap;

use super::NetworkRow;

/// Rows without which a line says nothing.
const FEWEST: usize = 3;

type Series = (String, Option<u64>, String, String, String);

/// Fills the baseline of each row: a line fitted by least squares of the relative error on its
/// series, that is its system, rank count, collective, algorithm and library.
pub(super) fn fill(rows: &mut [NetworkRow]) {
    let mut series: BTreeMap<Series, Vec<(f64, f64)>> = BTreeMap::new();
    for row in rows.iter() {
        if let (Some(found), Some(size)) = (&row.prediction, row.size_bytes) {
            let points = series.entry(key(row)).or_default();
            points.push((size, found.measured));
        }
    }
    let lines: BTreeMap<Series, (f64, f64)> = series
        .into_iter()
        .filter_map(|(key, points)| Some((key, line(&points)?)))
        .collect();
    for row in rows {
        let of_series = lines.get(&key(row)).copied();
        if let (Some(found), Some(size)) = (&mut row.prediction, row.size_bytes) {
            found.baseline = of_series.map(|(latency, slope)| latency + slope * size);
        }
    }
}

fn key(row: &NetworkRow) -> Series {
    (
        row.system.clone(),
        row.ranks,
        row.collective.clone(),
        row.algorithm.clone(),
        row.library.clone(),
    )
}

/// Latency and seconds of a byte, weights 1 / measured squared, neither below zero.
fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    if points.len() < FEWEST {
        return None;
    }
    let sum = |of: fn(f64, f64) -> f64| points.iter().map(|(x, y)| of(*x, *y)).sum::<f64>();
    let weight = sum(|_, y| 1.0 / (y * y));
    let x = sum(|x, y| x / (y * y));
    let y = sum(|_, y| 1.0 / y);
    let squares = sum(|x, y| x * x / (y * y));
    let products = sum(|x, y| x / y);
    let spread = weight * squares - x * x;
    if spread <= 0.0 {
        return None;
    }
    let slope = (weight * products - x * y) / spread;
    let latency = (y - slope * x) / weight;
    Some(if slope < 0.0 {
        (y / weight, 0.0)
    } else if latency < 0.0 {
        (0.0, products / squares)
    } else {
        (latency, slope)
    })
}

#[cfg(test)]
mod tests {
    use super::line;

    /// 5 us and 2 GB/s come back from their own points.
    #[test]
    fn a_line_is_found_again() {
        let points: Vec<(f64, f64)> = [1e3, 1e6, 1e9]
            .iter()
            .map(|size| (*size, 5e-6 + size / 2e9))
            .collect();
        let (latency, slope) = line(&points).unwrap();
        assert!((latency / 5e-6 - 1.0).abs() < 1e-6 && (slope * 2e9 - 1.0).abs() < 1e-6);
        assert!(line(&points[..2]).is_none());
        assert!(line(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]).is_none());
    }
}
