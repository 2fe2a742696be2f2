//! What nccl-tests and rccl-tests print.
//!
//! A run prints lines of comments, that begin with `#` - versions, what is tested, one line for
//! each rank - and a line for each size: size in bytes, elements, type, for some collectives
//! operation and root, then time in µs, algorithm and bus bandwidth in GB/s and wrong values, out
//! of place and in place (nccl-tests `src/common.cu`, `doc/PERFORMANCE.md`). Out of place is read.

use std::collections::BTreeSet;

use chokepoint_catalog::CollectiveKind;
use chokepoint_diag::{Code, Diagnostic};
use chokepoint_units::{Bytes, Seconds};

/// One measured size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NcclRow {
    /// Size in the convention of nccl-tests.
    pub size: Bytes,
    /// Time of one collective.
    pub time: Seconds,
}

/// One run of a program of nccl-tests.
#[derive(Debug, Clone, PartialEq)]
pub struct NcclRun {
    /// Name of the test, where the output has it.
    pub test: Option<String>,
    /// Ranks, where the output lists them.
    pub ranks: Option<u64>,
    /// Hosts, where the output lists ranks.
    pub hosts: Option<u64>,
    /// Name of the devices, where the output lists ranks.
    pub device: Option<String>,
    /// Version line, where there is one.
    pub version: Option<String>,
    /// Sizes, rising.
    pub rows: Vec<NcclRow>,
}

impl NcclRun {
    /// Reads the output of one run.
    ///
    /// # Errors
    /// A line that is neither a comment nor a size, wrong values, no size at all.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostic> {
        let mut run = Self {
            test: None,
            ranks: None,
            hosts: None,
            device: None,
            version: None,
            rows: Vec::new(),
        };
        let (mut ranks, mut hosts) = (BTreeSet::new(), BTreeSet::new());
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let span = start..start + line.trim_end().len();
            start += line.len();
            let line = line.trim();
            let fault =
                |message: &str| Diagnostic::new(Code::Value, message).at(file, text, span.clone());
            if let Some(comment) = line.strip_prefix('#') {
                let comment = comment.trim();
                if run.test.is_some() && comment.starts_with(TEST) {
                    return Err(fault(
                        "a second run begins here: give each run a file of its own",
                    ));
                }
                if let Some(rank) = run.comment(comment) {
                    if rank.group != "0" {
                        return Err(fault("ranks of several groups are no single collective"));
                    }
                    if !ranks.insert(rank.number.to_owned()) {
                        return Err(fault(
                            "a rank is listed twice: give each run a file of its own",
                        ));
                    }
                    hosts.insert(rank.host.to_owned());
                }
            } else if line.starts_with(|first: char| first.is_ascii_digit()) {
                run.rows.push(row(line).map_err(fault)?);
            }
        }
        if run.rows.is_empty() {
            let message = "there is no measured size in the file";
            let help = "the output of all_reduce_perf and its like, with lines of size, count, type, time, algbw and busbw, is expected";
            return Err(Diagnostic::new(Code::Value, message)
                .at(file, text, 0..0)
                .help(help));
        }
        run.rows
            .sort_by(|a, b| a.size.get().total_cmp(&b.size.get()));
        run.rows.dedup_by(|a, b| a.size == b.size);
        if !ranks.is_empty() {
            run.ranks = Some(ranks.len() as u64);
            run.hosts = Some(hosts.len() as u64);
        }
        Ok(run)
    }

    /// Takes what a comment says; the rank, where it is the line of one.
    fn comment<'a>(&mut self, comment: &'a str) -> Option<Rank<'a>> {
        if comment.contains("nccl-tests version") || comment.contains("rccl-tests") {
            self.version.get_or_insert_with(|| comment.to_owned());
        }
        if let Some(test) = comment.strip_prefix(TEST) {
            self.test = Some(test.trim().to_owned());
        }
        // Rank  0 Group  0 Pid  31 on  host-a device  0 [0x07] NVIDIA H100 80GB HBM3
        let rank = comment.strip_prefix("Rank")?;
        let (who, host) = rank.split_once(" on ")?;
        let mut words = who.split_whitespace();
        let number = words.next()?;
        let group = words
            .skip_while(|word| *word != "Group")
            .nth(1)
            .unwrap_or("0");
        let (host, device) = host.trim().split_once(" device ")?;
        if let Some((_, name)) = device.split_once(']') {
            self.device.get_or_insert_with(|| name.trim().to_owned());
        }
        Some(Rank {
            number,
            group,
            host: host.trim(),
        })
    }

    /// What was run: nothing where the output does not name it.
    ///
    /// # Errors
    /// The name of a test that the catalogue has no curves of.
    pub fn collective(&self) -> Result<Option<CollectiveKind>, &str> {
        match &self.test {
            None => Ok(None),
            Some(test) => collective(test).map(Some).ok_or(test),
        }
    }
}

/// Before the name of a test.
const TEST: &str = "Collective test starting:";

/// The line of a rank.
struct Rank<'a> {
    number: &'a str,
    group: &'a str,
    host: &'a str,
}

