//! How long a job waits for a node although it has spares.

/// Share of the time in which a job lacks a node (Erlang's loss formula):
///
/// B(c, a) = (a^c / c!) / (sum over k from 0 to c of a^k / k!), c = spares + 1, a = L D
///
/// with L the rate at which the running job loses nodes and D the mean repair. Nodes under repair
/// are a birth-death process: they come at L as long as the job has all its nodes, that is with at
/// most `spares` under repair, and each returns after D on its own. With one more the job stands
/// still, loses no further node, and goes on when the first returns: c servers, none waiting. The
/// stationary share does not depend on the distribution of the repair, only on its mean.
///
/// Spares do not fail while they wait. Where spares abound this is the tail of a Poisson
/// distribution of mean a. Evaluated by B(k) = a B(k-1) / (k + a B(k-1)), B(0) = 1.
#[must_use]
pub fn share_without_node(spares: u64, nodes_lost_per_second: f64, repair_seconds: f64) -> f64 {
    let load = nodes_lost_per_second * repair_seconds;
    let mut blocked = 1.0;
    for servers in 0..=spares {
        blocked = load * blocked / ((servers + 1) as f64 + load * blocked);
        if blocked.is_nan() || blocked <= 0.0 {
            return blocked;
        }
    }
    blocked
}
