use chokepoint_engine::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let text = std::fs::read_to_string(&a[1]).unwrap();
    let mut files = vec![];
    for d in ["frameworks", "calibration", "systems", "chips"] {
        for e in std::fs::read_dir(format!("data/{d}")).unwrap() {
            let p = e.unwrap().path();
            files.push((
                format!("{d}/{}", p.file_name().unwrap().to_str().unwrap()),
                std::fs::read_to_string(&p).unwrap(),
            ));
        }
    }
    let data = Data::load(&files).unwrap();
    let v = validate_training("t", &text, &data).unwrap();
    for s in &v.summary {
        let e = |e: &Option<Errors>| {
            e.map_or("-".to_string(), |e| {
                format!(
                    "{:5.1}/{:5.1}/{:5.1}",
                    e.median * 100.,
                    e.mean * 100.,
                    e.p90 * 100.
                )
            })
        };
        println!(
            "{:42} {:5} {:5} compl {:4}/{:4} err {} bias {:6.1} cov {:3.0} base {} loco {} infeas {} mem {:?}",
            s.group,
            s.rows,
            s.predicted,
            s.complete.1,
            s.complete.0,
            e(&s.errors),
            s.bias.unwrap_or(f64::NAN) * 100.,
            s.coverage.unwrap_or(f64::NAN) * 100.,
            e(&s.baseline),
            e(&s.without_chip),
            s.called_infeasible,
            s.memory.map(|m| (
                m.0,
                (m.1.median * 1000.).round() / 10.,
                (m.1.p90 * 1000.).round() / 10.
            ))
        );
        if s.group == "all" {
            for k in &s.skipped {
                println!("   skipped {} {}", k.1, k.0);
            }
        }
    }
    let mut o = String::from(
        "row_id\tsource\tchip\tmodel\tclass\tprec\tfw\tcomplete\terr\tratio\tfits\tmem\tmmem\tplan\tbreak\tassumed\n",
    );
    for r in &v.rows {
        if let Some(p) = &r.prediction {
            let t: f64 = p.breakdown.iter().map(|b| b.1).sum();
            let ratio = if p.metric == "step_seconds" || p.metric.starts_with("chip_hours") {
                p.predicted / p.measured
            } else {
                p.measured / p.predicted
            };
            let b: Vec<String> = p
                .breakdown
                .iter()
                .filter(|b| b.1 > 0.004 * t)
                .map(|b| format!("{}:{:.0}", b.0, b.1 / t * 100.))
                .collect();
            o += &format!(
                "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{:.3}\t{:.3}\t{}\t{:.1}\t{:.1}\t{}\t{}\t{}\n",
                r.row_id,
                r.source,
                r.chip,
                r.model,
                r.class,
                r.precision,
                r.framework,
                r.complete,
                p.relative_error,
                ratio,
                p.fits,
                p.memory_bytes / 1e9,
                p.measured_memory_bytes.unwrap_or(0.) / 1e9,
                p.plan,
                b.join(" "),
                r.assumed.join("; ")
            );
        }
    }
    let mut k = String::new();
    for r in &v.rows {
        if let Some(w) = &r.skipped {
            k += &format!(
                "{}\t{}\t{}\t{}\t{}\n",
                r.source, r.chip, r.model, r.row_id, w
            );
        }
    }
    std::fs::write("/tmp/skipped.tsv", k).unwrap();
    std::fs::write("/tmp/v.tsv", o).unwrap();
}
