use chokepoint_engine::units::NumberFormat;
use chokepoint_engine::*;
use chokepoint_train::*;
fn main() {
    let data = Data::load(&[]).unwrap();
    let chips: u64 = std::env::args().nth(1).map_or(2048, |a| a.parse().unwrap());
    for m in [
        "deepseek-v3",
        "qwen3-235b-a22b",
        "gpt-oss-120b",
        "megatron-1t",
        "qwen3-235b-a22b",
    ] {
        let a = data.model(m).unwrap();
        for s in [
            "dgx-a100",
            "dgx-a100",
            "hgx-h200",
            "gb200-nvl72",
            "cloudmatrix384",
        ] {
            let p = system_parts(&data.catalog, s).unwrap();
            let chip = p.spec.unwrap();
            let w = chokepoint_train::Workload::pretraining(
                4096,
                15360,
                15e12,
                vec![NumberFormat::Fp8, NumberFormat::Bf16],
            );
            let case = Case {
                architecture: &a,
                workload: &w,
                software: &Software::CURRENT,
                chip: &chip,
                fabric: &p.fabric,
                chips,
            };
            let t = std::time::Instant::now();
            let r = search(&case, 5);
            let e = t.elapsed();
            println!(
                "{m:16} {s:16} {:7.1} ms evaluated {:8} pruned {:9} {:6.0} ns each; step {:.2} {}",
                e.as_secs_f64() * 1e3,
                r.evaluated,
                r.pruned,
                e.as_secs_f64() * 1e9 / (r.evaluated + r.pruned) as f64,
                r.plans.first().map_or(0., |p| p.step.get()),
                r.plans
                    .first()
                    .map_or(String::new(), |p| p.plan.to_string())
            );
        }
    }
}
