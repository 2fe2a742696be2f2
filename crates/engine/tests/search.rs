//! The searches find the best plan of their spaces: compared with evaluating every plan.

#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(clippy::disallowed_macros, reason = "shows how much is searched")]

use chokepoint_chip::{ChipScale, ChipSpec};
use chokepoint_engine::model::{Architecture, Recompute};
use chokepoint_engine::units::NumberFormat;
use chokepoint_engine::{Data, system_parts};
use chokepoint_train::{
    Case, ContextExchange, Offload, Optimizer, Plan, Schedule, Sharding, Software, Space,
    TensorExchange, TensorOverlap, Trained, Workload, evaluate, even_chunks, front, measure,
    search, search_in,
};
use proptest::prelude::*;

const DENSE: &str = r#"{"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":4096,
"intermediate_size":14336,"num_hidden_layers":10,"num_attention_heads":32,"num_key_value_heads":8,
"vocab_size":32000,"tie_word_embeddings":false}"#;

const MIXTURE: &str = r#"{"architectures":["MixtralForCausalLM"],"model_type":"mixtral","hidden_size":2048,
"intermediate_size":4096,"num_hidden_layers":6,"num_attention_heads":16,"num_key_value_heads":4,
"num_local_experts":8,"num_experts_per_tok":2,"vocab_size":32000,"tie_word_embeddings":false}"#;

/// The same with fewer layers, for trainings whose every plan is evaluated.
const SHALLOW: &str = r#"{"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":4096,
"intermediate_size":14336,"num_hidden_layers":5,"num_attention_heads":32,"num_key_value_heads":8,
"vocab_size":32000,"tie_word_embeddings":false}"#;

const SHALLOW_MIXTURE: &str = r#"{"architectures":["MixtralForCausalLM"],"model_type":"mixtral","hidden_size":2048,
"intermediate_size":4096,"num_hidden_layers":4,"num_attention_heads":16,"num_key_value_heads":4,
"num_local_experts":8,"num_experts_per_tok":2,"vocab_size":32000,"tie_word_embeddings":false}"#;

/// Calls for every plan of a space, whether or not it makes sense; data parallelism takes every
/// value that the chips allow.
fn every_plan(space: &Space, case: &Case, format: NumberFormat, mut visit: impl FnMut(Plan)) {
    let mut spreads = Vec::new();
    for &tp in &space.tensor {
        for &cp in &space.context {
            for &ep in &space.expert {
                for &split in &space.expert_tensor {
                    for &micro_batch in &space.micro_batches {
                        spreads.push(Plan {
                            tp,
                            cp,
                            ep,
                            etp: if split { tp } else { 1 },
                            micro_batch,
                            ..Plan::one(format)
                        });
                    }
                }
            }
        }
    }
    for spread in spreads {
        for &pp in &space.pipeline {
            let inner = spread.tp * spread.cp * pp;
            for dp in 1..=case.chips / inner {
                if space.all_chips && dp * inner != case.chips {
                    continue;
                }
                for vp in 1..=space.most_virtual {
                    every_technique(
                        space,
                        case.architecture.layers.len() as u64 + case.architecture.mtp_layers,
                        &Plan {
                            pp,
                            dp,
                            vp,
                            ..spread
                        },
                        &mut visit,
                    );
                }
            }
        }
    }
}

fn every_technique(space: &Space, layers: u64, plan: &Plan, visit: &mut impl FnMut(Plan)) {
    for &schedule in &space.schedules {
        // Chunks of several a rank are equal but for a lighter first and last.
        if plan.vp > 1 && !even_chunks(layers, plan.pp * plan.vp) {
            continue;
        }
        for &recompute in &space.recompute {
            for &tensor in &space.exchanges {
                for &overlap_tp in &space.tensor_overlaps {
                    for &context in &space.contexts {
                        for &overlap_ep in &space.expert_overlaps {
                            let plan = Plan {
                                schedule,
                                recompute,
                                tensor,
                                overlap_tp: if plan.tp > 1 {
                                    overlap_tp
                                } else {
                                    TensorOverlap::None
                                },
                                context,
                                overlap_ep: overlap_ep && plan.ep > 1,
                                ..*plan
                            };
                            every_state(space, &plan, visit);
                        }
                    }
                }
            }
        }
    }
}

