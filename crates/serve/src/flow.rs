//! How prompts and decodes share the iterations of an instance that does both.

use chokepoint_units::Seconds;

use crate::steady::{decode_batch, later_tokens};
use crate::{Batch, Instance, Iteration};

/// Mean time of a job in a queue with Poisson arrivals and a fixed service time (M/D/1,
/// Pollaczek-Khinchine): service x (1 + u / (2 (1 - u))) at utilisation u.
#[must_use]
pub fn queued(service: Seconds, utilisation: f64) -> Seconds {
    service * (1.0 + utilisation / (2.0 * (1.0 - utilisation)))
}

/// How prompts and decodes share the iterations of an instance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flow {
    /// The mean iteration.
    pub mean: Iteration,
    /// Time that one prompt's iterations take.
    pub service: Seconds,
    /// Share of the time, or of the budget of tokens, that prompts take; at 1 and above they come faster
    /// than they are computed.
    pub utilisation: f64,
}

impl Flow {
    /// With `sequences` on every attention group that decode.
    #[must_use]
    pub fn of(instance: &Instance, sequences: f64) -> Self {
        let case = instance.case;
        let decodes = decode_batch(case, sequences);
        let prompts = sequences * case.workload.yielded() / later_tokens(case);
        let decode = instance.iteration(&decodes);
        let left = case.software.most_tokens - decodes.rows();
        if case.software.mixes && left >= 1.0 {
            Self::mixed(instance, (&decodes, &decode), prompts, left)
        } else {
            Self::stopping(instance, &decode, prompts)
        }
    }

    /// Iterations of prompts alone stop all decodes: of those that wait as many together as the budget
    /// of tokens holds, longer ones in chunks of equal length.
    fn stopping(instance: &Instance, decode: &Iteration, prompts: f64) -> Self {
        let case = instance.case;
        let computed = case.workload.computed_input();
        let budget = case.software.most_tokens;
        let chunks = (computed / budget).ceil().max(1.0);
        let together = prompts.clamp(1.0, (budget / computed).max(1.0));
        let cached = case.workload.input as f64 - computed;
        let past = cached + computed * (1.0 - 1.0 / chunks) / 2.0;
        let prompt = instance.iteration(&Batch::prompts(together, computed / chunks, past));
        let iterations = prompts * chunks / together;
        let mean = mixture(decode, 1.0, &prompt, iterations);
        Self {
            service: prompt.total() * chunks,
            utilisation: prompt.total() * iterations / mean.total(),
            mean,
        }
    }

    /// `prompts` arrive in an iteration, which has `left` tokens for them.
    fn mixed(
        instance: &Instance,
        (decodes, decode): (&Batch, &Iteration),
        prompts: f64,
        left: f64,
    ) -> Self {
        let workload = instance.case.workload;
        let chunks = (workload.computed_input() / left).ceil().max(1.0);
        let tokens = workload.computed_input() / chunks;
        let cached = workload.input as f64 - workload.computed_input();
        let past = cached + (workload.computed_input() - tokens) / 2.0;
        let share = (prompts * chunks).min(1.0);
        let together = (prompts * chunks).max(1.0).min(left / tokens);
        let batch = Batch::prompts(together, tokens, past).beside(decodes);
        let carrying = instance.iteration(&batch);
        Self {
            mean: mixture(decode, 1.0 - share, &carrying, share),
            service: carrying.total() * chunks,
            utilisation: prompts * workload.computed_input() / left,
        }
    }

    /// Mean time to the first token: half of a running iteration, the prompts ahead, its own chunks.
    #[must_use]
    pub fn first_token(&self) -> Seconds {
        self.mean.total() * 0.5 + queued(self.service, self.utilisation)
    }
}

/// So much of one iteration and so much of another.
fn mixture(a: &Iteration, of_a: f64, b: &Iteration, of_b: f64) -> Iteration {
    let (first, second) = (a.total() * of_a, b.total() * of_b);
    Iteration {
        parts: a.parts * of_a + b.parts * of_b,
        draw: a.draw * of_a + b.draw * of_b,
        spread: (first * a.spread + second * b.spread) / (first + second),
    }
}
