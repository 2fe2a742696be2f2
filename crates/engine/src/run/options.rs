//! How the model of a run is trained, beside its batch and number formats.

use chokepoint_catalog::Framework;
use chokepoint_diag::{Code, Diagnostic};
use chokepoint_model::{Architecture, Attention};
use chokepoint_train::{Optimizer, Scaling, Trained, Workload};
use chokepoint_units::NumberFormat;

use super::RunRequest;
use crate::limits;
use crate::row::Statement;
use crate::software::{formats, numerics};

/// How the model of a run is trained, beside its batch and number formats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingOptions {
    /// Which weights are trained.
    pub trained: Trained,
    /// Precision of the optimizer's state; the framework's, else FP32 Adam, where absent.
    pub optimizer: Option<Optimizer>,
    /// Format in which gradients are accumulated and exchanged, FP32 or BF16; the framework's,
    /// else FP32, where absent.
    pub gradients: Option<NumberFormat>,
    /// Load of the busiest expert rank over the mean; 1 is balanced.
    pub imbalance: f64,
    /// Scaling of formats narrower than 16 bits. No framework file states one.
    pub scaling: Scaling,
}

impl Default for TrainingOptions {
    /// All weights, optimizer and gradients of the framework, balanced experts, scaled by the
    /// current largest value.
    fn default() -> Self {
        Self {
            trained: Trained::All,
            optimizer: None,
            gradients: None,
            imbalance: 1.0,
            scaling: Scaling::Current,
        }
    }
}

impl TrainingOptions {
    /// The workload of a request: its tokens are those asked for and the further ones.
    pub(super) fn workload(&self, request: &RunRequest, framework: Option<&Framework>) -> Workload {
        let (optimizer, gradients) = numerics(framework);
        Workload {
            optimizer: self.optimizer.unwrap_or(optimizer),
            gradients: self.gradients.unwrap_or(gradients),
            scaling: self.scaling,
            trained: self.trained,
            imbalance: self.imbalance,
            ..Workload::pretraining(
                request.sequence,
                request.batch,
                request.tokens * (1.0 + request.extra_tokens),
                formats(&request.formats, framework),
            )
        }
    }

    /// Whether a model can be trained so.
    ///
    /// # Errors
    /// The option that cannot be, or has nothing to act on.
    pub(super) fn check(&self, architecture: &Architecture) -> Result<(), Diagnostic> {
        if let Some(format) = self.gradients
            && !matches!(format, NumberFormat::Fp32 | NumberFormat::Bf16)
        {
            let message = format!("--gradients must be fp32 or bf16, found {format}");
            return Err(Diagnostic::new(Code::Value, message));
        }
        if let Some((_, what)) = limits::imbalance(self.imbalance) {
            return Err(Diagnostic::new(Code::Value, format!("--imbalance {what}")));
        }
        if self.imbalance > 1.0 && architecture.experts().is_none() {
            let message = format!(
                "--imbalance is of routed experts, and {} has none",
                architecture.name
            );
            return Err(Diagnostic::new(Code::Value, message).help("leave --imbalance out"));
        }
        match self.trained {
            Trained::All => Ok(()),
            Trained::Adapters { rank } => adapters(architecture, rank),
        }
    }

    /// What differs from the defaults, for the reader of a result; `format` is that of the plan.
    pub(super) fn notes(
        &self,
        workload: &Workload,
        format: Option<NumberFormat>,
    ) -> Vec<Statement> {
        let mut all = Vec::new();
        if let Trained::Adapters { rank } = self.trained {
            all.push(Statement::new("adapters", [("rank", rank.to_string())]));
        }
        match workload.optimizer {
            Optimizer::AdamFp32 => {}
            Optimizer::AdamBf16 => all.push(Statement::new("optimizer-bf16", [])),
            Optimizer::AdamBf16Moments => all.push(Statement::new("optimizer-bf16-moments", [])),
            Optimizer::Muon => all.push(Statement::new("optimizer-muon", [])),
        }
        if workload.gradients != NumberFormat::Fp32 {
            let name = workload.gradients.name().to_owned();
            all.push(Statement::new("gradients-narrow", [("format", name)]));
        }
        if self.imbalance > 1.0 {
            let ratio = self.imbalance.to_string();
            all.push(Statement::new("expert-imbalance", [("ratio", ratio)]));
        }
        let scaled = format.is_none_or(|format| format.bits() < 16);
        match self.scaling {
            Scaling::Current => {}
            _ if !scaled => all.push(Statement::new("scaling-unused", [])),
            Scaling::Delayed => all.push(Statement::new("scaling-delayed", [])),
            Scaling::Block => all.push(Statement::new("scaling-block", [])),
        }
        all
    }
}

/// Whether a model can have adapters of a rank.
fn adapters(architecture: &Architecture, rank: u64) -> Result<(), Diagnostic> {
    if !(1..=architecture.hidden).contains(&rank) {
        let message = format!(
            "--lora must lie between 1 and the hidden size {}, found {rank}",
            architecture.hidden
        );
        return Err(Diagnostic::new(Code::Value, message));
    }
    let latent = |attention: &Attention| matches!(attention, Attention::Latent { .. });
    if architecture
        .kinds
        .iter()
        .any(|kind| latent(&kind.attention))
    {
        let message = format!(
            "adapters beside latent attention are not modelled, and {} has it",
            architecture.name
        );
        let help = "leave --lora out, or choose a model with grouped attention";
        return Err(Diagnostic::new(Code::Value, message).help(help));
    }
    Ok(())
}
