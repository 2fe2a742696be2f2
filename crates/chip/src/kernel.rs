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
    /// A matrix multiplication, plain or grouped.
    ///
    /// `ops` in the format's arithmetic; `bytes` read and written.
    #[must_use]
    pub fn gemm(&self, ops: Ops, bytes: Bytes, format: NumberFormat, grouped: bool) -> KernelTime {
        let (curves, class) = if grouped {
            (&self.grouped, KernelClass::GroupedGemm)
        } else {
            (&self.gemm, KernelClass::Gemm)
        };
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
    /// (half of it when causal), `query` tokens of each sequence.
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
    /// `format`; `ops` of it.
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

    /// Elementwise work: bytes read and written.
    #[must_use]
    pub fn stream(&self, bytes: Bytes) -> KernelTime {
        let transfer = bytes / (self.bandwidth * self.stream);
        let launch = pick(&self.gemm, self.wide_format())
            .map_or(Seconds::ZERO, |c| c.launch * self.launch_scale);
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
    pub(crate) fn stream_launch(&self) -> Seconds {
        let gemm = pick(&self.gemm, self.wide_format());
        gemm.map_or(Seconds::ZERO, |curve| {
            curve.launch * (0.5 * self.launch_scale)
        })
    }

    /// Dense rate in a format; a format that the chip lacks runs at its 16-bit rate (weights are
    /// widened on the fly).
    #[must_use]
    pub fn rate(&self, format: NumberFormat) -> OpsRate {
        let wide = self.peak(self.wide_format()).unwrap_or(OpsRate::ZERO);
        self.peak(format).map_or(wide, |rate| {
            if format.bits() < 16 {
                rate.max(wide)
            } else {
                rate
            }
        })
    }

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
