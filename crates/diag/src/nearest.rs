//! The valid names that a mistyped one probably meant.

/// Up to three known names near a mistyped one, nearest first.
#[must_use]
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    const LEAST_SIMILARITY: f64 = 0.45;
    let wanted = wanted.to_lowercase().replace('_', "-");
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .map(|name| (similarity(&wanted, &name.to_lowercase()), name))
        .filter(|(score, _)| *score >= LEAST_SIMILARITY)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Edit similarity; a name that contains the wanted text counts as near.
fn similarity(wanted: &str, name: &str) -> f64 {
    let edits = strsim::normalized_damerau_levenshtein(wanted, name);
    let contained = wanted.len() >= 3 && (name.contains(wanted) || wanted.contains(name));
    if contained { edits.max(0.6) } else { edits }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_typos_and_fragments_and_not_nonsense() {
        let known = ["h200-sxm", "h100-sxm", "gb200", "ascend-910c", "mi300x"];
        assert_eq!(nearest("h20-sxm", known)[0], "h200-sxm");
        assert_eq!(nearest("H200_SXM", known)[0], "h200-sxm");
        assert_eq!(nearest("910c", known), ["ascend-910c"]);
        assert!(nearest("zzzzzz", known).is_empty());
    }
}
