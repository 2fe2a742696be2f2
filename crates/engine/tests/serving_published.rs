//! Published rates of large deployments, prefill and decode, at their own layouts.

#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(clippy::disallowed_macros, reason = "shows the rates")]

use chokepoint_chip::Precision;
use chokepoint_engine::units::{NumberFormat, Seconds};
use chokepoint_engine::{Data, system_parts};
use chokepoint_serve::{Batch, Case, Instance, Layout, Software, Speculation, Workload};

/// A published rate: tokens of a second for each chip.
struct Published {
    row: &'static str,
    system: &'static str,
    /// Chips that attention and experts are spread over, and tensor parallelism of attention.
    spread: (u64, u64),
    linear: NumberFormat,
    attention: NumberFormat,
    batch: Work,
    drafts: Option<(u64, f64)>,
    rate: f64,
}

enum Work {
    /// Prompts of a length: tokens on each chip.
    Prefill(f64, f64),
    /// Sequences on each chip, context.
    Decode(f64, f64),
}

fn rate(data: &Data, published: &Published) -> (f64, String) {
    let parts = system_parts(&data.catalog, published.system).unwrap();
    let architecture = data.model("deepseek-v3").unwrap();
    let workload = Workload {
        input: 4096,
        output: 256,
        ttft: Seconds::new(10.0),
        tpot: Seconds::new(1.0),
        formats: vec![published.linear],
        cache_format: NumberFormat::Bf16,
        imbalance: 1.0,
        prefix_hit: 0.0,
        speculation: published
            .drafts
            .map(|(drafted, accepted)| Speculation { drafted, accepted }),
    };
    let software = Software {
        two_batches: true,
        ..Software::KERNELS
    };
    let case = Case {
        architecture: &architecture,
        workload: &workload,
        software: &software,
        chip: &parts.spec.as_ref().unwrap().under_load(),
        fabric: &parts.fabric,
        chips: 1024,
    };
    let instance = Instance {
        case: &case,
        layout: Layout::expert(published.spread.1, published.spread.0 / published.spread.1),
        precision: Precision {
            attention: published.attention,
            ..Precision::uniform(published.linear, NumberFormat::Bf16)
        },
    };
    let tp = published.spread.1 as f64;
    let (batch, tokens) = match published.batch {
        Work::Prefill(length, tokens) => {
            (Batch::prompts(tp * tokens / length, length, 0.0), tokens)
        }
        Work::Decode(sequences, context) => {
            let decodes = Batch {
                checked: workload.checked(),
                ..Batch::decodes(tp * sequences, context)
            };
            (decodes, sequences * workload.yielded())
        }
    };
    let iteration = instance.iteration(&batch);
    let parts = iteration.parts.iter().map(|(part, time)| {
        use chokepoint_engine::units::PartName as _;
        format!("{}={:.1}ms ", part.key(), time.get() * 1e3)
    });
    (tokens / iteration.total().get(), parts.collect())
}

#[test]
fn large_deployments() {
    use NumberFormat::{Bf16, Fp4, Fp8, Int8};
    use Work::{Decode, Prefill};
    let data = Data::load(&[]).unwrap();
    let one = |row, system, spread, linear, attention, batch, drafts, rate| Published {
        row,
        system,
        spread,
        linear,
        attention,
        batch,
        drafts,
        rate,
    };
    let cases = [
        one(
            "sglang_ep-455b3913ea",
            "hgx-h100",
            (32, 1),
            Fp8,
            Fp8,
            Prefill(1024.0, 16384.0),
            None,
            7209.25,
        ),
        one(
            "sglang_ep-65db3df44e",
            "hgx-h100",
            (32, 1),
            Fp8,
            Fp8,
            Prefill(2048.0, 16384.0),
            None,
            6817.88,
        ),
        one(
            "deepseek_inf-99f9c72056",
            "deepseek-2048",
            (32, 1),
            Fp8,
            Fp8,
            Prefill(4096.0, 16384.0),
            None,
            7839.0,
        ),
        one(
            "deepseek_inf-cd67a4411d",
            "deepseek-2048",
            (128, 1),
            Fp8,
            Fp8,
            Decode(128.0, 4096.0),
            None,
            2324.0,
        ),
        one(
            "sglang_ep-ca929ed55e",
            "hgx-h100",
            (72, 1),
            Fp8,
            Fp8,
            Decode(128.0, 4050.0),
            None,
            2171.62,
        ),
        one(
            "sglang_h20-e098b18840",
            "hgx-h20",
            (8, 8),
            Fp8,
            Fp8,
            Prefill(4096.0, 2048.0),
            None,
            2062.5,
        ),
        one(
            "sglang_h20-46a00f6493",
            "hgx-h20",
            (16, 1),
            Fp8,
            Fp8,
            Decode(48.0, 4864.0),
            Some((1, 0.85)),
            714.0,
        ),
        one(
            "sglang_h20-08e69d23fc",
            "hgx-h20",
            (16, 1),
            Fp8,
            Fp8,
            Decode(32.0, 4864.0),
            Some((1, 0.85)),
            675.0,
        ),
        one(
            "sglang_gb200-99d6c58164",
            "gb200-nvl72",
            (2, 1),
            Fp4,
            Fp8,
            Prefill(2000.0, 16384.0),
            None,
            26156.0,
        ),
        one(
            "sglang_gb200-30a534ca2e",
            "gb200-nvl72",
            (4, 1),
            Fp8,
            Bf16,
            Prefill(2000.0, 16384.0),
            None,
            18471.0,
        ),
        one(
            "sglang_gb200-897cb787e4",
            "gb200-nvl72",
            (48, 1),
            Fp4,
            Fp8,
            Decode(1408.0, 2050.0),
            None,
            13386.0,
        ),
        one(
            "cloudmatrix-29713cbb17",
            "cloudmatrix384",
            (16, 1),
            Int8,
            Int8,
            Prefill(4096.0, 16384.0),
            None,
            5655.0,
        ),
        one(
            "cloudmatrix-5c6101173f",
            "cloudmatrix384",
            (16, 1),
            Int8,
            Int8,
            Prefill(4096.0, 16384.0),
            None,
            6688.0,
        ),
        one(
            "cloudmatrix-6be0c5ed2b",
            "cloudmatrix384",
            (160, 1),
            Int8,
            Int8,
            Decode(96.0, 4224.0),
            Some((1, 0.7)),
            1943.0,
        ),
        one(
            "cloudmatrix-89df04bda8",
            "cloudmatrix384",
            (160, 1),
            Int8,
            Int8,
            Decode(24.0, 4224.0),
            Some((1, 0.7)),
            974.0,
        ),
        one(
            "cloudmatrix-b3662438df",
            "cloudmatrix384",
            (160, 1),
            Int8,
            Int8,
            Decode(8.0, 4224.0),
            Some((1, 0.7)),
            538.0,
        ),
    ];
    for case in &cases {
        let (found, parts) = rate(&data, case);
        let error = found / case.rate - 1.0;
        println!(
            "{:24} {found:6.0} published {:6.0} {:+.1}%  {parts}",
            case.row,
            case.rate,
            error * 100.0
        );
        let within = if FAR.contains(&case.row) { 0.35 } else { 0.15 };
        assert!(error.abs() < within, "{}: {error}", case.row);
    }
}

/// What kernels alone miss by more than 15%: SGLang's prefill, whose experts were not balanced, and the
/// smallest batch of `CloudMatrix`, bound by fixed times that nobody has published for its chip.
const FAR: [&str; 3] = [
    "sglang_ep-455b3913ea",
    "sglang_ep-65db3df44e",
    "cloudmatrix-b3662438df",
];
