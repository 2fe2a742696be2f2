//! The tables of aiconfigurator that curves are fitted on, and their rows.

use bytes::Bytes;
use chokepoint_diag::Diagnostic;
use chokepoint_units::NumberFormat;

use crate::shape::Shape;
use crate::table::{Kind, Table, Wanted};

/// Kinds of tables that are read; others are left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableKind {
    /// Plain products.
    Gemm,
    /// Modules of routed experts.
    Moe,
    /// Attention of prompts.
    Prefill,
    /// Attention over a cache.
    Decode,
    /// Attention of prompts from latents, expanded.
    LatentPrefill,
    /// Attention over a latent cache.
    LatentDecode,
}

impl TableKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Gemm,
        Self::Moe,
        Self::Prefill,
        Self::Decode,
        Self::LatentPrefill,
        Self::LatentDecode,
    ];

    /// Folder of its tables and start of their file's name.
    const fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Gemm => ("gemm", "gemm"),
            Self::Moe => ("moe", "moe"),
            Self::Prefill => ("attention", "context_attention"),
            Self::Decode => ("attention", "generation_attention"),
            Self::LatentPrefill => ("mla", "context_mla"),
            Self::LatentDecode => ("mla", "generation_mla"),
        }
    }

    /// Its name in calibration files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.place().1
    }

    /// Folder of its tables.
    #[must_use]
    pub const fn family(self) -> &'static str {
        self.place().0
    }

    /// The kind of a file in a folder.
    #[must_use]
    pub fn of(folder: &str, file: &str) -> Option<Self> {
        let stem = file.strip_suffix("_perf.parquet")?;
        Self::ALL
            .into_iter()
            .find(|kind| kind.place() == (folder, stem))
    }

    fn wanted(self) -> Vec<Wanted> {
        const fn words(name: &'static str) -> Wanted {
            Wanted {
                name,
                kind: Kind::Words,
            }
        }
        const fn numbers(name: &'static str) -> Wanted {
            Wanted {
                name,
                kind: Kind::Numbers,
            }
        }
        const fn zero(name: &'static str) -> Wanted {
            Wanted {
                name,
                kind: Kind::NumbersOr(0.0),
            }
        }
        let (text, figures): (&[_], &[_]) = match self {
            Self::Gemm => (&["gemm_dtype"], &["m", "n", "k"]),
            Self::Moe => (
                &["moe_dtype", "distribution", "kernel_source"],
                &[
                    "num_tokens",
                    "hidden_size",
                    "inter_size",
                    "topk",
                    "num_experts",
                    "moe_tp_size",
                    "moe_ep_size",
                ],
            ),
            Self::Prefill => (
                &["attn_dtype", "kv_cache_dtype"],
                &[
                    "batch_size",
                    "isl",
                    "num_heads",
                    "num_key_value_heads",
                    "head_dim",
                ],
            ),
            Self::Decode => (
                &["kv_cache_dtype"],
                &[
                    "batch_size",
                    "num_heads",
                    "num_key_value_heads",
                    "head_dim",
                    "step",
                ],
            ),
            Self::LatentPrefill => (
                &["mla_dtype", "kv_cache_dtype"],
                &["batch_size", "isl", "num_heads"],
            ),
            Self::LatentDecode => (
                &["mla_dtype", "kv_cache_dtype"],
                &["batch_size", "num_heads", "step"],
            ),
        };
        let mut wanted: Vec<Wanted> = text.iter().map(|name| words(name)).collect();
        wanted.extend(figures.iter().map(|name| numbers(name)));
        wanted.push(numbers("latency"));
        match self {
            Self::Prefill => wanted.extend([zero("window_size"), zero("step")]),
            Self::Decode => wanted.push(zero("window_size")),
            Self::LatentPrefill => wanted.push(zero("step")),
            Self::Gemm | Self::Moe | Self::LatentDecode => {}
        }
        wanted
    }
}

/// One file of tables.
#[derive(Debug, Clone)]
pub struct TableFile {
    /// What it measures.
    pub kind: TableKind,
    /// Engine whose kernels ran.
    pub engine: String,
    /// Its release.
    pub version: String,
    /// Name for messages.
    pub file: String,
    /// The file.
    pub bytes: Bytes,
}

/// One measured kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Its shape.
    pub shape: Shape,
    /// Format of its operands or of its cache.
    pub format: NumberFormat,
    /// Whether weights have a scale for each block.
    pub blocks: bool,
    /// Its time.
    pub seconds: f64,
}

/// The rows of a file that curves are fitted on.
///
/// # Errors
/// When the file cannot be read or lacks a column.
pub(crate) fn rows(file: &TableFile) -> Result<Vec<Measured>, Diagnostic> {
    let table = Table::read(&file.file, file.bytes.clone(), &file.kind.wanted())?;
    let measured = (0..table.rows()).filter_map(|row| {
        let seconds = table.number("latency", row) * 1e-3;
        let (shape, dtype) = match file.kind {
            TableKind::Gemm => product(&table, row),
            TableKind::Moe => experts(&table, row),
            TableKind::Prefill => prefill(&table, row),
            TableKind::Decode => decode(&table, row),
            TableKind::LatentPrefill => latent_prefill(&table, row),
            TableKind::LatentDecode => latent_decode(&table, row),
        }?;
        let (format, blocks) = format(dtype)?;
        (seconds > 0.0 && seconds.is_finite()).then_some(Measured {
            shape,
            format,
            blocks,
            seconds,
        })
    });
    Ok(measured.collect())
}

