//! A plan reads back what it writes.

use chokepoint_chip::Precision;
use chokepoint_serve::{Layout, Plan, PlanTextError, Pool};
use chokepoint_units::NumberFormat;
use proptest::prelude::*;
use proptest::sample::select;

fn degree() -> impl Strategy<Value = u64> {
    prop_oneof![Just(1), 1_u64..5000]
}

fn format() -> impl Strategy<Value = NumberFormat> {
    select(NumberFormat::ALL.to_vec())
}

prop_compose! {
    fn pools()(
        (instances, tp, pp, dp) in (degree(), degree(), degree(), degree()),
        (ep, etp, batch) in (degree(), degree(), degree()),
    ) -> Pool {
        // Where experts are whole on every chip, all chips share each: `etp` is not written.
        let etp = if ep > 1 { etp } else { tp * dp };
        Pool { instances, layout: Layout { tp, pp, dp, ep, etp }, batch }
    }
}

prop_compose! {
    fn plans()(
        (decode, prefill) in (pools(), prop::option::of(pools())),
        uniform in any::<bool>(),
        (attention, feed_forward, experts, cache) in (format(), format(), format(), format()),
    ) -> Plan {
        let precision = if uniform {
            Precision::uniform(attention, cache)
        } else {
            let inputs = attention;
            let mixed = Precision { attention, feed_forward, experts, inputs, cache };
            // Wider inputs are written; others are those of the narrowest weights.
            let widened = inputs.bits() > mixed.narrowest().bits();
            Precision { inputs: if widened { inputs } else { mixed.narrowest() }, ..mixed }
        };
        Plan { decode, prefill, precision }
    }
}

proptest! {
    #[test]
    fn a_plan_reads_back_what_it_writes(plan in plans(), other in format()) {
        let rest = Precision::uniform(other, other);
        let text = plan.to_string();
        prop_assert_eq!(Plan::parse(&text, rest), Ok(plan), "{}", text);
        let commas = text.replace(' ', ",");
        prop_assert_eq!(Plan::parse(&commas, rest), Ok(plan), "{}", commas);
        let spaces = text.replace(' ', "  ");
        prop_assert_eq!(Plan::parse(&spaces, rest), Ok(plan), "{}", spaces);
    }

    #[test]
    fn any_text_is_a_plan_or_says_what_is_not(text in "[a-z0-9=x\\[\\], ]{0,60}") {
        let rest = Precision::uniform(NumberFormat::Fp8, NumberFormat::Bf16);
        if let Err(error) = Plan::parse(&text, rest) {
            prop_assert!(!error.to_string().is_empty());
            let inside = |part: &str| text.contains(part) || ["prefill", "decode"].contains(&part);
            prop_assert!(error.part().is_none_or(inside), "{:?}", error);
        }
    }
}

const REST: Precision = Precision::uniform(NumberFormat::Fp8, NumberFormat::Bf16);

#[test]
fn what_is_left_out_is_one_or_as_before() {
    let plan = Plan::parse("[tp=8]", REST).unwrap();
    let pool = Pool {
        instances: 1,
        layout: Layout::tensor(8),
        batch: 1,
    };
    assert_eq!((plan.decode, plan.prefill), (pool, None));
    assert_eq!(plan.precision, REST);
    let plan = Plan::parse("2x[tp=2 dp=4 ep=8 batch=3] kv=fp8 experts=fp4", REST).unwrap();
    assert_eq!(plan.decode.layout, Layout::expert(2, 4));
    assert_eq!(plan.chips(), 16);
    assert_eq!(plan.precision.attention, NumberFormat::Fp8);
    assert_eq!(plan.precision.experts, NumberFormat::Fp4);
    assert_eq!(plan.precision.cache, NumberFormat::Fp8);
    // A pool that only prefills may stand after the other.
    let plan = Plan::parse("2x[tp=8 batch=3] prefill [tp=4] bf16", REST).unwrap();
    assert_eq!(plan.prefill.map(|pool| pool.chips()), Some(4));
    assert_eq!(
        plan.to_string(),
        "prefill 1x[tp=4 batch=1] decode 2x[tp=8 batch=3] bf16 kv=bf16"
    );
}

#[test]
fn what_is_wrong_is_named() {
    let error = |text: &str| Plan::parse(text, REST).unwrap_err();
    assert_eq!(error("fp8 kv=fp8"), PlanTextError::NoDecode);
    assert_eq!(error("prefill 2x[tp=1]"), PlanTextError::NoDecode);
    assert_eq!(error("2x[tp=8"), PlanTextError::Pool("2x[tp=8".to_owned()));
    assert_eq!(
        error("2y[tp=8]"),
        PlanTextError::Pool("2y[tp=8]".to_owned())
    );
    assert_eq!(
        error("[tp=1] [tp=2]"),
        PlanTextError::Twice("decode".to_owned())
    );
    assert_eq!(error("[tp=1 tp=2]"), PlanTextError::Twice("tp".to_owned()));
    for text in [
        "[tp=0]",
        "[tp=-1]",
        "[tp=many]",
        "[tp]",
        "0x[tp=1]",
        "[tp=1.5]",
    ] {
        assert!(
            matches!(error(text), PlanTextError::Number { .. }),
            "{text}"
        );
    }
    for (text, word) in [
        ("[tpp=8]", "tpp"),
        ("[tp=8] fp9", "fp9"),
        ("[tp=8] cache=fp8", "cache"),
    ] {
        let found = error(text);
        let (unknown, known) = found.unknown().unwrap();
        assert_eq!(unknown, word);
        assert!(!known.is_empty());
    }
}
