//! What must always hold of serving: sums, orders, and what each mechanism does.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use chokepoint_chip::{ChipScale, ChipSpec, Precision};
use chokepoint_engine::model::Architecture;
use chokepoint_engine::units::{NumberFormat, Seconds};
use chokepoint_engine::{Data, SystemParts, system_parts};
use chokepoint_fabric::Fabric;
use chokepoint_serve::{
    Batch, Case, Instance, Iteration, Layout, Part, Plan, Pool, Software, Speculation, Workload,
    evaluate, front, search,
};
use proptest::prelude::*;

struct Setup {
    architecture: Architecture,
    workload: Workload,
    software: Software,
    chip: ChipSpec,
    fabric: Fabric,
    chips: u64,
}

impl Setup {
    fn new(model: &str, system: &str, chips: u64) -> Self {
        let data = Data::load(&[]).unwrap();
        let SystemParts { spec, fabric, .. } = system_parts(&data.catalog, system).unwrap();
        Self {
            architecture: data.model(model).unwrap(),
            workload: Workload {
                input: 2048,
                output: 512,
                ttft: Seconds::new(5.0),
                tpot: Seconds::new(0.05),
                formats: vec![NumberFormat::Fp8],
                cache_format: NumberFormat::Bf16,
                imbalance: 1.0,
                prefix_hit: 0.0,
                speculation: None,
            },
            software: Software::KERNELS,
            chip: spec.unwrap(),
            fabric,
            chips,
        }
    }

    fn case(&self) -> Case<'_> {
        Case {
            architecture: &self.architecture,
            workload: &self.workload,
            software: &self.software,
            chip: &self.chip,
            fabric: &self.fabric,
            chips: self.chips,
        }
    }

    fn run(&self, layout: Layout, batch: &Batch) -> Iteration {
        let instance = Instance {
            case: &self.case(),
            layout,
            precision: Precision::uniform(NumberFormat::Fp8, NumberFormat::Bf16),
        };
        instance.iteration(batch)
    }

    fn seconds(&self, layout: Layout, batch: &Batch) -> f64 {
        self.run(layout, batch).total().get()
    }
}

#[test]
fn one_sequence_takes_what_its_weights_take_to_read() {
    // Llama 2 70B in 16 bits on eight H100: 69.0e9 parameters (of 70 billion, without embedding and
    // head) are 17.2 GB on each, 5.1 ms at 3.35 TB/s; kernels reach 88% of it, and 80 layers sum
    // twice over the ranks.
    let setup = Setup::new("llama-2-70b", "hgx-h100", 8);
    let instance = Instance {
        case: &setup.case(),
        layout: Layout::tensor(8),
        precision: Precision::uniform(NumberFormat::Bf16, NumberFormat::Bf16),
    };
    let found = instance.iteration(&Batch::decodes(1.0, 512.0));
    let products = found.parts.get(Part::Gemm).get();
    assert!((0.0051 / 0.88..0.0075).contains(&products), "{products}");
    let sums = found.parts.get(Part::TensorParallel).get();
    assert!((160.0 * 3e-6..160.0 * 20e-6).contains(&sums), "{sums}");
}

#[test]
fn a_mixed_iteration_costs_less_than_two_and_no_less_than_either() {
    for (model, layout) in [
        ("llama-3.1-70b", Layout::tensor(4)),
        ("deepseek-v3", Layout::expert(1, 32)),
        ("gpt-oss-120b", Layout::expert(2, 2)),
    ] {
        let setup = Setup::new(model, "hgx-h200", 32);
        let (prompts, decodes) = (
            Batch::prompts(2.0, 700.0, 500.0),
            Batch::decodes(40.0, 2300.0),
        );
        let both = setup.seconds(layout, &prompts.beside(&decodes));
        let (a, b) = (
            setup.seconds(layout, &prompts),
            setup.seconds(layout, &decodes),
        );
        assert!(both < a + b && both >= a.max(b), "{model}: {both} {a} {b}");
    }
}

