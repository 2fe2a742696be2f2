//! A plan reads back what it writes.

use chokepoint_model::Recompute;
use chokepoint_train::{
    ContextExchange, Offload, Plan, Schedule, Sharding, TensorExchange, TensorOverlap,
};
use chokepoint_units::NumberFormat;
use proptest::prelude::*;
use proptest::sample::select;

fn degree() -> impl Strategy<Value = u64> {
    prop_oneof![Just(1), 1_u64..5000]
}

fn offload() -> impl Strategy<Value = Offload> {
    any::<(bool, bool, bool)>().prop_map(|(weights, activations, optimizer)| Offload {
        weights,
        activations,
        optimizer,
    })
}

prop_compose! {
    fn plans()(
        (tp, cp, ep, etp) in (degree(), degree(), degree(), degree()),
        (pp, vp, dp, micro_batch) in (degree(), degree(), degree(), degree()),
        recompute in select(Recompute::ALL.to_vec()),
        schedule in select(Schedule::ALL.to_vec()),
        format in select(NumberFormat::ALL.to_vec()),
        tensor in select(TensorExchange::ALL.to_vec()),
        overlap_tp in select(TensorOverlap::ALL.to_vec()),
        context in select(ContextExchange::ALL.to_vec()),
        sharding in select(Sharding::ALL.to_vec()),
        shard in 0_u64..64,
        offload in offload(),
        (overlap_ep, overlap_dp, split_vocabulary, balanced) in any::<(bool, bool, bool, bool)>(),
    ) -> Plan {
        Plan {
            tp, cp, ep, etp, pp, vp, dp, micro_batch, recompute, schedule, format,
            // An exchange that nothing is exchanged by is not written.
            tensor: if tp > 1 { tensor } else { TensorExchange::Sequence },
            context: if cp > 1 { context } else { ContextExchange::Ring },
            overlap_tp, overlap_ep, sharding, shard, overlap_dp, offload, split_vocabulary, balanced,
        }
    }
}

proptest! {
    #[test]
    fn a_plan_reads_back_what_it_writes(plan in plans(), other in select(NumberFormat::ALL.to_vec())) {
        let text = plan.to_string();
        prop_assert_eq!(Plan::parse(&text, Plan::one(other)).unwrap(), plan, "{}", text);
        let commas = text.replace(' ', ",");
        prop_assert_eq!(Plan::parse(&commas, Plan::one(other)).unwrap(), plan);
        prop_assert!(Plan::names_dp(&text));
    }

    #[test]
    fn any_text_is_a_plan_or_says_what_is_not(text in "[a-z0-9=+, -]{0,40}") {
        if let Err(error) = Plan::parse(&text, Plan::one(NumberFormat::Bf16)) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
