//! Colours of charts, told apart with the common kinds of colour blindness; related parts share a
//! family: arithmetic blue to green, communication yellow to red, waiting grey.

/// A fill with the colour of text on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint {
    /// Fill.
    pub(crate) fill: &'static str,
    /// Text on the fill, at a contrast of at least 4.5.
    pub(crate) text: &'static str,
}

const DARK: &str = "#101418";
const LIGHT: &str = "#ffffff";

const fn paint(fill: &'static str, text: &'static str) -> Paint {
    Paint { fill, text }
}

/// The plain bar.
pub(crate) const PLAIN: Paint = paint("#0072b2", LIGHT);

/// Colour of a part of time, a part of cost or a resource, by its key.
pub(crate) fn of(key: &str) -> Paint {
    match key {
        "gemm" | "compute" | "depreciation" => PLAIN,
        "expert_gemm" | "memory_bandwidth" | "colocation" => paint("#56b4e9", DARK),
        "attention" | "electricity" => paint("#f0e442", DARK),
        "elementwise" => paint("#b8e0c8", DARK),
        "head" | "memory_capacity" => paint("#009e73", DARK),
        "recompute" => paint("#00705a", LIGHT),
        "tensor_parallel" | "scale_up_bandwidth" | "maintenance" => paint("#e69f00", DARK),
        "context_parallel" => paint("#f7c99b", DARK),
        "expert_parallel" | "scale_out_bandwidth" => paint("#c44e00", LIGHT),
        "pipeline_transfer" => paint("#e3a6c4", DARK),
        "pipeline_bubble" | "kernel_launch" => paint("#8c8c8c", DARK),
        "data_parallel" | "network_latency" | "staff" => paint("#a3447e", LIGHT),
        "offload" => paint("#7a9cc6", DARK),
        "draft" => paint("#2d6e5e", LIGHT),
        "host_gap" => paint("#b3b3b3", DARK),
        "optimizer" => paint("#5b3f94", LIGHT),
        _ => paint("#5f5f5f", LIGHT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of WCAG 2.
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                libm::pow((value + 0.055) / 1.055, 2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    #[test]
    fn text_on_every_fill_reaches_level_aa() {
        for key in crate::messages::tests::PARTS {
            let paint = of(key);
            let (a, b) = (luminance(paint.fill), luminance(paint.text));
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(contrast >= 4.5, "{key}: {contrast}");
        }
    }
}
