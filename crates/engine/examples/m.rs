use chokepoint_engine::model::*;
use chokepoint_engine::units::NumberFormat;
use chokepoint_engine::*;
use chokepoint_train::*;
fn main() {
    let data = Data::load(&[]).unwrap();
    let mut a = data.model("qwen3-235b-a22b").unwrap();
    a.hidden = 2048;
    a.layers = vec![0; 48];
    a.kinds[0].attention = Attention::Grouped {
        heads: 32,
        kv_heads: 4,
        head_dim: 128,
        window: None,
        qkv_bias: false,
        output_bias: false,
        qk_norm: QkNorm::PerHead,
        sinks: false,
    };
    a.kinds[0].feed_forward = FeedForward::Moe {
        experts: 128,
        top_k: 8,
        intermediate: 768,
        gated: true,
        shared_intermediate: 0,
        node_groups: None,
        expert_bias: false,
        router_bias: false,
    };
    let p = system_parts(&data.catalog, "gb200-nvl72").unwrap();
    let chip = p.spec.unwrap();
    let w = chokepoint_train::Workload::pretraining(4096, 512, 15e12, vec![NumberFormat::Fp8]);
    let case = Case {
        architecture: &a,
        workload: &w,
        software: &Software::CURRENT,
        chip: &chip,
        fabric: &p.fabric,
        chips: 8,
    };
    for r in Recompute::ALL {
        for mbs in [1, 4, 8] {
            let plan = Plan {
                ep: 8,
                dp: 8,
                micro_batch: mbs,
                recompute: r,
                ..Plan::one(NumberFormat::Fp8)
            };
            let m = measure(&case, &plan).unwrap();
            println!("{plan} {:?}", m.memory);
        }
    }
}