#[test]
fn the_host_shows_where_the_chip_does_not_cover_it() {
    let mut setup = Setup::new("llama-3.1-8b", "hgx-h100", 8);
    let (layout, batch) = (Layout::tensor(1), Batch::decodes(8.0, 1000.0));
    let chip = setup.seconds(layout, &batch);
    let host = |setup: &mut Setup, host: f64, overlapped| {
        setup.software.host = Seconds::new(host);
        setup.software.host_overlapped = overlapped;
        setup.seconds(layout, &batch)
    };
    let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-12;
    assert!(near(host(&mut setup, 0.5 * chip, true), chip));
    assert!(near(host(&mut setup, 2.0 * chip, true), 2.0 * chip));
    assert!(near(host(&mut setup, 0.5 * chip, false), 1.5 * chip));
    setup.software.host = Seconds::ZERO;
    setup.software.kernel_start = Seconds::new(20e-6);
    assert!(
        near(setup.seconds(layout, &batch), chip),
        "graphs start all"
    );
    setup.software.graph_sequences = 4.0;
    // Llama has nine kernels in each of 32 layers.
    assert!(setup.seconds(layout, &batch) > 288.0 * 20e-6);
}

#[test]
fn two_batches_hide_the_exchange_of_experts_and_pay_in_processors() {
    let mut setup = Setup::new("deepseek-v3", "hgx-h100", 64);
    let layout = Layout::expert(1, 64);
    let batch = Batch::decodes(256.0, 4096.0);
    let one = setup.run(layout, &batch);
    setup.software.two_batches = true;
    let two = setup.run(layout, &batch);
    assert!(two.total() < one.total());
    assert!(two.parts.get(Part::ExpertParallel) < one.parts.get(Part::ExpertParallel) * 0.5);
    let prompts = Batch::prompts(4.0, 4096.0, 0.0);
    let taken = setup.seconds(layout, &prompts);
    setup.software.exchange_processors = 0.0;
    assert!(setup.seconds(layout, &prompts) < taken);
    // A few sequences do not fill two batches: then one runs.
    let few = Batch::decodes(2.0, 4096.0);
    let with = setup.seconds(layout, &few);
    setup.software.two_batches = false;
    assert!(with <= setup.seconds(layout, &few));
}

#[test]
fn drafts_pay_when_they_are_kept() {
    let mut setup = Setup::new("deepseek-v3", "hgx-h200", 16);
    let plan = |batch| Plan {
        decode: Pool {
            instances: 1,
            layout: Layout::expert(1, 16),
            batch,
        },
        prefill: None,
        precision: Precision::uniform(NumberFormat::Fp8, NumberFormat::Bf16),
    };
    let tpot = |setup: &Setup, batch| evaluate(&setup.case(), &plan(batch)).unwrap().tpot.get();
    let without = tpot(&setup, 4);
    let mut with = |drafted, accepted| {
        setup.workload.speculation = Some(Speculation { drafted, accepted });
        tpot(&setup, 4)
    };
    assert!(with(1, 0.0) > without);
    assert!(with(1, 0.85) < without);
    assert!(with(1, 0.85) > without / 1.85);
    assert!(with(3, 2.4) < with(3, 1.0));
}

#[test]
fn what_is_in_the_cache_is_not_computed() {
    let mut setup = Setup::new("qwen3-235b-a22b", "hgx-h200", 32);
    setup.workload.input = 16_384;
    let best = |setup: &Setup| search(&setup.case()).plans[0].output_tokens_per_second;
    let rates = [0.0, 0.3, 0.6, 0.9].map(|hit| {
        setup.workload.prefix_hit = hit;
        best(&setup)
    });
    assert!(rates.is_sorted_by(|a, b| a < b), "{rates:?}");
}

