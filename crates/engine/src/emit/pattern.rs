//! A choice of each layer as the list expression that Megatron-Core reads.

use std::fmt::Write as _;

/// 1 for layers that are chosen: `[1]*32`, `[1,0]*18` or `([0]*3+[1]*58)`.
pub(super) fn pattern(layers: &[bool]) -> String {
    let digit = |chosen: bool| u8::from(chosen).to_string();
    let period = (1..=4_usize.min(layers.len())).find(|period| {
        layers.len().is_multiple_of(*period)
            && layers.iter().zip(&layers[*period..]).all(|(a, b)| a == b)
    });
    if let Some(period) = period {
        let unit: Vec<String> = layers[..period].iter().map(|one| digit(*one)).collect();
        return format!("[{}]*{}", unit.join(","), layers.len() / period);
    }
    let mut text = String::from("(");
    for run in layers.chunk_by(|a, b| a == b) {
        if text.len() > 1 {
            text.push('+');
        }
        let _ = write!(text, "[{}]*{}", digit(run[0]), run.len());
    }
    text.push(')');
    text
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn lists_say_the_same_as_the_layers() {
        assert_eq!(pattern(&[true; 32]), "[1]*32");
        assert_eq!(pattern(&[true, false].repeat(18)), "[1,0]*18");
        let deepseek: Vec<bool> = (0..61).map(|layer| layer >= 3).collect();
        assert_eq!(pattern(&deepseek), "([0]*3+[1]*58)");
        assert_eq!(pattern(&[false]), "[0]*1");
    }
}
