//! Cache memory against published figures.

use chokepoint_model::Architecture;
use chokepoint_units::{Bytes, NumberFormat};

use crate::common::{QWEN25_72B, model};

#[test]
fn a_token_takes_what_table_1_says() {
    // arXiv 2505.09343 table 1: 70.272, 327.680 and 516.096 kB in BF16.
    let qwen = Architecture::from_config("qwen2.5-72b/config.json", QWEN25_72B).unwrap();
    for (model, bytes) in [
        (model("deepseek-v3"), 70_272.0),
        (qwen, 327_680.0),
        (model("llama-3.1-405b"), 516_096.0),
    ] {
        let found = model.kv_bytes_per_token(NumberFormat::Bf16);
        assert_eq!(found, Bytes::new(bytes), "{}", model.name);
        assert_eq!(
            model.kv_bytes_per_token(NumberFormat::Fp8),
            Bytes::new(bytes / 2.0)
        );
        assert_eq!(
            model.kv_bytes(NumberFormat::Bf16, 1, 1000.0),
            Bytes::new(bytes * 1000.0)
        );
    }
}

#[test]
fn heads_spread_until_there_is_one_a_chip() {
    let llama = model("llama-3.1-8b").kinds[0].attention;
    let on = |tp| llama.cache_bytes_per_token(NumberFormat::Bf16, tp).get();
    assert_eq!(
        [on(1), on(4), on(8), on(16)].map(|bytes| bytes as u64),
        [4096, 1024, 512, 512]
    );
    let latent = model("deepseek-v3").kinds[0].attention;
    let whole = latent.cache_bytes_per_token(NumberFormat::Bf16, 1);
    assert_eq!(latent.cache_bytes_per_token(NumberFormat::Bf16, 16), whole);
}

#[test]
fn a_window_keeps_no_more_than_it_shows() {
    let oss = model("gpt-oss-120b");
    let full = oss.kv_bytes_per_token(NumberFormat::Bf16).get();
    assert_eq!(
        oss.kv_bytes(NumberFormat::Bf16, 1, 100.0),
        Bytes::new(full * 100.0)
    );
    let long = oss.kv_bytes(NumberFormat::Bf16, 1, 10_000.0);
    assert_eq!(long, Bytes::new(full / 2.0 * (10_000.0 + 128.0)));
}