#[test]
fn stages_share_memory_and_add_hops() {
    let setup = Setup::new("llama-3.1-405b", "hgx-h100", 32);
    let staged = Layout {
        pp: 4,
        ..Layout::tensor(8)
    };
    let batch = Batch::decodes(16.0, 2000.0);
    let (one, four) = (
        setup.run(Layout::tensor(8), &batch),
        setup.run(staged, &batch),
    );
    let hops = four.parts.get(Part::Pipeline);
    assert!(hops > Seconds::ZERO);
    let difference = (four.total() - one.total() - hops).get();
    assert!(difference.abs() < 1e-9 * one.total().get());
    let evaluated = |layout, instances, batch| {
        let plan = Plan {
            decode: Pool {
                instances,
                layout,
                batch,
            },
            prefill: None,
            precision: Precision::uniform(NumberFormat::Fp8, NumberFormat::Bf16),
        };
        evaluate(&setup.case(), &plan).unwrap()
    };
    let (whole, cut) = (evaluated(Layout::tensor(8), 4, 8), evaluated(staged, 1, 8));
    assert!(cut.memory.weights < whole.memory.weights * 0.27);
    // The fullest stage has 32 of 126 layers.
    let cache = cut.memory.cache / whole.memory.cache;
    assert!((cache - 32.0 / 31.5).abs() < 1e-12, "{cache}");
}

#[test]
fn nothing_on_the_front_is_beaten_and_the_search_does_not_beat_it() {
    for (model, system, chips) in [
        ("deepseek-v3", "hgx-h200", 32),
        ("llama-3.1-70b", "hgx-b200", 16),
    ] {
        let mut setup = Setup::new(model, system, chips);
        let points = front(&setup.case());
        assert!(points.len() > 5);
        let falls = points.windows(2).all(|two| {
            two[0].tpot < two[1].tpot
                && two[0].output_tokens_per_second < two[1].output_tokens_per_second
        });
        assert!(falls);
        for limit in [0.02, 0.05, 0.1] {
            setup.workload.tpot = Seconds::new(limit);
            let Some(best) = search(&setup.case()).plans.into_iter().next() else {
                continue;
            };
            let within = points.iter().filter(|point| point.tpot.get() <= limit);
            let known = within.fold(0.0, |most, point| point.output_tokens_per_second.max(most));
            assert!(
                known > 0.7 * best.output_tokens_per_second,
                "{model} {limit}"
            );
            assert!(
                known <= best.output_tokens_per_second * (1.0 + 1e-9),
                "{model} {limit}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn more_of_any_resource_is_never_slower_and_more_work_never_faster(
        model in prop::sample::select(vec!["llama-3.1-70b", "deepseek-v3", "gpt-oss-120b"]),
        system in prop::sample::select(vec!["hgx-h100", "gb200-nvl72", "cloudmatrix384", "hgx-h20"]),
        tp in 0_u32..3, dp in 0_u32..5,
        decodes in 0_u32..300, prompts in 0_u32..3, tokens in 1_u32..4000, context in 1_u32..20_000,
        compute in 1.0..2.0_f64, bandwidth in 1.0..2.0_f64,
    ) {
        let mut setup = Setup::new(model, system, 64);
        setup.software.two_batches = true;
        let layout = if model.starts_with("llama") { Layout::tensor(1 << tp) } else { Layout::expert(1 << tp, 1 << dp) };
        let at = |decodes: u32, prompts: u32, tokens: u32| Batch::prompts(f64::from(prompts), f64::from(tokens), 0.0)
            .beside(&Batch::decodes(f64::from(decodes), f64::from(context)));
        let batch = at(decodes + 1, prompts, tokens);
        let found = setup.run(layout, &batch);
        let time = found.total().get();
        let sum: f64 = found.parts.iter().map(|(_, part)| part.get()).sum();
        prop_assert!((sum / time - 1.0).abs() < 1e-9);
        prop_assert!((found.draw.time().get() / time - 1.0).abs() < 1e-9);
        for more in [at(decodes + 9, prompts, tokens), at(decodes + 1, prompts + 1, tokens), at(decodes + 1, prompts, tokens + 256)] {
            prop_assert!(setup.seconds(layout, &more) >= time * (1.0 - 1e-9));
        }
        setup.chip = setup.chip.scaled(ChipScale { compute, bandwidth, ..ChipScale::default() });
        prop_assert!(setup.seconds(layout, &batch) <= time * (1.0 + 1e-9));
    }
}