fn every_state(space: &Space, plan: &Plan, visit: &mut impl FnMut(Plan)) {
    for &sharding in &space.shardings {
        for &overlap_dp in &space.data_overlaps {
            for &offload in &space.offloads {
                for &balanced in &space.balanced {
                    visit(Plan {
                        sharding,
                        overlap_dp,
                        offload,
                        balanced,
                        ..*plan
                    });
                }
            }
        }
    }
}

/// A case to search: model, chips and how much memory each has of its own.
struct Trial {
    config: &'static str,
    chips: u64,
    capacity: f64,
    system: &'static str,
    batch: u64,
    software: Software,
    /// What differs from plain pre-training.
    training: fn(&mut Workload),
}

const TRIAL: Trial = Trial {
    config: SHALLOW,
    chips: 8,
    capacity: 1.0,
    system: "hgx-h100",
    batch: 12,
    software: Software::CURRENT,
    training: |_| {},
};

/// Whether anything fits; the search finds what evaluating every plan finds.
fn compare(trial: &Trial, narrow: impl Fn(Space) -> Space) -> bool {
    let data = Data::load(&[]).unwrap();
    let parts = system_parts(&data.catalog, trial.system).unwrap();
    let chip: ChipSpec = parts.spec.unwrap().scaled(ChipScale {
        capacity: trial.capacity,
        ..ChipScale::default()
    });
    let architecture = Architecture::from_config("config.json", trial.config).unwrap();
    let mut workload = Workload::pretraining(4096, trial.batch, 1e9, vec![NumberFormat::Bf16]);
    (trial.training)(&mut workload);
    let case = Case {
        architecture: &architecture,
        workload: &workload,
        software: &trial.software,
        chip: &chip,
        fabric: &parts.fabric,
        chips: trial.chips,
    };
    let space = narrow(Space::of(&case));
    let mut best: Option<(f64, Plan)> = None;
    let mut plans = 0_u64;
    every_plan(&space, &case, NumberFormat::Bf16, |plan| {
        plans += 1;
        // DualPipe without expert traffic to hide is left out of the search.
        if plan.schedule.pairs() && !plan.overlap_ep {
            return;
        }
        if let Ok(found) = evaluate(&case, &plan)
            && best
                .as_ref()
                .is_none_or(|(step, _)| found.step.get() < *step)
        {
            best = Some((found.step.get(), plan));
        }
    });
    let result = search_in(&case, &space, 1);
    println!(
        "{plans} plans; evaluated {} pruned {}",
        result.evaluated, result.pruned
    );
    match (best, result.plans.into_iter().next()) {
        (None, None) => false,
        (Some((step, plan)), Some(found)) => {
            let again = evaluate(&case, &found.plan).unwrap();
            assert!(again == found, "{} is not as evaluated", found.plan);
            assert!(
                (found.step.get() / step - 1.0).abs() < 1e-12,
                "exhaustive {step} {plan}, search {} {}",
                found.step.get(),
                found.plan
            );
            true
        }
        (best, found) => unreachable!("{best:?} against {found:?}"),
    }
}

/// The space that the program searches by itself, a little smaller.
fn mainstream(mut space: Space) -> Space {
    space.tensor.retain(|tp| *tp <= 4);
    space.micro_batches.retain(|size| *size <= 2);
    space.most_virtual = 3;
    space
}

#[test]
fn dense_with_room() {
    assert!(compare(&TRIAL, mainstream));
}

#[test]
fn dense_short_of_memory() {
    assert!(compare(
        &Trial {
            capacity: 0.2,
            ..TRIAL
        },
        mainstream
    ));
    let small = Trial {
        capacity: 0.12,
        chips: 12,
        system: "atlas-800t-a2",
        ..TRIAL
    };
    assert!(compare(&small, mainstream));
}

#[test]
fn mixture_with_room_and_short_of_memory() {
    let mixture = Trial {
        config: SHALLOW_MIXTURE,
        system: "hgx-h200",
        ..TRIAL
    };
    assert!(compare(&mixture, mainstream));
    let short = Trial {
        capacity: 0.06,
        ..mixture
    };
    assert!(compare(&short, mainstream));
    let rack = Trial {
        chips: 6,
        capacity: 0.3,
        system: "gb200-nvl72",
        ..mixture
    };
    assert!(compare(&rack, mainstream));
}

