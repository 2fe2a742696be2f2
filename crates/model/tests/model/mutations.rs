//! No text, however mangled, makes reading panic, nor the arithmetic on what was read.

use chokepoint_model::{
    ActivationPolicy, Architecture, Phase, Recompute, Shard, activation_bytes_per_layer,
    layer_operators,
};
use chokepoint_units::NumberFormat;
use proptest::prelude::*;

use crate::common::MODELS;

/// Uses everything that was read.
fn exercise(model: &Architecture) {
    assert!(model.parameters() >= model.parameters_main());
    assert!(model.active_parameters() <= model.parameters_main());
    assert!(model.training_flops_per_token(4096, true).get().is_finite());
    assert!(model.kv_bytes_per_token(NumberFormat::Bf16).get() > 0.0);
    let shard = Shard::training(2, 1, 2);
    let policy = ActivationPolicy::fused(Recompute::None);
    for kind in 0..model.kinds.len() {
        let phase = Phase::Backward {
            batch: 1.0,
            sequence: 1024.0,
        };
        let operators = layer_operators(model, kind, phase, &shard);
        assert!(operators.iter().all(|op| op.ops().get().is_finite()));
        let kept = activation_bytes_per_layer(model, kind, 1024.0, 1.0, &shard, &policy);
        assert!(kept.get().is_finite());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mangled_bytes_are_read_or_refused(
        index in 0..MODELS.len(),
        cuts in prop::collection::vec((0_usize..2000, any::<u8>(), 0_u8..3), 1..6),
    ) {
        let mut bytes = MODELS[index].1.as_bytes().to_vec();
        for (at, byte, how) in cuts {
            let at = at % bytes.len().max(1);
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.drain(at..(at + 7).min(bytes.len()))),
            }
            if bytes.is_empty() {
                bytes.push(b'{');
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        match Architecture::from_config("x/config.json", &text) {
            Ok(model) => exercise(&model),
            Err(error) => {
                prop_assert!(!error.message.is_empty());
                prop_assert!(error.place.is_some(), "{error}");
            }
        }
    }

    #[test]
    fn any_value_of_any_field_is_read_or_refused(
        index in 0..MODELS.len(),
        line in 0_usize..30,
        value in prop_oneof![
            any::<u64>().prop_map(|n| n.to_string()),
            (0_u64..300).prop_map(|n| n.to_string()),
            (0_u32..40).prop_map(|n| (1_u64 << n).to_string()),
            any::<i64>().prop_map(|n| n.to_string()),
            any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| n.to_string()),
            Just("null".to_owned()), Just("true".to_owned()), Just("[]".to_owned()),
            Just("[0, 1]".to_owned()), Just("{\"quant_method\": 1}".to_owned()),
            Just("\"text\"".to_owned()),
        ],
    ) {
        let mut lines: Vec<String> = MODELS[index].1.lines().map(str::to_owned).collect();
        let at = 1 + line % (lines.len() - 2);
        let key = lines[at].split(':').next().unwrap_or_default().to_owned();
        let comma = if lines[at].ends_with(',') { "," } else { "" };
        lines[at] = format!("{key}: {value}{comma}");
        if let Ok(model) = Architecture::from_config("x/config.json", &lines.join("\n")) {
            exercise(&model);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        prop_assert!(Architecture::from_config("x", &text).is_err());
    }
}
