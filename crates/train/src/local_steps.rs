//! Training over several sites: synchronous data parallelism over a wide-area link, and local
//! steps between outer synchronisations (`DiLoCo`).
//!
//! Each site holds whole replicas and takes an equal part of the global batch; what is exchanged
//! inside a site is in the time of its step. The sites are alike, and so are their links.

use chokepoint_units::{Bandwidth, Bytes, Seconds};

use crate::limits::{
    OutOfRange, require, require_amount, require_positive, require_share, require_some,
};

/// Sites and what joins them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wan {
    /// Sites.
    pub sites: u64,
    /// What one site can send, and at the same time receive.
    pub bandwidth: Bandwidth,
    /// Time to the neighbour in the ring and back.
    pub round_trip: Seconds,
}

impl Wan {
    /// Time of a ring all-reduce between the sites (Patarasuk and Yuan 2009):
    /// 2 (S - 1) / S x bytes / bandwidth + 2 (S - 1) x round trip / 2.
    ///
    /// The outer stage of a hierarchical all-reduce: inside a site the chips have reduced and
    /// scattered the data, so that `bytes` leave it once, over all its chips. No loss of packets,
    /// no protocol beyond the latency: TCP needs windows of bandwidth x round trip to come near.
    #[must_use]
    pub fn all_reduce(&self, bytes: Bytes) -> Seconds {
        let others = self.sites.saturating_sub(1) as f64;
        let traffic = bytes * (2.0 * others / self.sites.max(1) as f64);
        traffic / self.bandwidth + self.latency()
    }

    /// The latency in an all-reduce.
    fn latency(&self) -> Seconds {
        self.round_trip * self.sites.saturating_sub(1) as f64
    }

    fn check(&self) -> Result<(), OutOfRange> {
        require(self.sites > 0, "sites", "at least 1")?;
        require_some("bandwidth of a site", self.bandwidth)?;
        require_amount("round trip", self.round_trip)
    }
}

/// An optimizer step whose gradients cross the wide-area link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SynchronousStep {
    /// The exchange between the sites.
    pub exchange: Seconds,
    /// What of it no computation hides.
    pub exposed: Seconds,
    /// The step with it.
    pub step: Seconds,
    /// Share of the time lost to the link.
    pub lost_share: f64,
}

/// Synchronous data parallelism: every step exchanges all gradients,
/// exposed = max(exchange - overlap x backward, latency), none for a single site.
///
/// `step` is the step inside a site, `backward` the part of it under which gradients appear, and
/// `overlap` the share of that which the exchange may use. The last gradients appear with the end
/// of the backward pass: one latency stays, whatever the overlap.
///
/// # Errors
/// The input that lies outside of what it may be.
pub fn synchronous_step(
    wan: &Wan,
    gradients: Bytes,
    step: Seconds,
    backward: Seconds,
    overlap: f64,
) -> Result<SynchronousStep, OutOfRange> {
    wan.check()?;
    require_amount("gradient bytes", gradients)?;
    require_some("step", step)?;
    require_amount("backward pass", backward)?;
    require(backward <= step, "backward pass", "within the step")?;
    require_share("overlap", overlap)?;
    let exchange = wan.all_reduce(gradients);
    let exposed = (exchange - backward * overlap).max(wan.latency());
    let whole = step + exposed;
    Ok(SynchronousStep {
        exchange,
        exposed,
        step: whole,
        lost_share: exposed / whole,
    })
}

/// How sites train on their own between outer synchronisations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LocalPlan {
    /// Inner steps between two synchronisations of the same parameter; H of the papers.
    pub inner_steps: u64,
    /// Parameters of the model.
    pub parameters: f64,
    /// Bits of one parameter on the link: 32 or 16, 4 in Streaming `DiLoCo`.
    pub bits: f64,
    /// Parts of the model that are synchronised one after the other, evenly over the inner steps;
    /// 1 in `DiLoCo`.
    pub fragments: u64,
    /// Inner steps during which the exchange of a fragment may run; 0 in `DiLoCo`, which waits.
    pub overlap_steps: u64,
    /// Tokens to the same loss over those of synchronous training. No source states it, so there
    /// is no default; [`diloco_loss_ratio`] and [`tokens_for_loss`] give one for small models.
    pub tokens_multiplier: f64,
}

/// What local steps yield.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LocalSteps {
    /// One outer synchronisation of the whole model.
    pub exchange: Seconds,
    /// What of it no computation hides.
    pub exposed: Seconds,
    /// Time of an inner step with its part of what is exposed: of the tokens of one optimizer step.
    pub step: Seconds,
    /// Time of an inner step, of what is exposed and of the further tokens, for the progress of one
    /// synchronous optimizer step.
    pub step_equivalent: Seconds,
    /// Share of the time lost to the link.
    pub lost_share: f64,
}

