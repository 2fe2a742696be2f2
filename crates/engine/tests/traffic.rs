//! The traffic of a step, by hand, and a step whose traffic is slower.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use chokepoint_engine::fabric::algorithm::Collective;
use chokepoint_engine::model::Architecture;
use chokepoint_engine::units::{Bytes, NumberFormat, Seconds};
use chokepoint_engine::{Data, SystemParts, system_parts};
use chokepoint_train::{
    Case, Part, Plan, Sharding, Slowdowns, Software, StepTraffic, TrafficKind, Workload,
    concurrent, measure, measure_slowed, step_traffic,
};

/// A model on 256 H100, 4,096 tokens in each of 256 sequences.
fn on_h100<T>(model: &str, work: impl Fn(&Case) -> T) -> T {
    let data = Data::load(&[]).unwrap();
    let architecture: Architecture = data.model(model).unwrap();
    let parts: SystemParts = system_parts(&data.catalog, "hgx-h100").unwrap();
    let workload = Workload::pretraining(4096, 256, 1e12, vec![NumberFormat::Bf16]);
    work(&Case {
        architecture: &architecture,
        workload: &workload,
        software: &Software::CURRENT,
        chip: parts.spec.as_ref().unwrap(),
        fabric: &parts.fabric,
        chips: 256,
    })
}

fn plan(tp: u64, pp: u64, dp: u64) -> Plan {
    Plan {
        tp,
        pp,
        dp,
        ..Plan::one(NumberFormat::Bf16)
    }
}

fn of(traffic: &[StepTraffic], kind: TrafficKind) -> &StepTraffic {
    traffic.iter().find(|it| it.kind == kind).unwrap()
}

/// Llama 3.1 70B, hidden 8,192, 80 layers: a boundary is 4,096 x 8,192 x 2 B = 64 MiB, of which a
/// chip of eight passes an eighth on, twice for each of 32 micro-batches; a layer gathers and
/// scatters one twice, forward and backward.
#[test]
fn traffic_by_hand() {
    on_h100("llama-3.1-70b", |case| {
        let found = step_traffic(case, &plan(8, 4, 8)).unwrap();
        assert_eq!(found.len(), 3);
        let tensor = of(&found, TrafficKind::Tensor);
        let boundary = 4096.0 * 8192.0 * 2.0;
        assert_eq!(tensor.message.collective, Collective::AllGather);
        assert_eq!(tensor.message.size, Bytes::new(boundary));
        let group = tensor.message.group;
        let scatter = case.fabric.reduce_scatter(group, tensor.message.size);
        let in_step = (tensor.time + scatter) * (2.0 * 2.0 * 20.0 * 32.0);
        assert!((tensor.in_step / in_step - 1.0).abs() < 1e-9);
        let sends = of(&found, TrafficKind::Pipeline);
        assert_eq!(sends.message.size, Bytes::new(boundary / 8.0));
        assert_eq!(
            (sends.message.group.size, sends.message.group.stride),
            (4, 64)
        );
        assert!((sends.in_step / (sends.time * 64.0) - 1.0).abs() < 1e-9);
        assert!((sends.under_exchange / (sends.time * 2.0) - 1.0).abs() < 1e-9);
        let data = of(&found, TrafficKind::Data);
        assert_eq!(data.message.collective, Collective::ReduceScatter);
        assert_eq!((data.message.group.size, data.message.group.stride), (8, 8));
        assert!(data.between && sends.between && !tensor.between);
        assert_eq!(concurrent(&plan(8, 4, 8), &found), [[0, 1, 2]]);
    });
}

/// What takes the same wires as the layers' traffic waits for it; what is not overlapped runs beside
/// nothing; a layer's kinds of traffic follow one another.
#[test]
fn only_what_a_step_overlaps_runs_at_once() {
    on_h100("llama-3.1-70b", |case| {
        let wide = plan(16, 1, 16);
        let found = step_traffic(case, &wide).unwrap();
        assert!(found.len() == 2 && found.iter().all(|it| it.between));
        assert!(concurrent(&wide, &found).is_empty());
        let apart = Plan {
            overlap_dp: false,
            ..plan(8, 2, 16)
        };
        let found = step_traffic(case, &apart).unwrap();
        assert_eq!(concurrent(&apart, &found), [[0, 1]]);
    });
    on_h100("deepseek-v3", |case| {
        let experts = Plan {
            ep: 32,
            ..plan(2, 4, 32)
        };
        let found = step_traffic(case, &experts).unwrap();
        let kinds: Vec<TrafficKind> = found.iter().map(|it| it.kind).collect();
        let (expert, data) = (TrafficKind::Expert, TrafficKind::Data);
        let layers = [TrafficKind::Tensor, expert, TrafficKind::Pipeline];
        assert_eq!(kinds, [&layers[..], &[data, data]].concat());
        // Dispatch spans nodes, so that gradients wait for it.
        let moments = concurrent(&experts, &found);
        assert_eq!(moments, [vec![0, 2, 3], vec![0, 2, 4], vec![1, 2]]);
    });
}

/// As fast as before without slowdowns; exposed traffic takes as many times longer, hidden traffic
/// comes out from under what hides it, and nothing is ever faster.
#[test]
fn slower_traffic_lengthens_a_step() {
    on_h100("llama-3.1-70b", |case| {
        for sharding in [Sharding::Optimizer, Sharding::Parameters] {
            let plan = Plan {
                sharding,
                ..plan(8, 4, 8)
            };
            let whole = measure(case, &plan).unwrap();
            assert_eq!(
                measure_slowed(case, &plan, &Slowdowns::NONE).unwrap(),
                whole
            );
            for (kind, part) in [
                (TrafficKind::Tensor, Part::TensorParallel),
                (TrafficKind::Pipeline, Part::PipelineTransfer),
                (TrafficKind::Data, Part::DataParallel),
            ] {
                let mut slowdowns = Slowdowns::NONE;
                slowdowns.raise(kind, 2.0);
                slowdowns.raise(kind, 1.5);
                let found = measure_slowed(case, &plan, &slowdowns).unwrap();
                let (slow, fast) = (found.parts.get(part), whole.parts.get(part));
                assert!(fast > Seconds::ZERO && found.step > whole.step);
                let times = slow / fast;
                if kind == TrafficKind::Data {
                    assert!(times >= 2.0, "{times}");
                } else {
                    assert!((times - 2.0).abs() < 1e-9, "{kind:?} {times}");
                }
                assert!((found.parts.total() / found.step - 1.0).abs() < 1e-12);
            }
        }
    });
}