/// The collective of a program's name.
fn collective(test: &str) -> Option<CollectiveKind> {
    let name = test.trim_end_matches("_perf").replace(['_', '-'], "");
    match name.to_lowercase().as_str() {
        "allreduce" => Some(CollectiveKind::AllReduce),
        "allgather" => Some(CollectiveKind::AllGather),
        "reducescatter" => Some(CollectiveKind::ReduceScatter),
        "alltoall" => Some(CollectiveKind::AllToAll),
        _ => None,
    }
}

/// One line of a size. Time, algorithm and bus bandwidth are the first three numbers behind the
/// type, the operation and the root, of which a collective may lack the last two.
fn row(line: &str) -> Result<NcclRow, &'static str> {
    let cells: Vec<&str> = line.split_whitespace().collect();
    let number = |cell: &&str| cell.parse::<f64>().ok().filter(|value| value.is_finite());
    let size = cells.first().and_then(number).filter(|size| *size >= 0.0);
    let kind = cells
        .iter()
        .position(|cell| cell.starts_with(char::is_alphabetic));
    let (Some(size), Some(kind)) = (size, kind) else {
        return Err("a line of nccl-tests begins with size, count and type");
    };
    let mut rest = &cells[kind + 1..];
    if let [operation, after @ ..] = rest
        && number(operation).is_none()
    {
        rest = after;
    }
    // Four numbers out of place and as many in place, and the root before them where there is one.
    if let (1, [_, after @ ..]) = (rest.len() % 4, rest) {
        rest = after;
    }
    let [time, algorithm, bus, wrong, ..] = rest else {
        return Err(
            "time, algorithm and bus bandwidth and wrong values are expected behind the type",
        );
    };
    // Old releases print the largest difference, which rounding leaves.
    if number(wrong).is_some_and(|wrong| wrong >= 1.0) {
        return Err("nccl-tests found wrong values: what this run measured is not the collective");
    }
    match (number(time), number(algorithm), number(bus)) {
        (Some(time), Some(_), Some(bus)) if time > 0.0 && bus >= 0.0 => Ok(NcclRow {
            size: Bytes::new(size),
            time: Seconds::new(time * 1e-6),
        }),
        _ => Err("time, algorithm and bus bandwidth must be numbers above zero"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
# nccl-tests version 2.17.1 nccl-headers=22807 nccl-library=22807
# Collective test starting: all_reduce_perf
# nThread 1 nGpus 1 minBytes 1024 maxBytes 17179869184 step: 2(factor) warmup iters: 5 iters: 20
#
# Using devices
#  Rank  0 Group  0 Pid  10001 on     host-a device  0 [0000:19:00] NVIDIA H200
#  Rank  1 Group  0 Pid  10002 on     host-b device  0 [0000:3b:00] NVIDIA H200
#
#                                                              out-of-place                       in-place
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
     1048576        262144     float     sum      -1    20.00   52.43   52.43      0    20.10   52.17   52.17      0
        1024           256     float     sum      -1    12.04    0.09    0.09      0    11.98    0.09    0.09      0
# Out of bounds values : 0 OK
# Avg bus bandwidth    : 26.2
";

    #[test]
    fn output_is_read_with_what_it_says_of_itself() {
        let run = NcclRun::parse("out.txt", OUTPUT).unwrap();
        assert_eq!(run.collective(), Ok(Some(CollectiveKind::AllReduce)));
        assert_eq!((run.ranks, run.hosts), (Some(2), Some(2)));
        assert_eq!(run.device.as_deref(), Some("NVIDIA H200"));
        assert_eq!(run.rows.len(), 2);
        assert!((run.rows[1].time.get() - 20e-6).abs() < 1e-15);
    }

    /// Times of a second and more are printed without decimals, old versions print no root, and
    /// all-to-all in place says N/A.
    #[test]
    fn other_forms_of_lines_are_read() {
        for line in [
            "8589934592 2147483648 float sum -1 1200345 7.16 12.53 0 1200400 7.16 12.53 0",
            "8589934592 2147483648 float 1200345 7.16 12.53 0 1200400 7.16 12.53 0",
            "8589934592 2147483648 float none -1 1200345 7.16 12.53 0 1200400 7.16 12.53 N/A",
            "8589934592 2147483648 float 1200345 7.16 12.53 0",
            "8589934592 2147483648 float sum 1200345 7.16 12.53 2e-07 1200400 7.16 12.53 2e-07",
        ] {
            let read = row(line).unwrap();
            assert!((read.time.get() - 1.200_345).abs() < 1e-12, "{line}");
        }
    }

    #[test]
    fn faults_name_the_line() {
        let wrong = OUTPUT.replace("52.43      0", "52.43      3");
        let error = NcclRun::parse("out.txt", &wrong).unwrap_err();
        assert_eq!(error.place.map(|place| place.line_column().0), Some(12));
        assert!(NcclRun::parse("out.txt", "nothing here").is_err());
        assert!(
            NcclRun::parse("out.txt", &OUTPUT.repeat(2)).is_err(),
            "two runs"
        );
        let apart = OUTPUT.replace("Rank  1 Group  0", "Rank  1 Group  1");
        assert!(NcclRun::parse("out.txt", &apart).is_err(), "two groups");
        let other = OUTPUT.replace("all_reduce_perf", "sendrecv_perf");
        let other = NcclRun::parse("out.txt", &other).unwrap();
        assert_eq!(other.collective(), Err("sendrecv_perf"));
        assert!(NcclRun::parse("out.txt", "1024 256 float sum -1").is_err());
    }
}