/// Local steps with an outer synchronisation (`DiLoCo`, Douillard et al. 2023, arXiv 2311.08105;
/// streaming and overlapped: Douillard et al. 2025, arXiv 2501.18512). With F fragments of
/// bytes / F and k steps of overlap,
///
/// exposed = F max(`all_reduce`(bytes / F) - k step, 0), step' = step + exposed / H.
///
/// With F = 1 and k = 0 this is the model of Charles et al. 2025 (arXiv 2503.09799, appendix A.2)
/// with the latency of each message of the ring. `step` is the inner step inside a site. The outer
/// update and the accumulation of 32-bit outer gradients are not counted.
///
/// # Errors
/// The input that lies outside of what it may be.
pub fn local_steps(wan: &Wan, plan: &LocalPlan, step: Seconds) -> Result<LocalSteps, OutOfRange> {
    let (exchange, exposed) = outer(wan, plan, step)?;
    require(plan.inner_steps > 0, "inner steps", "at least 1")?;
    require(
        plan.fewest_inner_steps() <= plan.inner_steps,
        "steps of overlap",
        "at most the inner steps over the fragments: a fragment is exchanged before the next",
    )?;
    let with_link = step + exposed / plan.inner_steps as f64;
    Ok(LocalSteps {
        exchange,
        exposed,
        step: with_link,
        step_equivalent: with_link * plan.tokens_multiplier,
        lost_share: 1.0 - step / with_link,
    })
}

/// Fewest inner steps from which local steps are as fast as synchronous training, for the same
/// loss; none where their tokens cost more than the link.
///
/// m (step + exposed / H) <= synchronous step, so H >= m exposed / (synchronous step - m step).
/// The multiplier m of the plan is taken to hold at that H; it rises with H (`DiLoCo`: perplexity
/// 2.9% higher at H = 1,000 than at 50).
///
/// # Errors
/// The input that lies outside of what it may be.
pub fn break_even_inner_steps(
    wan: &Wan,
    plan: &LocalPlan,
    step: Seconds,
    synchronous: &SynchronousStep,
) -> Result<Option<u64>, OutOfRange> {
    let (_, exposed) = outer(wan, plan, step)?;
    let gain = synchronous.step - step * plan.tokens_multiplier;
    let needed = (exposed * plan.tokens_multiplier / gain).ceil();
    let pays = gain > Seconds::ZERO && needed < u64::MAX as f64;
    Ok(pays.then(|| plan.fewest_inner_steps().max(needed as u64)))
}

impl LocalPlan {
    /// Fewest inner steps in which the exchanges of all fragments have room.
    const fn fewest_inner_steps(&self) -> u64 {
        let all = self.fragments.saturating_mul(self.overlap_steps);
        if all > self.fragments {
            all
        } else {
            self.fragments
        }
    }
}

/// The whole outer exchange, and what of it is exposed.
fn outer(wan: &Wan, plan: &LocalPlan, step: Seconds) -> Result<(Seconds, Seconds), OutOfRange> {
    wan.check()?;
    require_some("step", step)?;
    require(plan.fragments > 0, "fragments", "at least 1")?;
    require_positive("tokens multiplier", plan.tokens_multiplier)?;
    let bytes = Bytes::new(plan.parameters * plan.bits / 8.0);
    require_amount("bytes of the outer exchange", bytes)?;
    let fragments = plan.fragments as f64;
    let each = wan.all_reduce(bytes / fragments);
    let hidden = step * plan.overlap_steps as f64;
    Ok((
        each * fragments,
        (each - hidden).max(Seconds::ZERO) * fragments,
    ))
}

/// Loss of `DiLoCo` over that of data parallelism, by the power laws L = A N^alpha of Charles et
/// al. 2025 (arXiv 2503.09799, table 7), each at its best batch and rates, 20 tokens a parameter,
/// H = 30.
///
/// Only for what was trained: 1, 2, 4 or 8 replicas and 35 million to 10 billion parameters; none
/// beyond. Against their measured losses (tables 4 and 5) it errs by up to 0.3% to 4 billion and
/// 0.7% at 10 billion, where the measured ratio itself is within 0.3% of 1.
#[must_use]
pub fn diloco_loss_ratio(parameters: f64, replicas: u64) -> Option<f64> {
    const DATA_PARALLEL: (f64, f64) = (18.129, -0.0953);
    let (scale, exponent) = match replicas {
        1 => (18.363, -0.0961),
        2 => (18.768, -0.0969),
        4 => (19.762, -0.0992),
        8 => (21.051, -0.1018),
        _ => return None,
    };
    (35e6..=10e9)
        .contains(&parameters)
        .then(|| scale / DATA_PARALLEL.0 * libm::pow(parameters, exponent - DATA_PARALLEL.1))
}

/// Tokens that make up for a ratio of losses, as a multiple: ratio^(1 / s), for a loss that falls
/// with the tokens D of this model as D^-s around where it is trained to.
///
/// s is an input: it depends on the model and on how long it is trained, and no source states it
/// for local steps.
///
/// # Errors
/// The input that lies outside of what it may be.
pub fn tokens_for_loss(loss_ratio: f64, loss_exponent: f64) -> Result<f64, OutOfRange> {
    require_positive("loss ratio", loss_ratio)?;
    require_positive("loss exponent", loss_exponent)?;
    Ok(libm::pow(loss_ratio, 1.0 / loss_exponent))
}
