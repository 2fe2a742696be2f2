//! Time of one kernel.

use chokepoint_catalog::{DecodeCurve, GemmCurve};
use chokepoint_units::{Bytes, NumberFormat, Ops, OpsRate, Seconds};

use crate::spec::pick;
use crate::{ChipSpec, PowerDraw};

/// Classes of kernels that are calibrated apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KernelClass {
    /// Plain matrix multiplication.
    Gemm,
    /// Grouped (expert) matrix multiplication.
    GroupedGemm,
    /// Attention of many query tokens.
    Prefill,
    /// Attention of one query token over a cache.
    Decode,
    /// Elementwise work bound by memory.
    Stream,
}

/// What limits a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Arithmetic.
    Compute,
    /// Memory bandwidth.
    Memory,
    /// Fixed time.
    Launch,
}

/// Time of one kernel and what it is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KernelTime {
    /// Whole time.
    pub total: Seconds,
    /// What limits it.
    pub bound: Bound,
    /// Class for the interval.
    pub class: KernelClass,
    /// What its arithmetic takes at the peak, for energy.
    pub arithmetic: Seconds,
    /// What its bytes take at the full bandwidth of the memory, for energy.
    pub traffic: Seconds,
}

impl KernelTime {
    /// What it does, for energy.
    #[must_use]
    pub fn draw(&self) -> PowerDraw {
        PowerDraw {
            busy: self.total,
            compute: self.arithmetic,
            memory: self.traffic,
            ..PowerDraw::default()
        }
    }
}

/// A matrix multiplication, plain or grouped, as the processors see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Product {
    /// Rows of the result of one group.
    pub rows: f64,
    /// Columns of the result of one group.
    pub columns: f64,
    /// Depth of one group.
    pub depth: f64,
    /// Groups; 1 for a plain product.
    pub groups: f64,
    /// Read and written.
    pub bytes: Bytes,
    /// Elements of 16 bits that are narrowed to the format before; counted for narrow formats only.
    pub narrowed: f64,
    /// Efficiency over that of a forward product.
    pub efficiency: f64,
}

impl Product {
    /// Operations on its elements alone.
    fn ops(&self) -> Ops {
        Ops::new(2.0 * self.groups * self.rows * self.columns * self.depth)
    }
}

/// Fused attention of many query tokens as the processors see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Sequences times query heads.
    pub heads: f64,
    /// Query tokens of each sequence.
    pub query: f64,
    /// Keys that a query token sees, on average.
    pub keys: f64,
    /// Width of a query and key head plus that of a value head.
    pub width: f64,
    /// Work over that of a forward pass.
    pub passes: f64,
    /// Read and written.
    pub bytes: Bytes,
}

/// A cache as attention of one query token of each sequence reads it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CacheRead {
    /// Operations.
    pub ops: Ops,
    /// Cache, queries and results.
    pub bytes: Bytes,
    /// Sequences times key heads.
    pub tiles: f64,
    /// Format of the cache.
    pub format: NumberFormat,
}

/// Fixed time of an elementwise kernel: the smallest static quantisations to FP8 take 1.3 to 2.2 us
/// on H200 and B200 (aiconfigurator 0.12.0, `quantize`, TensorRT-LLM and vLLM).
const ELEMENTWISE_LAUNCH: Seconds = Seconds::new(1.8e-6);

/// Rows and columns of a tile of a product. Libraries choose among tiles of 64 to 256; over their
/// choices the quantum that remains is that of the smallest (larger ones and sets of up to seven
/// fit the tables no better).
const TILE: f64 = 64.0;

/// Query tokens of a tile of attention (`FlashAttention`-2 and later).
const QUERY_TILE: f64 = 128.0;