#[test]
fn however_the_model_is_trained() {
    let adapters = |workload: &mut Workload| workload.trained = Trained::Adapters { rank: 8 };
    let narrow = |workload: &mut Workload| {
        workload.optimizer = Optimizer::Muon;
        workload.gradients = NumberFormat::Bf16;
    };
    let uneven = |workload: &mut Workload| workload.imbalance = 1.5;
    for (training, config, capacity) in [
        (adapters as fn(&mut Workload), SHALLOW, 1.0),
        (adapters, SHALLOW, 0.1),
        (narrow, SHALLOW, 0.15),
        (uneven, SHALLOW_MIXTURE, 0.1),
    ] {
        let trial = Trial {
            training,
            config,
            capacity,
            ..TRIAL
        };
        assert!(compare(&trial, mainstream));
    }
}

#[test]
fn nothing_fits() {
    assert!(!compare(
        &Trial {
            capacity: 0.01,
            chips: 4,
            ..TRIAL
        },
        mainstream
    ));
}

/// The dimensions that Calculon enumerates (`llm-optimal-execution`): exchanges, overlaps, sharding
/// and what waits in the host's memory.
fn calculon(mut space: Space) -> Space {
    space.exchanges = TensorExchange::ALL.to_vec();
    space.tensor_overlaps = TensorOverlap::ALL.to_vec();
    space.recompute = vec![Recompute::None, Recompute::Selective, Recompute::Full];
    space.schedules = vec![Schedule::OneForwardOneBackward];
    space.shardings = vec![Sharding::None, Sharding::Optimizer];
    space.data_overlaps = vec![true, false];
    space.balanced = vec![false];
    space.contexts = vec![ContextExchange::Ring];
    space.context = vec![1];
    space.all_chips = true;
    let bits = [false, true];
    space.offloads = bits
        .iter()
        .flat_map(|weights| bits.iter().map(move |activations| (*weights, *activations)))
        .flat_map(|(weights, activations)| {
            bits.map(|optimizer| Offload {
                weights,
                activations,
                optimizer,
            })
        })
        .collect();
    mainstream(space)
}

#[test]
fn calculons_space() {
    let unfused = Software {
        fused_attention: false,
        ..Software::CURRENT
    };
    for capacity in [1.0, 0.2, 0.1] {
        let trial = Trial {
            capacity,
            system: "dgx-a100",
            software: unfused,
            ..TRIAL
        };
        assert!(compare(&trial, calculon));
    }
}

/// Offload and the full range of sharding, where memory is short.
#[test]
fn offload_where_memory_is_short() {
    let trial = Trial {
        capacity: 0.07,
        ..TRIAL
    };
    assert!(compare(&trial, |space| {
        let mut space = mainstream(space.with_offload());
        space.shardings.insert(0, Sharding::None);
        space
    }));
}

/// What a search keeps is what evaluating its plans yields, to the last digit, and comes in order:
/// models of one and of several kinds of layers on small and large numbers of chips.
#[test]
fn kept_plans_are_as_evaluated() {
    let data = Data::load(&[]).unwrap();
    for (model, system, chips) in [
        ("deepseek-v3", "gb200-nvl72", 100_000),
        ("qwen3-235b-a22b", "hgx-h100", 2048),
        ("gpt-oss-120b", "hgx-b200", 512),
        ("llama-3.1-405b", "cloudmatrix384", 16_384),
        ("deepseek-v3", "hgx-h100", 64),
    ] {
        let architecture = data.model(model).unwrap();
        let parts = system_parts(&data.catalog, system).unwrap();
        let formats = vec![NumberFormat::Fp8, NumberFormat::Bf16];
        let workload = Workload::pretraining(4096, 15_360, 1e12, formats);
        let case = Case {
            architecture: &architecture,
            workload: &workload,
            software: &Software::CURRENT,
            chip: parts.spec.as_ref().unwrap(),
            fabric: &parts.fabric,
            chips,
        };
        let found = search(&case, 5);
        assert!(found.plans.is_sorted_by(|a, b| a.step <= b.step));
        for kept in &found.plans {
            let again = evaluate(&case, &kept.plan).unwrap();
            assert!(again == *kept, "{model} on {system}: {}", kept.plan);
        }
        if let Some((plan, table)) = found.nearest_miss.filter(|_| found.plans.is_empty()) {
            assert!(table.total > table.usable, "{plan}");
        }
    }
}

