//! Writing SVG and HTML: escaping, elements, axes.

use std::fmt::Write;

/// Text for HTML and SVG, in content and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

/// A drawing that grows downwards.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drawing {
    body: String,
}

/// Where a text is anchored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// Its left end.
    Start,
    /// Its middle.
    Middle,
}

impl Drawing {
    /// A filled rectangle with a text that shows on pointing at it.
    pub(crate) fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, fill: &str, title: &str) {
        let (x, y, width, height) = (place(x), place(y), place(width.max(0.0)), place(height));
        let title = escape(title);
        let _ = write!(
            self.body,
            "<rect class=\"bar\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{fill}\"><title>{title}</title></rect>"
        );
    }

    /// A frame.
    pub(crate) fn frame(&mut self, x: f64, y: f64, width: f64, height: f64) {
        let (x, y, width, height) = (place(x), place(y), place(width.max(0.0)), place(height));
        let _ = write!(
            self.body,
            "<rect class=\"frame\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
        );
    }

    /// A line of a class.
    pub(crate) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(place);
        let _ = write!(
            self.body,
            "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"
        );
    }

    /// A text of a class.
    pub(crate) fn text(&mut self, class: &str, at: (f64, f64), anchor: Anchor, text: &str) {
        let [x, y] = [at.0, at.1].map(place);
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
        };
        let _ = write!(
            self.body,
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>",
            escape(text)
        );
    }

    /// A text on a fill.
    pub(crate) fn label(&mut self, at: (f64, f64), colour: &str, text: &str) {
        let [x, y] = [at.0, at.1].map(place);
        let _ = write!(
            self.body,
            "<text class=\"in\" x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" fill=\"{colour}\">{}</text>",
            escape(text)
        );
    }

    /// The drawing as an element that says what it shows.
    pub(crate) fn finish(self, width: f64, height: f64, title: &str) -> String {
        let (width, height, title) = (place(width), place(height), escape(title));
        format!(
            "<svg role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\"><title>{title}</title>{}</svg>",
            self.body
        )
    }
}

/// A coordinate with one decimal, without a decimal zero.
fn place(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// Ticks of an axis from zero at 1, 2 or 5 times a power of ten: at most `most` steps, the last
/// not below `highest`.
pub(crate) fn ticks(highest: f64, most: usize) -> Vec<f64> {
    if !(highest > 0.0 && highest.is_finite()) {
        return vec![0.0, 1.0];
    }
    let text = format!("{highest:e}");
    let exponent: i32 = text
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0);
    let most = most.max(1) as f64;
    let candidates =
        (exponent - 3..=exponent + 1).flat_map(|power| [1, 2, 5].map(|digit| (digit, power)));
    for (digit, power) in candidates {
        let step: f64 = format!("{digit}e{power}").parse().unwrap_or(highest);
        let steps = (highest / step - 1e-9).ceil();
        if steps <= most {
            return (0..=steps as u32)
                .map(|index| f64::from(index) * step)
                .collect();
        }
    }
    vec![0.0, highest]
}

/// Width of a text in units of its size: wide characters count one, others a little over a half.
pub(crate) fn text_width(text: &str) -> f64 {
    text.chars()
        .map(|character| if character >= '\u{1100}' { 1.0 } else { 0.56 })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping() {
        assert_eq!(
            escape("<script>'a' & \"b\"</script>"),
            "&lt;script&gt;&#39;a&#39; &amp; &quot;b&quot;&lt;/script&gt;"
        );
        assert_eq!(escape("a\u{0}b"), "a\u{fffd}b");
    }

    #[test]
    fn ticks_are_round_and_reach_the_highest() {
        assert_eq!(ticks(8.0, 5), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(ticks(100.0, 5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(0.0, 5), [0.0, 1.0]);
        assert_eq!(ticks(f64::NAN, 5), [0.0, 1.0]);
        for exponent in -6..12 {
            for factor in [1.0, 1.3, 2.01, 4.9, 7.7, 9.99] {
                let highest: f64 = format!("{factor}e{exponent}").parse().unwrap();
                let ticks = ticks(highest, 5);
                assert!(ticks.len() >= 2 && ticks.len() <= 6, "{highest} {ticks:?}");
                assert!(
                    ticks.last().unwrap() * (1.0 + 1e-6) >= highest,
                    "{highest} {ticks:?}"
                );
            }
        }
    }

    #[test]
    fn places() {
        assert_eq!([place(-0.01), place(1.25), place(3.0)], ["0", "1.2", "3"]);
    }
}