impl ChipSpec {
    /// A matrix multiplication: launch + narrowing + |compute, memory|. Plain products overlap the
    /// two as (c^3 + m^3)^(1/3), grouped ones as (c^2 + m^2)^(1/2).
    ///
    /// compute = waves x 2 x 64^2 x (depth + prologue) / rate of one processor, with t / P tiles
    /// for each of P processors and waves = (t/P + ceil(t/P)) / 2: half of the last wave's idle
    /// time is hidden by smaller tiles and split depth. With fewer tiles than processors there is
    /// one wave, whose depth idle processors share down to pieces of `split`. A group of r rows
    /// pays for ceil(r / 64) tiles of rows: an expert with 8 rows costs what 64 cost. Narrow
    /// formats first narrow their 16-bit input. Parameters: the chip's calibration in the format.
    ///
    /// Sources: the files in `data/calibration`. Limits: one tile for all chips; even rows over
    /// groups; the files state the error of each fit. A format without a curve takes the one
    /// nearest in width; a chip whose processors are not published has no tiles.
    #[must_use]
    pub fn gemm(&self, product: &Product, format: NumberFormat, grouped: bool) -> KernelTime {
        let (curves, class) = if grouped {
            (&self.grouped, KernelClass::GroupedGemm)
        } else {
            (&self.gemm, KernelClass::Gemm)
        };
        let format = self.arithmetic(format);
        let Some(curve) = pick(curves, format) else {
            return self.stream(product.bytes);
        };
        let compute = Limit {
            full: self.tiled(product, curve) / self.rate(format),
            share: self.share(curve.compute) * product.efficiency,
        };
        let memory = Limit {
            full: product.bytes / self.bandwidth,
            share: curve.memory,
        };
        let work = if grouped {
            overlap_square(compute.time(), memory.time())
        } else {
            overlap_cube(compute.time(), memory.time())
        };
        let narrowing = self.narrowing(product.narrowed, format, curve);
        KernelTime {
            arithmetic: product.ops() / self.rate(format),
            ..self.kernel(curve.launch, compute, memory, narrowing + work, class)
        }
    }

    /// Operations that a product takes with its padding: of whole tiles and waves.
    fn tiled(&self, product: &Product, curve: &GemmCurve) -> Ops {
        let Product {
            rows,
            columns,
            depth,
            groups,
            ..
        } = *product;
        let Some(processors) = self.like_processors else {
            return Ops::new(2.0 * groups * rows * columns * (depth + curve.prologue));
        };
        let tiles = groups * (rows / TILE).ceil() * (columns / TILE).ceil();
        let depth = match curve.split {
            Some(piece) if tiles < processors => depth.min(piece.max(depth * tiles / processors)),
            _ => depth,
        };
        let tiles = waves(tiles, processors) * processors;
        Ops::new(tiles * 2.0 * TILE * TILE * (depth + curve.prologue))
    }

    /// Reading 16-bit elements and writing them in a narrow format.
    fn narrowing(&self, elements: f64, format: NumberFormat, curve: &GemmCurve) -> Seconds {
        match curve.quantise {
            Some(share) if format.bits() < 16 => {
                let bytes = elements * (NumberFormat::Bf16.stored_bytes() + format.stored_bytes());
                Bytes::new(bytes) / (self.bandwidth * share)
            }
            _ => Seconds::ZERO,
        }
    }

    /// Attention of many query tokens, always in 16 bits: launch + (c^2 + m^2)^(1/2).
    ///
    /// compute = waves x 2 x 128 x (keys + half) x (width + softmax) / rate of one processor, in
    /// tiles of 128 query tokens of one head, waves as in [`Self::gemm`]; the exponentials of the
    /// scores cost as much as `softmax` more columns. Parameters: `PrefillCurve`.
    ///
    /// Limits: fitted for heads of 64 and 128 and latent ones of 192 and 128, without windows;
    /// causal tiles are all taken to see the mean number of keys.
    #[must_use]
    pub fn prefill_attention(&self, scores: &Scores) -> KernelTime {
        let format = self.wide_format();
        let Some(curve) = pick(&self.prefill, format) else {
            return self.stream(scores.bytes);
        };
        let rows = match self.like_processors {
            Some(processors) => {
                let tiles = scores.heads * (scores.query / QUERY_TILE).ceil();
                waves(tiles, processors) * processors * QUERY_TILE
            }
            None => scores.heads * scores.query,
        };
        let pairs = rows * (scores.keys + curve.half) * scores.passes;
        let ops = Ops::new(2.0 * pairs * (scores.width + curve.softmax));
        let compute = Limit {
            full: ops / self.rate(format),
            share: self.share(curve.compute),
        };
        let memory = Limit {
            full: scores.bytes / self.bandwidth,
            share: curve.memory,
        };
        let work = overlap_square(compute.time(), memory.time());
        self.kernel(curve.launch, compute, memory, work, KernelClass::Prefill)
    }

    /// Attention of one query token of each sequence over its cache. The share of the memory
    /// bandwidth is peak x b / (b + half) for b bytes read; each sequence and key head holds a
    /// processor for a least time, which overlaps with the rest as (w^2 + t^2)^(1/2). Arithmetic
    /// runs at the 16-bit rate that the curve states, else at that of matrix multiplication
    /// (`DecodeCurve`).
    ///
    /// Limits: fitted for 4 to 16 query heads for each key head from 1 MB of cache. On a chip that borrows
    /// the curve and whose processors are of another kind the least time is not counted.
    #[must_use]
    pub fn decode_attention(&self, read: &CacheRead) -> KernelTime {
        self.over_cache(read, pick(&self.decode, read.format))
    }