/// Each point of the front needs less memory and more time than the one before.
#[test]
fn a_front_trades_time_for_memory() {
    let data = Data::load(&[]).unwrap();
    let parts = system_parts(&data.catalog, "hgx-h100").unwrap();
    let chip = parts.spec.unwrap();
    let architecture = Architecture::from_config("config.json", DENSE).unwrap();
    let workload = Workload::pretraining(4096, 12, 1e9, vec![NumberFormat::Bf16]);
    let case = Case {
        architecture: &architecture,
        workload: &workload,
        software: &Software::CURRENT,
        chip: &chip,
        fabric: &parts.fabric,
        chips: 8,
    };
    let points = front(&case, &Space::of(&case), 6);
    assert!(points.len() >= 3, "{}", points.len());
    for pair in points.windows(2) {
        assert!(
            pair[0].step <= pair[1].step,
            "{} {}",
            pair[0].plan,
            pair[1].plan
        );
        assert!(pair[0].memory.total > pair[1].memory.total);
    }
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
    use chokepoint_chip::Precision;
    use chokepoint_engine::units::Seconds;
    use chokepoint_serve::{Case, Layout, Plan, Pool, Software, Workload, evaluate, search};

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
        prefix_hit: 0.0,
        speculation: None,
    };
    let case = Case {
        architecture: &architecture,
        workload: &workload,
        software: &Software::KERNELS,
        chip: &chip,
        fabric: &parts.fabric,
        chips,
    };
    let experts = architecture.experts().unwrap_or(1);
    let mut layouts = Vec::new();
    for tp in [1, 2, 4, 8] {
        layouts.push(Layout::tensor(tp));
        for dp in [1, 2, 4, 8] {
            let ep = tp * dp;
            if ep > 1 && experts.is_multiple_of(ep) {
                layouts.push(Layout::expert(tp, dp));
            }
        }
    }
    let staged = [1, 2, 4, 8].map(|pp| layouts.iter().map(move |layout| Layout { pp, ..*layout }));
    let layers = architecture.layers.len() as u64;
    let layouts: Vec<Layout> = staged
        .into_iter()
        .flatten()
        .filter(|layout| layout.chips() <= chips && layout.pp <= layers)
        .collect();
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
                        precision: Precision::uniform(NumberFormat::Bf16, NumberFormat::Bf16),
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

/// A small model and what it is trained on, of which every plan is evaluated.
#[derive(Debug, Clone)]
struct Small {
    config: String,
    system: &'static str,
    chips: u64,
    batch: u64,
    sequence: u64,
    training: u8,
    all_chips: bool,
    offloads: bool,
}

/// Models of one kind of layers and of two, tied or not, with further predictions or without.
fn configs() -> impl Strategy<Value = String> {
    (0..3_u8, 2..7_u64, 0..3_u64, prop::sample::select(vec![32_000, 128_000]), any::<bool>())
        .prop_map(|(family, layers, further, vocabulary, tied)| match family {
            0 => format!(
                r#"{{"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":4096,
"intermediate_size":14336,"num_hidden_layers":{layers},"num_attention_heads":32,
"num_key_value_heads":8,"vocab_size":{vocabulary},"tie_word_embeddings":{tied}}}"#
            ),
            1 => format!(
                r#"{{"architectures":["MixtralForCausalLM"],"model_type":"mixtral","hidden_size":2048,
"intermediate_size":4096,"num_hidden_layers":{layers},"num_attention_heads":16,
"num_key_value_heads":4,"num_local_experts":8,"num_experts_per_tok":2,"vocab_size":{vocabulary},
"tie_word_embeddings":false}}"#
            ),
            _ => format!(
                r#"{{"architectures":["DeepseekV3ForCausalLM"],"model_type":"deepseek_v3",
"hidden_size":2048,"intermediate_size":8192,"moe_intermediate_size":1024,
"num_hidden_layers":{layers},"num_attention_heads":16,"num_key_value_heads":16,
"n_routed_experts":4,"n_shared_experts":1,"num_experts_per_tok":2,"n_group":1,"topk_group":1,
"first_k_dense_replace":1,"moe_layer_freq":1,"q_lora_rank":768,"kv_lora_rank":256,
"qk_nope_head_dim":64,"qk_rope_head_dim":32,"v_head_dim":64,
"num_nextn_predict_layers":{further},"vocab_size":{vocabulary},"tie_word_embeddings":false,
"hidden_act":"silu","max_position_embeddings":8192,"rms_norm_eps":1e-6}}"#
            ),
        })
}

