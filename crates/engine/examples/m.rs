use chokepoint_chip::Precision;
use chokepoint_engine::model::*;
use chokepoint_engine::units::NumberFormat;
use chokepoint_engine::*;
fn main() {
    let data = Data::load(&[]).unwrap();
    let a = data.model("deepseek-v3").unwrap();
    for (sys, f) in [
        ("h800-node", NumberFormat::Fp8),
        ("hgx-h100", NumberFormat::Bf16),
        ("gb200-nvl72", NumberFormat::Fp8),
    ] {
        let p = system_parts(&data.catalog, sys).unwrap();
        let chip = p.spec.unwrap();
        let pr = Precision {
            linear: f,
            cache: NumberFormat::Bf16,
        };
        let ops = layer_operators(
            &a,
            1,
            Phase::Forward {
                batch: 1.0,
                sequence: 4096.0,
            },
            &Shard::training(1, 1, 64),
        );
        println!("{sys}");
        for o in &ops {
            let t = chip.operator(o, &pr);
            println!(
                "{:8.1} us {:?} {:.0} TF {:?}",
                t.total.get() * 1e6,
                t.bound,
                o.ops().get() / t.total.get() / 1e12,
                o
            );
        }
    }
}