/// Formats with curves; others (weights alone in 4 or 8 bits) are left.
fn format(dtype: &str) -> Option<(NumberFormat, bool)> {
    match dtype {
        "bfloat16" => Some((NumberFormat::Bf16, false)),
        "fp8" => Some((NumberFormat::Fp8, false)),
        "fp8_block" => Some((NumberFormat::Fp8, true)),
        "nvfp4" => Some((NumberFormat::Fp4, false)),
        _ => None,
    }
}

/// Products of at least 128 columns and depth and a quarter of a million weights: smaller ones no
/// model has.
fn product(table: &Table, row: usize) -> Option<(Shape, &str)> {
    let [rows, columns, depth] = ["m", "n", "k"].map(|name| table.whole(name, row));
    let weights = f64::from(columns) * f64::from(depth);
    let shape = Shape::Product {
        rows,
        columns,
        depth,
    };
    let kept = rows > 0 && columns >= 128 && depth >= 128 && weights >= 2.5e5;
    kept.then_some((shape, table.word("gemm_dtype", row)))
}

/// Gated modules with even routing and without expert parallelism, from 256 columns an expert.
fn experts(table: &Table, row: usize) -> Option<(Shape, &str)> {
    let number = |name| table.whole(name, row);
    let inner = number("inter_size").checked_div(number("moe_tp_size"))?;
    let shape = Shape::Experts {
        tokens: number("num_tokens"),
        hidden: number("hidden_size"),
        inner,
        choices: number("topk"),
        experts: number("num_experts"),
    };
    let kept = number("moe_ep_size") == 1
        && inner >= 256
        && number("num_tokens") > 0
        && number("topk") > 0
        && number("num_experts") > 0
        && number("hidden_size") > 0
        && table.word("distribution", row) == "balanced"
        && !table.word("kernel_source", row).contains("nongated");
    kept.then_some((shape, table.word("moe_dtype", row)))
}

/// 16-bit prompts of at least 16 tokens without a window, heads of 64 and 128.
fn prefill(table: &Table, row: usize) -> Option<(Shape, &str)> {
    let head = table.whole("head_dim", row);
    let shape = Shape::Prefill {
        batch: table.whole("batch_size", row),
        query: table.whole("isl", row),
        heads: table.whole("num_heads", row),
        kv_heads: table.whole("num_key_value_heads", row),
        key: head,
        value: head,
    };
    let kept = matches!(head, 64 | 128)
        && table.whole("isl", row) >= 16
        && table.whole("batch_size", row) > 0
        && table.whole("num_heads", row) > 0
        && without_window(table, row)
        && table.whole("step", row) == 0
        && table.word("kv_cache_dtype", row) == "bfloat16"
        && table.word("attn_dtype", row) == "bfloat16";
    kept.then_some((shape, table.word("attn_dtype", row)))
}

/// Expanded latents: keys of 192, values of 128, as many heads of each as of queries.
fn latent_prefill(table: &Table, row: usize) -> Option<(Shape, &str)> {
    let heads = table.whole("num_heads", row);
    let shape = Shape::Prefill {
        batch: table.whole("batch_size", row),
        query: table.whole("isl", row),
        heads,
        kv_heads: heads,
        key: 192,
        value: 128,
    };
    let kept = heads > 0
        && table.whole("isl", row) >= 16
        && table.whole("batch_size", row) > 0
        && table.whole("step", row) == 0
        && table.word("kv_cache_dtype", row) == "bfloat16"
        && table.word("mla_dtype", row) == "bfloat16";
    kept.then_some((shape, table.word("mla_dtype", row)))
}

/// Heads of 128 without a window, 4 to 16 query heads for each key head.
fn decode(table: &Table, row: usize) -> Option<(Shape, &str)> {
    let [heads, kv_heads] = ["num_heads", "num_key_value_heads"].map(|n| table.whole(n, row));
    let shape = Shape::Decode {
        batch: table.whole("batch_size", row),
        keys: table.whole("step", row).checked_add(1)?,
        heads,
        kv_heads,
    };
    let kept = table.whole("head_dim", row) == 128
        && table.whole("batch_size", row) > 0
        && kv_heads > 0
        && (4..=16).contains(&(heads / kv_heads))
        && heads % kv_heads == 0
        && without_window(table, row);
    kept.then_some((shape, table.word("kv_cache_dtype", row)))
}

fn latent_decode(table: &Table, row: usize) -> Option<(Shape, &str)> {
    let shape = Shape::Latent {
        batch: table.whole("batch_size", row),
        keys: table.whole("step", row).checked_add(1)?,
        heads: table.whole("num_heads", row),
    };
    let kept = table.whole("batch_size", row) > 0
        && table.whole("num_heads", row) > 0
        && table.word("mla_dtype", row) == "bfloat16";
    kept.then_some((shape, table.word("kv_cache_dtype", row)))
}

/// No window: zero, -1 or not given.
fn without_window(table: &Table, row: usize) -> bool {
    let window = table.number("window_size", row);
    window <= 0.0 || window.is_nan()
}
