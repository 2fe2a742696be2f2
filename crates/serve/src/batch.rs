//! What one iteration computes.

use chokepoint_model::Phase;

/// Work of one iteration on every attention group: chunks of prompts, and the next tokens of
/// sequences that decode. Lengths are means over the chunks and over the sequences.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Batch {
    /// Prompts, whole or a chunk of each.
    pub prompts: f64,
    /// Tokens of each prompt computed now.
    pub new_tokens: f64,
    /// Tokens of each prompt in the cache before.
    pub past: f64,
    /// Sequences that decode.
    pub decodes: f64,
    /// Tokens that each of their new tokens attends to, itself included.
    pub context: f64,
    /// Tokens of each of them computed at once: one, or those drafted and one.
    pub checked: f64,
}

impl Batch {
    /// Prompts alone.
    #[must_use]
    pub fn prompts(prompts: f64, new_tokens: f64, past: f64) -> Self {
        Self {
            prompts,
            new_tokens,
            past,
            ..Self::default()
        }
    }

    /// One token of each of some sequences.
    #[must_use]
    pub fn decodes(decodes: f64, context: f64) -> Self {
        Self {
            decodes,
            context,
            checked: 1.0,
            ..Self::default()
        }
    }

    /// Prompts beside the sequences that decode.
    #[must_use]
    pub const fn beside(self, decodes: &Self) -> Self {
        Self {
            prompts: self.prompts,
            new_tokens: self.new_tokens,
            past: self.past,
            ..*decodes
        }
    }

    /// Tokens computed.
    #[must_use]
    pub fn rows(&self) -> f64 {
        self.prompts * self.new_tokens + self.decodes * self.checked
    }

    /// Sequences with something to compute.
    #[must_use]
    pub fn sequences(&self) -> f64 {
        self.prompts + self.decodes
    }

    /// Whether it only decodes.
    #[must_use]
    pub fn only_decodes(&self) -> bool {
        self.prompts * self.new_tokens <= 0.0
    }

    /// Half of the sequences.
    pub(crate) fn half(&self) -> Self {
        Self {
            prompts: self.prompts / 2.0,
            decodes: self.decodes / 2.0,
            ..*self
        }
    }

    /// As the model's operators take it.
    pub(crate) const fn phase(&self) -> Phase {
        Phase::Mixed {
            prompts: self.prompts,
            new_tokens: self.new_tokens,
            past: self.past,
            decodes: self.decodes,
            context: self.context,
            tokens: self.checked,
        }
    }
}
