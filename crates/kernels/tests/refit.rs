//! Curves that are known come back from tables made with them; tables that cannot be read say why.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[path = "../../../tests/support/shared.rs"]
mod shared;

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use chokepoint_catalog::{Calibration, Catalog, Chip, EngineKernel};
use chokepoint_chip::{ChipSpec, Curve, Precision};
use chokepoint_kernels::{
    ChipFit, Measurement, TableFile, TableKind, Verdict, compare, differences, refit,
    refit_measured, write,
};
use chokepoint_model::{AttentionPhase, GemmClass, GemmPass, Operator};
use chokepoint_units::{NumberFormat, Ops, Seconds};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use shared::catalog;

static CATALOG: LazyLock<Catalog> = LazyLock::new(catalog);

const BF16: Precision = Precision::uniform(NumberFormat::Bf16, NumberFormat::Bf16);

fn h100() -> (&'static Chip, &'static Calibration) {
    (
        CATALOG.chip("h100-sxm").unwrap(),
        CATALOG.calibration("h100-sxm").unwrap(),
    )
}

/// A column of a table made for a test.
enum Made {
    Words(&'static str, Vec<&'static str>),
    Whole(&'static str, Vec<i64>),
    /// Whole numbers of which some are not given.
    Gaps(&'static str, Vec<Option<i64>>),
    Real(&'static str, Vec<f64>),
}

/// A Parquet file, compressed as those of aiconfigurator are.
fn parquet(columns: &[Made]) -> Bytes {
    let lines: Vec<String> = columns
        .iter()
        .map(|column| match column {
            Made::Words(name, _) => format!("REQUIRED BYTE_ARRAY {name} (UTF8);"),
            Made::Whole(name, _) => format!("REQUIRED INT64 {name};"),
            Made::Gaps(name, _) => format!("OPTIONAL INT64 {name};"),
            Made::Real(name, _) => format!("OPTIONAL DOUBLE {name};"),
        })
        .collect();
    let schema = parse_message_type(&format!("message table {{ {} }}", lines.join(" "))).unwrap();
    let zstd = Compression::ZSTD(parquet::basic::ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(zstd).build();
    let mut out = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut out, Arc::new(schema), Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for column in columns {
        let mut writer = group.next_column().unwrap().unwrap();
        match column {
            Made::Words(_, words) => {
                let values: Vec<ByteArray> =
                    words.iter().map(|word| ByteArray::from(*word)).collect();
                writer
                    .typed::<ByteArrayType>()
                    .write_batch(&values, None, None)
            }
            Made::Whole(_, numbers) => writer.typed::<Int64Type>().write_batch(numbers, None, None),
            Made::Gaps(_, numbers) => {
                let levels: Vec<i16> = numbers.iter().map(|n| i16::from(n.is_some())).collect();
                let values: Vec<i64> = numbers.iter().copied().flatten().collect();
                writer
                    .typed::<Int64Type>()
                    .write_batch(&values, Some(&levels), None)
            }
            Made::Real(_, numbers) => {
                let levels = vec![1; numbers.len()];
                writer
                    .typed::<DoubleType>()
                    .write_batch(numbers, Some(&levels), None)
            }
        }
        .unwrap();
        writer.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    Bytes::from(out)
}

fn file(kind: TableKind, engine: &str, bytes: Bytes) -> TableFile {
    TableFile {
        kind,
        engine: engine.to_owned(),
        version: "1.0".to_owned(),
        file: format!("h100_sxm/{}/{engine}/1.0/made.parquet", kind.family()),
        bytes,
    }
}

/// Sizes of products: rows, columns, depth.
fn sizes() -> Vec<[i64; 3]> {
    let mut sizes = Vec::new();
    for rows in [1, 8, 33, 64, 200, 256, 700, 1024, 3000, 4096, 8192] {
        for columns in [512, 1024, 2560, 4096, 8192] {
            for depth in [512, 2048, 4096, 7168, 16384] {
                sizes.push([rows, columns, depth]);
            }
        }
    }
    sizes
}

/// A table of products whose times are those of a chip, times a factor.
fn products(chip: &ChipSpec, factor: f64) -> Bytes {
    let sizes = sizes();
    let time = |[m, n, k]: &[i64; 3]| {
        let operator = Operator::Gemm {
            class: GemmClass::FeedForward,
            pass: GemmPass::Forward,
            m: *m as f64,
            n: *n as f64,
            k: *k as f64,
            groups: 1.0,
        };
        chip.operator(&operator, &BF16).total.get() * 1e3 * factor
    };
    let whole = |axis: usize| sizes.iter().map(|size| size[axis]).collect();
    parquet(&[
        Made::Words("gemm_dtype", vec!["bfloat16"; sizes.len()]),
        Made::Whole("m", whole(0)),
        Made::Whole("n", whole(1)),
        Made::Whole("k", whole(2)),
        Made::Real("latency", sizes.iter().map(time).collect()),
    ])
}

/// A table of attention over caches whose times are those of a chip; odd rows have no window given.
fn decoding(chip: &ChipSpec) -> Bytes {
    let mut sizes = Vec::new();
    for batch in [1, 2, 8, 32, 128, 512] {
        for keys in [64, 256, 1024, 4096, 16384, 65536] {
            for kv_heads in [1, 2, 4, 8] {
                sizes.push([batch, keys, kv_heads]);
            }
        }
    }
    let time = |size: &[i64; 3]| {
        let [batch, keys, kv_heads] = size.map(|size| size as f64);
        let operator = Operator::Attention {
            phase: AttentionPhase::Decode,
            batch,
            query_tokens: 1.0,
            context: keys,
            heads: kv_heads * 8.0,
            kv_heads,
            qk_dim: 128.0,
            value_dim: 128.0,
            causal: false,
            window: None,
            ops: Ops::new(batch * kv_heads * 8.0 * keys * 512.0),
            cache_elements: batch * keys * kv_heads * 256.0,
        };
        chip.operator(&operator, &BF16).total.get() * 1e3
    };
    let whole = |from: fn(&[i64; 3]) -> i64| sizes.iter().map(from).collect();
    let windows = (0..sizes.len())
        .map(|row| (row % 2 == 0).then_some(0))
        .collect();
    parquet(&[
        Made::Words("kv_cache_dtype", vec!["bfloat16"; sizes.len()]),
        Made::Whole("batch_size", whole(|size| size[0])),
        Made::Whole("step", whole(|size| size[1] - 1)),
        Made::Whole("num_heads", whole(|size| size[2] * 8)),
        Made::Whole("num_key_value_heads", whole(|size| size[2])),
        Made::Whole("head_dim", vec![128; sizes.len()]),
        Made::Gaps("window_size", windows),
        Made::Real("latency", sizes.iter().map(time).collect()),
    ])
}

/// H100 with other curves, and its tables: two engines, one 1.5 times slower in products.
fn made() -> (ChipSpec, Vec<TableFile>) {
    let (chip, curves) = h100();
    let mut spec = ChipSpec::new(chip, curves).unwrap();
    let mut gemm = curves.gemm[&NumberFormat::Bf16];
    gemm.compute = 0.7;
    gemm.memory = 0.8;
    gemm.launch = Seconds::new(5e-6);
    gemm.prologue = 200.0;
    gemm.split = Some(2000.0);
    spec.set_curve(NumberFormat::Bf16, Curve::Gemm(gemm));
    let mut decode = curves.attention_decode[&NumberFormat::Bf16];
    decode.peak = 0.8;
    decode.half = 2e7;
    decode.launch = Seconds::new(6e-6);
    decode.tile = Some(Seconds::new(3e-6));
    spec.set_curve(NumberFormat::Bf16, Curve::Decode(decode));
    let files = vec![
        file(TableKind::Gemm, "quick", products(&spec, 1.0)),
        file(TableKind::Gemm, "slow", products(&spec, 1.5)),
        file(TableKind::Decode, "quick", decoding(&spec)),
    ];
    (spec, files)
}

fn fitted() -> ChipFit {
    let (chip, present) = h100();
    refit(chip, present, &made().1).unwrap()
}

fn near(name: &str, value: f64, expected: f64, tolerance: f64) {
    assert!(
        (value / expected - 1.0).abs() <= tolerance,
        "{name}: {value} instead of {expected}"
    );
}

#[test]
fn known_coefficients_come_back() {
    let fit = fitted();
    let gemm = &fit.calibration.gemm[&NumberFormat::Bf16];
    near("compute", gemm.compute, 0.7, 0.01);
    near("memory", gemm.memory, 0.8, 0.01);
    near("launch", gemm.launch.get(), 5e-6, 0.02);
    near("prologue", gemm.prologue, 200.0, 0.05);
    near("split", gemm.split.unwrap(), 2000.0, 0.05);
    assert!(gemm.median_error < 0.005, "{}", gemm.median_error);
    // FP16 runs like BF16; formats without tables keep what they have.
    assert_eq!(fit.calibration.gemm[&NumberFormat::Fp16], *gemm);
    let present = h100().1;
    let fp8 = NumberFormat::Fp8;
    assert_eq!(fit.calibration.gemm[&fp8], present.gemm[&fp8]);
    let decode = &fit.calibration.attention_decode[&NumberFormat::Bf16];
    near("peak", decode.peak, 0.8, 0.02);
    near("half", decode.half, 2e7, 0.1);
    near("tile", decode.tile.unwrap().get(), 3e-6, 0.1);
    assert!(decode.median_error < 0.01, "{}", decode.median_error);
    assert!(
        fit.classes
            .iter()
            .all(|class| class.verdict == Verdict::Replaced)
    );
}

#[test]
fn engines_differ_by_their_factor() {
    let fit = fitted();
    let factor = |engine: &str, class, rows| {
        fit.calibration
            .engine_factor(engine, class, NumberFormat::Bf16, rows)
    };
    for rows in [1.0, 100.0, 1000.0, 1e6] {
        near(
            "quick",
            factor("quick", EngineKernel::Gemm, rows),
            1.0,
            0.015,
        );
        near("slow", factor("slow", EngineKernel::Gemm, rows), 1.5, 0.015);
    }
    // What was not measured is the curve's.
    let one = |factor: f64| assert!((factor - 1.0).abs() < 1e-12, "{factor}");
    one(factor("slow", EngineKernel::Decode, 1.0));
    one(factor("other", EngineKernel::Gemm, 1.0));
}

#[test]
fn a_second_refit_changes_nothing() {
    let (chip, _) = h100();
    let first = fitted().calibration;
    let again = refit(chip, &first, &made().1).unwrap();
    assert_eq!(differences(&first, &again.calibration), []);
    assert!(
        again
            .classes
            .iter()
            .all(|class| class.verdict == Verdict::Stays)
    );
    assert!(!differences(h100().1, &first).is_empty());
}

#[test]
fn what_is_held_and_left_out_stays() {
    let (chip, present) = h100();
    let mut ruled = present.clone();
    let rules = ruled.refit.as_mut().unwrap();
    rules.held = vec!["attention_decode".to_owned(), "gemm.compute".to_owned()];
    rules.left_out = vec!["gemm/slow".to_owned()];
    let fit = refit(chip, &ruled, &made().1).unwrap();
    let bf16 = NumberFormat::Bf16;
    assert_eq!(
        fit.calibration.attention_decode[&bf16],
        present.attention_decode[&bf16]
    );
    near(
        "held",
        fit.fitted.gemm[&bf16].compute,
        present.gemm[&bf16].compute,
        1e-3,
    );
    assert!(!fit.calibration.engine.contains_key("slow"));
}

#[test]
fn a_written_file_says_what_was_fitted_and_keeps_the_rest() {
    let text = "# of H100\nschema = 1\nid = \"h100-sxm\"\nstream = 0.9\n\n[gemm]\nold = 1\n\n\
                [power]\nidle = \"1 W\"\n\n# eight ranks\n[[collective]]\nranks = 8\n";
    let fit = fitted();
    let written = write(text, &fit.calibration);
    assert!(!written.contains("old = 1"));
    assert!(written.starts_with("# of H100\nschema = 1\nid = \"h100-sxm\"\nstream = 0.9\n"));
    let rest = "[power]\nidle = \"1 W\"\n\n# eight ranks\n[[collective]]\nranks = 8\n";
    assert!(written.ends_with(rest));
    let table: toml::Table = toml::from_str(&written).unwrap();
    let engine = &table["engine"]["slow"]["gemm"]["bf16"];
    assert_eq!(engine.as_array().unwrap().len(), 4);
    assert_eq!(table["refit"]["chip"].as_str(), Some("h100-sxm"));
    // What was written once is written again the same.
    assert_eq!(write(&written, &fit.calibration), written);
}

#[test]
fn bad_tables_are_explained() {
    let (chip, present) = h100();
    let message = |files: &[TableFile]| refit(chip, present, files).unwrap_err().message;
    let text = file(
        TableKind::Gemm,
        "quick",
        Bytes::from_static(b"no table at all"),
    );
    assert!(
        message(&[text]).starts_with("cannot read h100_sxm/gemm/quick/1.0/made.parquet as Parquet")
    );
    let missing = parquet(&[
        Made::Words("gemm_dtype", vec!["bfloat16"]),
        Made::Whole("m", vec![1]),
        Made::Whole("k", vec![1]),
        Made::Real("latency", vec![1.0]),
    ]);
    assert_eq!(
        message(&[file(TableKind::Gemm, "quick", missing)]),
        "h100_sxm/gemm/quick/1.0/made.parquet has no column \"n\""
    );
    let words = parquet(&[
        Made::Words("gemm_dtype", vec!["bfloat16"]),
        Made::Words("m", vec!["one"]),
        Made::Whole("n", vec![1]),
        Made::Whole("k", vec![1]),
        Made::Real("latency", vec![1.0]),
    ]);
    assert!(message(&[file(TableKind::Gemm, "quick", words)]).contains("column \"m\""));
    let whole = products(&made().0, 1.0);
    for cut in [whole.len() / 3, whole.len() - 9] {
        let broken = file(TableKind::Gemm, "quick", whole.slice(..cut));
        assert!(message(&[broken]).contains("as Parquet"));
    }
    assert_eq!(
        message(&[]),
        "there are no or too few 16-bit products of h100-sxm"
    );
}

/// A user's own file with products as a chip with other curves has them, and one prompt.
fn own() -> Measurement {
    let (spec, _) = made();
    let mut text = String::from(
        "# gpu: Made-up GPU\nkernel,format,library,m,n,k,groups,batch,query,keys,heads,kv_heads,head,bytes,seconds,power_watts\n",
    );
    for [m, n, k] in sizes() {
        let operator = Operator::Gemm {
            class: GemmClass::FeedForward,
            pass: GemmPass::Forward,
            m: m as f64,
            n: n as f64,
            k: k as f64,
            groups: 1.0,
        };
        let seconds = spec.operator(&operator, &BF16).total.get();
        text += &format!("gemm,bf16,torch,{m},{n},{k},,,,,,,,,{seconds},\n");
    }
    text += "prefill,bf16,torch,,,,,1,4096,,32,8,128,,0.001,\n";
    Measurement::parse("own.csv", &text).unwrap()
}

/// Predicted power lies between that of an idle chip and its limit, and large products draw more than
/// small ones.
#[test]
fn kernels_beside_measured_ones_have_a_power() {
    let (chip, present) = h100();
    let rows = "kernel,format,m,n,k,groups,batch,query,keys,heads,kv_heads,head,bytes,seconds,power_watts\ngemm,bf16,64,512,512,,,,,,,,,1e-5,200\ngemm,bf16,8192,8192,8192,,,,,,,,,2e-3,690\n";
    let own = Measurement::parse("own.csv", rows).unwrap();
    let found = compare(chip, present, &own).unwrap();
    let watts = |row: usize| found.rows[row].predicted_power.unwrap().get();
    assert!(
        watts(0) > 100.0 && watts(1) <= 700.0,
        "{} {}",
        watts(0),
        watts(1)
    );
    assert!(watts(1) > 1.5 * watts(0), "{} {}", watts(0), watts(1));
    assert!(found.classes[0].power.is_some());
}

#[test]
fn curves_come_back_from_a_users_own_kernels() {
    let (chip, present) = h100();
    let found = refit_measured(chip, present, &own()).unwrap();
    let [class] = &found.classes[..] else {
        panic!("one prompt fits no curve: {:?}", found.classes);
    };
    assert_eq!(class.class, EngineKernel::Gemm);
    assert_eq!(class.verdict, Verdict::Replaced);
    assert!(
        class.after.median < 0.01 && class.before.median > 0.05,
        "{class:?}"
    );
    assert_eq!(found.calibration.engine, present.engine);
    let after = compare(chip, &found.calibration, &own()).unwrap();
    let gemm = after.classes.iter().find(|class| class.kernel == "gemm");
    assert!(gemm.unwrap().time.median < 0.01, "{gemm:?}");
    let few = Measurement::parse(
        "few.csv",
        "kernel,format,m,n,k,groups,batch,query,keys,heads,kv_heads,head,bytes,seconds,power_watts\ngemm,bf16,64,512,512,,,,,,,,,1e-5,\n",
    );
    let error = refit_measured(chip, present, &few.unwrap()).unwrap_err();
    assert!(error.message.contains("too few 16-bit products"), "{error}");
}
