//! What joins the sites of a run, and what it makes of the prediction of one site.

use chokepoint_chip::PowerDraw;
use chokepoint_train::{
    Case, LocalPlan, OutOfRange, Prediction, SynchronousStep, Wan, break_even_inner_steps,
    local_steps, plan_chunks, synchronous_step,
};
use chokepoint_units::{Bytes, Seconds};

/// Steps on its own between exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// Steps between two exchanges of a parameter.
    pub inner_steps: u64,
    /// Parts of the model, exchanged one after the other.
    pub fragments: u64,
    /// Steps during which the exchange of a fragment may run.
    pub delay: u64,
}

/// What joins the sites of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Link {
    pub wan: Wan,
    /// Bits of an exchanged parameter.
    pub bits: u64,
    /// Share of the backward pass under which a synchronous exchange runs.
    pub overlap: f64,
    /// Steps between exchanges; gradients at every step where there are none.
    pub local: Option<Local>,
    /// Further tokens for the same loss, as a share.
    pub extra_tokens: f64,
}

/// What the link makes of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Timing {
    /// One exchange of the whole model.
    pub exchange: Seconds,
    /// What of it no computation hides.
    pub exposed: Seconds,
    /// A step with its part of that.
    pub step: Seconds,
    /// The same for the progress of a synchronous step.
    pub equivalent: Seconds,
    /// Share of the time lost to the link.
    pub lost_share: f64,
}

impl Link {
    /// Bytes of all trained parameters on the link.
    pub(super) fn bytes(&self, case: &Case) -> Bytes {
        bytes(case, self.bits as f64)
    }

    /// What the link makes of a step inside a site.
    pub(super) fn timing(&self, case: &Case, site: &Prediction) -> Result<Timing, OutOfRange> {
        if self.local.is_some() {
            let found = local_steps(&self.wan, &self.plan(case), site.step)?;
            return Ok(Timing {
                exchange: found.exchange,
                exposed: found.exposed,
                step: found.step,
                equivalent: found.step_equivalent,
                lost_share: found.lost_share,
            });
        }
        let found = self.synchronous(case, site)?;
        Ok(Timing {
            exchange: found.exchange,
            exposed: found.exposed,
            step: found.step,
            equivalent: found.step,
            lost_share: found.lost_share,
        })
    }

    /// A step that exchanges all gradients; those of local steps are not narrowed for it, since
    /// what outer gradients bear is not known of gradients.
    pub(super) fn synchronous(
        &self,
        case: &Case,
        site: &Prediction,
    ) -> Result<SynchronousStep, OutOfRange> {
        let bits = match self.local {
            Some(_) => case.workload.gradients.stored_bytes() * 8.0,
            None => self.bits as f64,
        };
        let backward = if self.overlap > 0.0 {
            backward(case, site)
        } else {
            Seconds::ZERO
        };
        synchronous_step(
            &self.wan,
            bytes(case, bits),
            site.step,
            backward,
            self.overlap,
        )
    }

    /// Fewest local steps that are as fast as a synchronous run.
    pub(super) fn break_even(
        &self,
        case: &Case,
        site: &Prediction,
        synchronous: &SynchronousStep,
    ) -> Result<Option<u64>, OutOfRange> {
        break_even_inner_steps(&self.wan, &self.plan(case), site.step, synchronous)
    }

    /// The local steps; of a synchronous run those it is held against, `DiLoCo` without streaming,
    /// whose tokens are taken to be as many.
    fn plan(&self, case: &Case) -> LocalPlan {
        let asked = self.local.unwrap_or(Local {
            inner_steps: 1,
            fragments: 1,
            delay: 0,
        });
        let further = self.local.map_or(0.0, |_| self.extra_tokens);
        LocalPlan {
            inner_steps: asked.inner_steps,
            parameters: case.workload.trained_parameters(case.architecture),
            bits: self.bits as f64,
            fragments: asked.fragments,
            overlap_steps: asked.delay,
            tokens_multiplier: 1.0 + further,
        }
    }

    /// The run of all sites from the prediction of one: the plan, parts and memory stay those of a
    /// site, energy stays of its chips.
    ///
    /// Chips that wait for the link draw what communication draws. The interval keeps the width
    /// that it has inside a site: bandwidth and round trip are as given.
    pub(super) fn whole(&self, case: &Case, site: &Prediction) -> Result<Prediction, OutOfRange> {
        let step = self.timing(case, site)?.step;
        let share = site.step / step;
        let waiting = PowerDraw {
            communication: step - site.step,
            ..PowerDraw::default()
        };
        let mut energy = site.chip_energy_per_step;
        energy += case.chip.energy(waiting) * site.plan.chips() as f64;
        Ok(Prediction {
            step,
            spread: site.spread * share,
            tokens_per_second: site.tokens_per_second * share * self.wan.sites as f64,
            mfu: site.mfu * share,
            run: site.run / share,
            chip_energy_per_step: energy,
            ..site.clone()
        })
    }
}

fn bytes(case: &Case, bits: f64) -> Bytes {
    Bytes::new(case.workload.trained_parameters(case.architecture) * bits / 8.0)
}

/// The backward pass of one micro-batch, a mean over the ranks of the pipeline: gradients are
/// accumulated over the micro-batches and complete only in the last.
fn backward(case: &Case, site: &Prediction) -> Seconds {
    let Ok(found) = plan_chunks(case, &site.plan) else {
        return Seconds::ZERO;
    };
    let chunks = found.chunks.iter();
    let all: Seconds = chunks
        .map(|chunk| chunk.input_gradient + chunk.weight_gradient)
        .sum();
    (all / site.plan.pp.max(1) as f64).min(site.step)
}
