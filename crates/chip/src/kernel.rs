//! Time of one kernel.

use chokepoint_catalog::GemmCurve;
use chokepoint_units::{Bytes, NumberFormat, Ops, OpsRate, Seconds};

use crate::ChipSpec;
use crate::spec::pick;

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
}

impl ChipSpec {
    /// A matrix multiplication, plain or grouped: launch + max(ops / (peak x compute share), bytes
    /// / (bandwidth x memory share)), the shares of the chip's calibration in the format.
    ///
    /// `ops` in the format's arithmetic; `bytes` read and written.
    ///
    /// Limits: shares are constant over shapes from about 128 rows and columns; the files state the
    /// error of each fit, whose 90th percentile reaches 0.7 for grouped products of few rows. A
    /// format without a curve takes the one nearest in width.
    #[must_use]
    pub fn gemm(&self, ops: Ops, bytes: Bytes, format: NumberFormat, grouped: bool) -> KernelTime {
        let (curves, class) = if grouped {
            (&self.grouped, KernelClass::GroupedGemm)
        } else {
            (&self.gemm, KernelClass::Gemm)
        };
        let format = self.arithmetic(format);
        let Some(curve) = pick(curves, format) else {
            return self.stream(bytes);
        };
        let rate = self.rate(format) * self.share(curve.compute);
        self.roofline(
            ops / rate,
            bytes / (self.bandwidth * curve.memory),
            curve,
            class,
        )
    }

    /// Attention of many query tokens: `ops` of the part of the score matrix that is computed
    /// (half of it when causal), `query` tokens of each sequence. The share of the 16-bit peak is
    /// peak x q / (q + half) (`AttentionCurve`).
    ///
    /// Limits: fitted for heads of 128, no window, 16 or more sequences times heads; always in 16
    /// bits. The fixed time is that of a matrix multiplication.
    #[must_use]
    pub fn prefill_attention(&self, ops: Ops, bytes: Bytes, query: f64) -> KernelTime {
        let format = self.wide_format();
        let (Some(curve), Some(launch)) = (pick(&self.prefill, format), pick(&self.gemm, format))
        else {
            return self.stream(bytes);
        };
        let share = curve.peak * query / (query + curve.half);
        let rate = self.rate(format) * self.share(share).max(1e-4);
        self.roofline(
            ops / rate,
            bytes / (self.bandwidth * self.stream),
            launch,
            KernelClass::Prefill,
        )
    }

    /// Attention of one query token of each sequence over its cache: `bytes` of cache read, in
    /// `format`; `ops` of it, at the 16-bit rate that matrix multiplication reaches. The share of
    /// the memory bandwidth is peak x b / (b + half) (`AttentionCurve`).
    ///
    /// Limits: fitted for 4 to 16 query heads for each key head from 1 MB of cache. With a launch
    /// the share tends to half/b for small caches, so that time does not fall below
    /// half / (bandwidth x peak).
    #[must_use]
    pub fn decode_attention(&self, ops: Ops, bytes: Bytes, format: NumberFormat) -> KernelTime {
        let wide = self.wide_format();
        let (Some(curve), Some(gemm)) = (pick(&self.decode, format), pick(&self.gemm, wide)) else {
            return self.stream(bytes);
        };
        let share = (curve.peak * bytes.get() / (bytes.get() + curve.half)).max(1e-4);
        let rate = self.rate(wide) * self.share(gemm.compute);
        self.roofline(
            ops / rate,
            bytes / (self.bandwidth * share),
            gemm,
            KernelClass::Decode,
        )
    }

    /// Elementwise work: bytes read and written, at the share of the bandwidth that a triad reaches,
    /// and the fixed time of one kernel.
    #[must_use]
    pub fn stream(&self, bytes: Bytes) -> KernelTime {
        let transfer = bytes / (self.bandwidth * self.stream);
        let launch = self.stream_launch();
        let bound = if transfer > launch {
            Bound::Memory
        } else {
            Bound::Launch
        };
        KernelTime {
            total: transfer + launch,
            bound,
            class: KernelClass::Stream,
        }
    }

    /// Fixed time of an elementwise kernel: half of that of a matrix multiplication, whose fitted
    /// value also holds filling and draining its pipeline. Not measured here; kernels of a few
    /// kilobytes take about 2 us on A100 to B200, half of the 3 to 7 us fitted for GEMM.
    fn stream_launch(&self) -> Seconds {
        let gemm = pick(&self.gemm, self.wide_format());
        gemm.map_or(Seconds::ZERO, |curve| {
            curve.launch * (0.5 * self.launch_scale)
        })
    }

    /// Bytes that another kernel reads and writes on its way, without a launch of their own.
    pub(crate) fn fused_stream(&self, bytes: Bytes) -> KernelTime {
        KernelTime {
            total: bytes / (self.bandwidth * self.stream),
            bound: Bound::Memory,
            class: KernelClass::Stream,
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

    /// t = launch + max(compute, memory); bound by the largest of the three.
    fn roofline(
        &self,
        compute: Seconds,
        memory: Seconds,
        curve: &GemmCurve,
        class: KernelClass,
    ) -> KernelTime {
        let launch = curve.launch * self.launch_scale;
        let work = compute.max(memory);
        let bound = if launch > work {
            Bound::Launch
        } else if compute >= memory {
            Bound::Compute
        } else {
            Bound::Memory
        };
        KernelTime {
            total: launch + work,
            bound,
            class,
        }
    }
}
