//! Rows on which a constant of the data was fitted, as the data name them.

use chokepoint_catalog::Catalog;

/// Whether a constant was fitted on a row.
pub(super) fn is_fitted(catalog: &Catalog, row_id: &str) -> bool {
    let networks = catalog
        .networks
        .values()
        .map(|entry| &entry.value.fitted_on);
    let systems = catalog.systems.values().map(|entry| &entry.value.fitted_on);
    let chips = catalog.calibrations.values();
    let kernels = chips.filter_map(|entry| Some(&entry.value.one_shot.as_ref()?.fitted_on));
    networks
        .chain(systems)
        .chain(kernels)
        .flatten()
        .any(|rows| holds(rows, row_id))
}

/// Whether a row, or a range of rows as "coll-1963 to coll-1967", holds an id.
fn holds(rows: &str, row_id: &str) -> bool {
    let (first, last) = rows.split_once(" to ").unwrap_or((rows, rows));
    row_id.len() == first.len() && (first..=last).contains(&row_id)
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn a_range_holds_its_ends() {
        for (id, inside) in [
            ("coll-1962", false),
            ("coll-1963", true),
            ("coll-1967", true),
        ] {
            assert_eq!(holds("coll-1963 to coll-1967", id), inside);
        }
        assert!(holds("coll-7", "coll-7") && !holds("coll-7", "coll-77"));
    }
}
