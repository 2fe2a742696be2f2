use chokepoint_engine::units::NumberFormat;
use chokepoint_engine::*;
use chokepoint_train::*;
fn main() {
    let data = Data::load(&[]).unwrap();
    let a: Vec<String> = std::env::args().collect();
    let arch = data.model(&a[1]).unwrap();
    let p = system_parts(&data.catalog, &a[2]).unwrap();
    let chip = p.spec.unwrap();
    let w = chokepoint_train::Workload::pretraining(
        4096,
        15360,
        15e12,
        vec![NumberFormat::Fp8, NumberFormat::Bf16],
    );
    let case = Case {
        architecture: &arch,
        workload: &w,
        software: &Software::CURRENT,
        chip: &chip,
        fabric: &p.fabric,
        chips: a[3].parse().unwrap(),
    };
    for _ in 0..5 {
        let t = std::time::Instant::now();
        let r = search(&case, 5);
        println!(
            "{:.1} ms {} {}",
            t.elapsed().as_secs_f64() * 1e3,
            r.evaluated,
            r.pruned
        );
    }
}