    /// The same over a latent cache that all heads share, where arithmetic weighs as much as
    /// memory; by the curve of [`Self::decode_attention`] where none is known.
    ///
    /// Limits: fitted on latents of 512 and 64 (DeepSeek-V3), 1 to 128 heads.
    #[must_use]
    pub fn latent_attention(&self, read: &CacheRead) -> KernelTime {
        let curve = pick(&self.latent, read.format).or_else(|| pick(&self.decode, read.format));
        self.over_cache(read, curve)
    }

    fn over_cache(&self, read: &CacheRead, curve: Option<&DecodeCurve>) -> KernelTime {
        let CacheRead {
            ops, bytes, tiles, ..
        } = *read;
        let wide = self.wide_format();
        let (Some(curve), Some(gemm)) = (curve, pick(&self.gemm, wide)) else {
            return self.stream(bytes);
        };
        let share = (curve.peak * bytes.get() / (bytes.get() + curve.half)).max(1e-4);
        let compute = Limit {
            full: ops / self.rate(wide),
            share: self.share(curve.compute.unwrap_or(gemm.compute)),
        };
        let memory = Limit {
            full: bytes / self.bandwidth,
            share,
        };
        let mut work = compute.time().max(memory.time());
        if let (Some(tile), Some(processors)) = (curve.tile, self.like_processors) {
            work = overlap_square(work, tile * (tiles / processors * self.launch_scale));
        }
        self.kernel(curve.launch, compute, memory, work, KernelClass::Decode)
    }

    /// Elementwise work: bytes read and written, at the share of the bandwidth that a triad reaches,
    /// and the fixed time of one kernel.
    #[must_use]
    pub fn stream(&self, bytes: Bytes) -> KernelTime {
        let launch = ELEMENTWISE_LAUNCH * self.launch_scale;
        let fused = self.fused_stream(bytes);
        KernelTime {
            total: fused.total + launch,
            bound: if fused.total > launch {
                Bound::Memory
            } else {
                Bound::Launch
            },
            ..fused
        }
    }

    /// Bytes that another kernel reads and writes on its way, without a launch of their own.
    pub(crate) fn fused_stream(&self, bytes: Bytes) -> KernelTime {
        let traffic = bytes / self.bandwidth;
        KernelTime {
            total: traffic / self.stream,
            bound: Bound::Memory,
            class: KernelClass::Stream,
            arithmetic: Seconds::ZERO,
            traffic,
        }
    }

    /// Dense rate in a format; a format that the chip lacks, or multiplies more slowly than 16
    /// bits, runs at its 16-bit rate (weights are widened on the fly).
    #[must_use]
    pub fn rate(&self, format: NumberFormat) -> OpsRate {
        self.peak(self.arithmetic(format)).unwrap_or(OpsRate::ZERO)
    }

    /// The format whose arithmetic a format runs in, which fixes peak and efficiency.
    fn arithmetic(&self, format: NumberFormat) -> NumberFormat {
        let wide = self.wide_format();
        match self.peak(format) {
            Some(rate) if format.bits() >= 16 || self.peak(wide) <= Some(rate) => format,
            _ => wide,
        }
    }

    /// t = launch + work, bound by the largest of launch, compute and memory.
    fn kernel(
        &self,
        launch: Seconds,
        compute: Limit,
        memory: Limit,
        work: Seconds,
        class: KernelClass,
    ) -> KernelTime {
        let launch = launch * self.launch_scale;
        let bound = if launch > work {
            Bound::Launch
        } else if compute.time() >= memory.time() {
            Bound::Compute
        } else {
            Bound::Memory
        };
        KernelTime {
            total: launch + work,
            bound,
            class,
            arithmetic: compute.full,
            traffic: memory.full,
        }
    }
}

/// Work on a part of the chip: its time at the full rate, and the share of the rate that it reaches.
#[derive(Debug, Clone, Copy)]
struct Limit {
    full: Seconds,
    share: f64,
}

impl Limit {
    fn time(self) -> Seconds {
        self.full / self.share
    }
}

/// Waves that so many tiles take on so many processors: at least one, and half of the idle time of
/// the last one.
fn waves(tiles: f64, processors: f64) -> f64 {
    let mean = tiles / processors;
    f64::midpoint(mean, mean.ceil()).max(1.0)
}

/// Times that overlap in part: the square root of the sum of squares.
fn overlap_square(a: Seconds, b: Seconds) -> Seconds {
    let (a, b) = (a.get(), b.get());
    Seconds::new(libm::sqrt(a * a + b * b))
}

/// Times that overlap better: the cube root of the sum of cubes.
fn overlap_cube(a: Seconds, b: Seconds) -> Seconds {
    let (a, b) = (a.get(), b.get());
    Seconds::new(libm::cbrt(a * a * a + b * b * b))
}
