//! The searches find the best plan of their spaces: compared with evaluating every plan.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use chokepoint_chip::{ChipScale, ChipSpec};
use chokepoint_engine::model::{Architecture, Recompute};
use chokepoint_engine::units::NumberFormat;
use chokepoint_engine::{Data, system_parts};
use chokepoint_fabric::Fabric;
use chokepoint_train::{Case, Optimizer, Plan, Schedule, Workload, evaluate, search};

const DENSE: &str = r#"{"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":4096,
"intermediate_size":14336,"num_hidden_layers":10,"num_attention_heads":32,"num_key_value_heads":8,
"vocab_size":32000,"tie_word_embeddings":false}"#;

const MIXTURE: &str = r#"{"architectures":["MixtralForCausalLM"],"model_type":"mixtral","hidden_size":2048,
"intermediate_size":4096,"num_hidden_layers":6,"num_attention_heads":16,"num_key_value_heads":4,
"num_local_experts":8,"num_experts_per_tok":2,"vocab_size":32000,"tie_word_embeddings":false}"#;

/// The fastest of all plans, by evaluating each; data parallelism takes every value.
fn fastest(case: &Case, experts: u64, format: NumberFormat) -> Option<(f64, Plan)> {
    let mut best: Option<(f64, Plan)> = None;
    let layers = case.architecture.layers.len() as u64;
    let both = [false, true];
    for tp in [1, 2, 4, 8, 16] {
        for cp in [1, 2] {
            for ep in (1..=experts).filter(|ep| experts.is_multiple_of(*ep)) {
                for pp in 1..=layers {
                    for dp in 1..=case.chips / (tp * cp * pp).max(1) {
                        for vp in 1..=if pp == 1 { 1 } else { (layers / pp).min(12) } {
                            for micro_batch in [1, 2, 4, 8] {
                                for recompute in Recompute::ALL {
                                    for schedule in
                                        [Schedule::OneForwardOneBackward, Schedule::DualPipe]
                                    {
                                        for (overlap_tp, overlap_ep) in
                                            both.iter().flat_map(|a| both.map(|b| (*a, b)))
                                        {
                                            let hides = overlap_tp && tp == 1
                                                || overlap_ep
                                                    && (ep == 1 || recompute == Recompute::Full)
                                                || schedule == Schedule::DualPipe && !overlap_ep;
                                            if hides {
                                                continue;
                                            }
                                            let plan = Plan {
                                                tp,
                                                cp,
                                                ep,
                                                pp,
                                                vp,
                                                dp,
                                                micro_batch,
                                                recompute,
                                                schedule,
                                                format,
                                                overlap_tp,
                                                overlap_ep,
                                            };
                                            if let Ok(found) = evaluate(case, &plan)
                                                && best
                                                    .as_ref()
                                                    .is_none_or(|known| found.step.get() < known.0)
                                            {
                                                best = Some((found.step.get(), plan));
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    best
}

fn compare(config: &str, experts: u64, chips: u64, capacity: f64, system: &str) -> bool {
    let data = Data::load(&[]).unwrap();
    let parts = system_parts(&data.catalog, system).unwrap();
    let chip: ChipSpec = parts.spec.unwrap().scaled(ChipScale {
        capacity,
        ..ChipScale::default()
    });
    let fabric: Fabric = parts.fabric;
    let architecture = Architecture::from_config("config.json", config).unwrap();
    let workload = Workload {
        sequence: 4096,
        global_batch: 24,
        tokens: 1e9,
        formats: vec![NumberFormat::Bf16],
        optimizer: Optimizer::AdamFp32,
        imbalance: 1.0,
    };
    let case = Case {
        architecture: &architecture,
        workload: &workload,
        chip: &chip,
        fabric: &fabric,
        chips,
    };
    let exhaustive = fastest(&case, experts, NumberFormat::Bf16);
    let found = search(&case, 1).plans.into_iter().next();
    match (exhaustive, found) {
        (None, None) => false,
        (Some((step, plan)), Some(found)) => {
            assert!(
                (found.step.get() / step - 1.0).abs() < 1e-12,
                "{system} {chips} x{capacity}: exhaustive {step} {plan}, search {} {}",
                found.step.get(),
                found.plan
            );
            true
        }
        (exhaustive, found) => {
            unreachable!("{system} {chips} x{capacity}: {exhaustive:?} against {found:?}")
        }
    }
}

#[test]
fn dense_with_room() {
    assert!(compare(DENSE, 1, 8, 1.0, "hgx-h100"));
}

#[test]
fn dense_short_of_memory() {
    assert!(compare(DENSE, 1, 8, 0.25, "hgx-h100"));
    assert!(compare(DENSE, 1, 12, 0.12, "atlas-800t-a2"));
}

#[test]
fn mixture_with_room_and_short_of_memory() {
    assert!(compare(MIXTURE, 8, 8, 1.0, "hgx-h200"));
    assert!(compare(MIXTURE, 8, 16, 0.06, "hgx-h100"));
    assert!(compare(MIXTURE, 8, 6, 0.3, "gb200-nvl72"));
}

#[test]
fn nothing_fits() {
    assert!(!compare(DENSE, 1, 4, 0.01, "hgx-h100"));
}

/// Serving: no plan of the space has a higher rate than the one found.
fn serves_best(
    config: &str,
    chips: u64,
    capacity: f64,
    system: &str,
    ttft: f64,
    tpot: f64,
) -> bool {
    use chokepoint_engine::units::Seconds;
    use chokepoint_serve::{Case, Layout, Plan, Pool, Workload, evaluate, search};

    let data = Data::load(&[]).unwrap();
    let parts = system_parts(&data.catalog, system).unwrap();
    let chip = parts.spec.unwrap().scaled(ChipScale {
        capacity,
        ..ChipScale::default()
    });
    let architecture = Architecture::from_config("config.json", config).unwrap();
    let workload = Workload {
        input: 2048,
        output: 256,
        ttft: Seconds::new(ttft),
        tpot: Seconds::new(tpot),
        formats: vec![NumberFormat::Bf16],
        cache_format: NumberFormat::Bf16,
        imbalance: 1.0,
    };
    let case = Case {
        architecture: &architecture,
        workload: &workload,
        chip: &chip,
        fabric: &parts.fabric,
        chips,
    };
    let experts = architecture.experts().unwrap_or(1);
    let mut layouts = Vec::new();
    for tp in [1, 2, 4, 8] {
        for dp in [1, 2, 4, 8] {
            let ep = if experts == 1 { 1 } else { tp * dp };
            if tp * dp <= chips && (experts > 1 || dp == 1) && experts.is_multiple_of(ep) {
                layouts.push(Layout { tp, dp, ep });
            }
        }
    }
    let mut best = 0.0_f64;
    for layout in &layouts {
        for instances in 1..=chips / layout.chips() {
            for batch in 1..=160 {
                let decode = Pool {
                    instances,
                    layout: *layout,
                    batch,
                };
                let left = chips - decode.chips();
                let pools = layouts
                    .iter()
                    .flat_map(|prefill| [1, 2, 4, 8].map(|prompts| (*prefill, prompts)));
                let pools = pools.map(|(layout, batch)| Pool {
                    instances: left / layout.chips(),
                    layout,
                    batch,
                });
                for prefill in pools
                    .filter(|pool| pool.instances > 0)
                    .map(Some)
                    .chain([None])
                {
                    let plan = Plan {
                        decode,
                        prefill,
                        format: NumberFormat::Bf16,
                        cache_format: NumberFormat::Bf16,
                    };
                    if let Ok(found) = evaluate(&case, &plan) {
                        best = best.max(found.output_tokens_per_second);
                    }
                }
            }
        }
    }
    let found = search(&case)
        .plans
        .first()
        .map_or(0.0, |plan| plan.output_tokens_per_second);
    assert!(
        found >= best * (1.0 - 1e-9),
        "{system} {chips}: exhaustive {best}, search {found}"
    );
    best > 0.0
}

#[test]
fn serving_under_tight_and_loose_targets() {
    assert!(serves_best(DENSE, 4, 0.2, "hgx-h100", 0.5, 0.03));
    assert!(serves_best(MIXTURE, 4, 0.1, "hgx-h100", 0.3, 0.02));
    assert!(serves_best(MIXTURE, 8, 0.08, "atlas-800t-a2", 1.0, 0.05));
    assert!(!serves_best(DENSE, 2, 0.02, "hgx-h100", 1.0, 0.05));
}
