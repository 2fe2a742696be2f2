//! Options that several commands have, or that are many: how a model is trained, what of a network
//! fails, one number format.

use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_engine::fabric::topology::Damage;
use chokepoint_engine::train::{Optimizer, Scaling, Trained};
use chokepoint_engine::units::{NumberFormat, Quantity, parse_quantity};
use chokepoint_engine::{TrainingOptions, parse_failed, parse_formats, parse_slow};
use clap::{Args, ValueEnum};

/// A quantity with its unit, as an option states it.
///
/// # Errors
/// When it cannot be read or its unit is of another kind.
pub fn quantity<Q: Quantity>(option: &str, text: &str) -> Result<Q, Diagnostic> {
    let value = parse_quantity(Q::DIMENSION, text).map_err(|error| {
        let problem = Diagnostic::new(Code::Unit, error.to_string());
        problem.at(option, text, 0..text.len())
    })?;
    Ok(Q::from_base(value))
}

/// Options of how a model is trained.
#[derive(Debug, Args)]
#[command(next_help_heading = "How the model is trained")]
pub struct Training {
    /// Train low-rank adapters of this rank beside the frozen attention projections instead of all
    /// weights.
    #[arg(long, value_name = "RANK")]
    pub lora: Option<u64>,
    /// Optimizer and the precision of its state; the framework's when absent, adam-fp32 without
    /// one.
    #[arg(long, value_enum)]
    pub optimizer: Option<OptimizerName>,
    /// Format in which gradients are accumulated and exchanged; the framework's when absent, fp32
    /// without one.
    #[arg(long, value_enum)]
    pub gradients: Option<GradientFormat>,
    /// Load of the busiest expert rank over the mean; 1 is balanced.
    #[arg(long, value_name = "RATIO", default_value_t = 1.0)]
    pub imbalance: f64,
    /// Scaling of FP8 and FP4.
    #[arg(long, value_enum, default_value = "current")]
    pub scaling: ScalingName,
    /// Further tokens to the same loss, as 0.05 for 5%: of local steps, or of a narrow number
    /// format without them. No source states how many.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub extra_tokens: f64,
}

/// Optimizers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OptimizerName {
    /// FP32 master weights and two FP32 moments: 12 bytes a parameter.
    AdamFp32,
    /// FP32 master weights and two BF16 moments: 8 bytes a parameter.
    AdamBf16Moments,
    /// Two BF16 moments and no master weights: 4 bytes a parameter.
    AdamBf16,
    /// FP32 master weights and one FP32 momentum: 8 bytes a parameter.
    Muon,
}

/// Formats of gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GradientFormat {
    /// 32 bits.
    Fp32,
    /// 16 bits.
    Bf16,
}

/// Scaling of narrow formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScalingName {
    /// One factor a tensor from the largest values of earlier steps.
    Delayed,
    /// One factor a tensor from its own largest value.
    Current,
    /// A factor for each block: DeepSeek-V3, MX, NVFP4.
    Block,
}

impl Training {
    /// What the engine is asked.
    pub fn options(&self) -> TrainingOptions {
        TrainingOptions {
            trained: self
                .lora
                .map_or(Trained::All, |rank| Trained::Adapters { rank }),
            optimizer: self.optimizer.map(|name| match name {
                OptimizerName::AdamFp32 => Optimizer::AdamFp32,
                OptimizerName::AdamBf16Moments => Optimizer::AdamBf16Moments,
                OptimizerName::AdamBf16 => Optimizer::AdamBf16,
                OptimizerName::Muon => Optimizer::Muon,
            }),
            gradients: self.gradients.map(|format| match format {
                GradientFormat::Fp32 => NumberFormat::Fp32,
                GradientFormat::Bf16 => NumberFormat::Bf16,
            }),
            imbalance: self.imbalance,
            scaling: match self.scaling {
                ScalingName::Delayed => Scaling::Delayed,
                ScalingName::Current => Scaling::Current,
                ScalingName::Block => Scaling::Block,
            },
        }
    }
}

/// What of a network fails and is slow.
#[derive(Debug, Args)]
pub struct DamageOptions {
    /// Parts that fail, `PART[:NUMBER]` or `PART:SHARE%`, such as spine:2 or cable:1%: cable,
    /// uplink (a cable between switches), port, card, leaf, spine, switch (leaf or spine), plane or
    /// domain-switch. May be given several times; with flows.
    #[arg(long, value_name = "PARTS")]
    pub fail: Vec<String>,
    /// Parts that run at a share of their rate, `PART[:NUMBER]:RATE` or `PART:SHARE%:RATE`, such as
    /// cable:1%:0.5. May be given several times; with flows.
    #[arg(long, value_name = "PARTS")]
    pub slow: Vec<String>,
}

impl DamageOptions {
    /// What the engine is asked.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be read.
    pub fn damages(&self) -> Result<Vec<Damage>, Diagnostic> {
        let failed = self.fail.iter().map(|text| parse_failed(text));
        let slow = self.slow.iter().map(|text| parse_slow(text));
        failed.chain(slow).collect()
    }
}

/// The one number format of an option.
///
/// # Errors
/// When there is none, or several.
pub fn one_format(option: &str, text: &str) -> Result<NumberFormat, Diagnostic> {
    match parse_formats(text)?.as_slice() {
        [format] => Ok(*format),
        _ => {
            let message = format!("{option} is \"{text}\"; expected one number format");
            Err(Diagnostic::new(Code::Value, message))
        }
    }
}
