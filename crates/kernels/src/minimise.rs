//! The least value of a function of a few parameters.

/// Most evaluations after which a search is started again around its best point.
const ROUNDS: [usize; 3] = [500, 400, 300];

/// Size of the first steps.
const STEP: f64 = 0.25;

/// A search ends when values and parameters of the simplex differ by less.
const VALUE_ENOUGH: f64 = 1e-6;
const PLACE_ENOUGH: f64 = 1e-4;

/// A point and its value.
type Vertex = (Vec<f64>, f64);

/// The best of Nelder-Mead searches from several starts, each started anew twice.
///
/// Reflection 1, expansion 2, contraction and shrinking 1/2 (Nelder, Mead 1965). Deterministic.
/// Limits: local; the starts must cover what matters.
pub(crate) fn minimise(starts: &[Vec<f64>], mut value: impl FnMut(&[f64]) -> f64) -> Vertex {
    let mut best: Vertex = (Vec::new(), f64::INFINITY);
    for start in starts {
        let mut place = start.clone();
        let mut found = f64::INFINITY;
        for limit in ROUNDS {
            (place, found) = search(&place, limit, &mut value);
        }
        if found < best.1 || best.0.is_empty() {
            best = (place, found);
        }
    }
    best
}

/// One search.
fn search(start: &[f64], limit: usize, value: &mut impl FnMut(&[f64]) -> f64) -> Vertex {
    let mut counted = |place: &[f64], count: &mut usize| {
        *count += 1;
        let found = value(place);
        if found.is_nan() { f64::INFINITY } else { found }
    };
    let mut count = 0;
    let mut simplex: Vec<Vertex> = Vec::with_capacity(start.len() + 1);
    simplex.push((start.to_vec(), counted(start, &mut count)));
    for axis in 0..start.len() {
        let mut place = start.to_vec();
        place[axis] += STEP;
        let found = counted(&place, &mut count);
        simplex.push((place, found));
    }
    while count < limit {
        simplex.sort_by(|a, b| a.1.total_cmp(&b.1));
        if small(&simplex) {
            break;
        }
        let last = simplex.len() - 1;
        let centre = centre(&simplex[..last]);
        let worst = simplex[last].clone();
        let along = |step: f64| -> Vec<f64> {
            let pairs = centre.iter().zip(&worst.0);
            pairs.map(|(c, w)| c + step * (c - w)).collect()
        };
        let mut attempt = |step: f64| {
            let place = along(step);
            let found = counted(&place, &mut count);
            (place, found)
        };
        let reflected = attempt(1.0);
        let next = if reflected.1 < simplex[0].1 {
            let expanded = attempt(2.0);
            Some(if expanded.1 < reflected.1 {
                expanded
            } else {
                reflected
            })
        } else if reflected.1 < simplex[last - 1].1 {
            Some(reflected)
        } else {
            let contracted = attempt(if reflected.1 < worst.1 { 0.5 } else { -0.5 });
            (contracted.1 < worst.1.min(reflected.1)).then_some(contracted)
        };
        if let Some(next) = next {
            simplex[last] = next;
        } else {
            let best = simplex[0].0.clone();
            for vertex in &mut simplex[1..] {
                for (own, best) in vertex.0.iter_mut().zip(&best) {
                    *own = f64::midpoint(*own, *best);
                }
                vertex.1 = counted(&vertex.0, &mut count);
            }
        }
    }
    simplex.sort_by(|a, b| a.1.total_cmp(&b.1));
    simplex.swap_remove(0)
}

/// Whether nothing is left to find.
fn small(simplex: &[Vertex]) -> bool {
    let (best, worst) = (&simplex[0], &simplex[simplex.len() - 1]);
    let near = |vertex: &Vertex| {
        let mut pairs = vertex.0.iter().zip(&best.0);
        pairs.all(|(own, best)| (own - best).abs() < PLACE_ENOUGH)
    };
    worst.1 - best.1 < VALUE_ENOUGH && simplex.iter().all(near)
}

/// Mean of some vertices.
fn centre(simplex: &[Vertex]) -> Vec<f64> {
    let mut centre = vec![0.0; simplex[0].0.len()];
    for (place, _) in simplex {
        for (sum, own) in centre.iter_mut().zip(place) {
            *sum += own / simplex.len() as f64;
        }
    }
    centre
}

#[cfg(test)]
mod tests {
    use super::minimise;

    #[test]
    fn finds_the_bottom_of_a_bent_valley() {
        // Rosenbrock's function: its least value is 0, at (1, 1).
        let value = |z: &[f64]| {
            let (a, b) = (1.0 - z[0], z[1] - z[0] * z[0]);
            a * a + 100.0 * b * b
        };
        let (place, least) = minimise(&[vec![-1.2, 1.0]], value);
        assert!(least < 1e-6, "{least}");
        assert!((place[0] - 1.0).abs() < 1e-3 && (place[1] - 1.0).abs() < 1e-3);
    }

    #[test]
    fn takes_the_better_of_two_valleys() {
        // x^4 - 2 x^2 + x/2 has a valley near -1.06 and a shallower one near 0.93.
        let value = |z: &[f64]| {
            let x = z[0];
            x * x * x * x - 2.0 * x * x + 0.5 * x
        };
        let (place, _) = minimise(&[vec![1.0], vec![-1.5]], value);
        assert!((place[0] + 1.06).abs() < 0.01, "{}", place[0]);
    }

    #[test]
    fn a_value_that_is_not_a_number_is_left() {
        let value = |z: &[f64]| if z[0] < 0.5 { f64::NAN } else { z[0] };
        let (place, least) = minimise(&[vec![1.0]], value);
        assert!((least - 0.5).abs() < 1e-3 && place[0] >= 0.5);
    }
}