fn smalls() -> impl Strategy<Value = Small> {
    let systems = vec!["hgx-h100", "gb200-nvl72", "dgx-a100", "atlas-800t-a2"];
    (
        configs(),
        prop::sample::select(systems),
        prop::sample::select(vec![1_u64, 2, 3, 4, 6, 8]),
        prop::sample::select(vec![4_u64, 6, 8, 12]),
        prop::sample::select(vec![2048_u64, 4096]),
        (0..4_u8, 0..4_u8, 0..4_u8),
    )
        .prop_map(
            |(config, system, chips, batch, sequence, (training, all, offloads))| Small {
                config,
                system,
                chips,
                batch,
                sequence,
                training,
                all_chips: all == 0,
                offloads: offloads == 0,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// The search finds the fastest of every plan, at any memory: all plans of a small model are
    /// measured once, and the search is asked with the memory of each that needs less than all
    /// faster ones, and with a little less.
    #[test]
    fn the_best_of_every_plan_at_any_memory(small in smalls()) {
        let data = Data::load(&[]).unwrap();
        let parts = system_parts(&data.catalog, small.system).unwrap();
        let architecture = Architecture::from_config("config.json", &small.config).unwrap();
        let formats = vec![NumberFormat::Bf16];
        let mut workload = Workload::pretraining(small.sequence, small.batch, 1e9, formats);
        match small.training {
            0 if !small.config.contains("deepseek") => {
                workload.trained = Trained::Adapters { rank: 8 };
            }
            1 => workload.optimizer = Optimizer::Muon,
            2 => workload.gradients = NumberFormat::Bf16,
            _ => workload.imbalance = 1.5,
        }
        let chip: ChipSpec = parts.spec.unwrap();
        let case = Case {
            architecture: &architecture,
            workload: &workload,
            software: &Software::CURRENT,
            chip: &chip,
            fabric: &parts.fabric,
            chips: small.chips,
        };
        let mut space = Space::of(&case);
        space.tensor.retain(|degree| *degree <= 2);
        space.micro_batches.retain(|size| *size <= 2);
        space.most_virtual = 3;
        space.all_chips = small.all_chips;
        if small.offloads && case.chip.host.is_some() {
            space = space.with_offload();
            space.micro_batches.truncate(1);
        }
        let mut plans: Vec<(f64, f64, Plan)> = Vec::new();
        every_plan(&space, &case, NumberFormat::Bf16, |plan| {
            let serves = !plan.schedule.pairs() || plan.overlap_ep;
            if let (true, Ok(found)) = (serves, measure(&case, &plan)) {
                let share = found.memory.total / found.memory.usable;
                plans.push((found.step.get(), share, plan));
            }
        });
        plans.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut least = f64::INFINITY;
        let mut shares = Vec::new();
        for (_, share, _) in &plans {
            if *share < least {
                least = *share;
                shares.extend([share * 1.0001, share * 0.9999]);
            }
        }
        for share in shares {
            let mut chip = chip.clone();
            chip.capacity = chip.capacity * share;
            let case = Case { chip: &chip, ..case };
            let wanted = plans.iter().find(|plan| plan.1 <= share);
            let found = search_in(&case, &space, 1).plans.into_iter().next();
            match (wanted, found) {
                (None, None) => {}
                (Some((step, _, plan)), Some(found)) => prop_assert!(
                    (found.step.get() / step - 1.0).abs() < 1e-9,
                    "{share}: exhaustive {step} {plan}, search {} {}",
                    found.step.get(),
                    found.plan
                ),
                (wanted, found) => prop_assert!(false, "{share}: {wanted:?} against {found:?}"),
            }
        }
    }
}
