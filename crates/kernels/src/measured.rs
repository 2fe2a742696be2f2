//! Kernels that a user measured, as `tools/measure/measure.py` writes them: CSV with the machine in
//! comments before it.
//!
//! One row is one kernel of one library; sizes that a kernel does not have are blank.

use csv::{ReaderBuilder, StringRecord};

use chokepoint_diag::{Code, Diagnostic, nearest};
use chokepoint_units::NumberFormat;

use crate::shape::Shape;

/// Columns that every file has.
const COLUMNS: [&str; 15] = [
    "kernel",
    "format",
    "m",
    "n",
    "k",
    "groups",
    "batch",
    "query",
    "keys",
    "heads",
    "kv_heads",
    "head",
    "bytes",
    "seconds",
    "power_watts",
];

/// A file of measured kernels.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// What the comments say, as "gpu" and "NVIDIA H100 80GB HBM3", in their order.
    pub header: Vec<(String, String)>,
    pub(crate) rows: Vec<MeasuredKernel>,
}

/// One measured kernel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MeasuredKernel {
    /// Line of the file.
    pub line: u64,
    pub work: Work,
    pub format: NumberFormat,
    /// Library whose kernel ran.
    pub library: String,
    /// Median time.
    pub seconds: f64,
    /// Mean power of the package meanwhile.
    pub watts: Option<f64>,
}

/// What ran.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Work {
    /// Work of a model.
    Shape(Shape),
    /// A copy of so many bytes within the chip's memory.
    Copy { bytes: f64 },
    /// A kernel of one element, launched by the host.
    Launch,
    /// The same in a graph.
    GraphLaunch,
    /// A copy of so many bytes between host and chip.
    Host { bytes: f64, to_device: bool },
}

impl Work {
    /// Name as in files.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Shape(Shape::Product { .. }) => "gemm",
            Self::Shape(Shape::Experts { .. } | Shape::Grouped { .. }) => "grouped_gemm",
            Self::Shape(Shape::Prefill { .. }) => "prefill",
            Self::Shape(Shape::Decode { .. } | Shape::Latent { .. }) => "decode",
            Self::Copy { .. } => "copy",
            Self::Launch => "launch",
            Self::GraphLaunch => "launch_graph",
            Self::Host {
                to_device: true, ..
            } => "host_to_device",
            Self::Host { .. } => "device_to_host",
        }
    }
}

impl Measurement {
    /// Reads a file.
    ///
    /// # Errors
    /// The first line that cannot be read, or a column that is missing.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostic> {
        let mut reader = ReaderBuilder::new()
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        let unreadable = |error: csv::Error| {
            let message = format!("cannot read {file} as CSV: {error}");
            Diagnostic::new(Code::Syntax, message)
        };
        let heads = reader.headers().map_err(unreadable)?.clone();
        let missing = COLUMNS
            .iter()
            .find(|name| !heads.iter().any(|head| head == **name));
        if let Some(name) = missing {
            let message = format!("{file} has no column \"{name}\"");
            let help = "expected a file that tools/measure/measure.py wrote";
            return Err(Diagnostic::new(Code::Field, message).help(help));
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(unreadable)?;
            let line = Line {
                file,
                text,
                heads: &heads,
                record: &record,
            };
            rows.push(line.kernel()?);
        }
        if rows.is_empty() {
            let message = format!("{file} has no measured kernel");
            return Err(Diagnostic::new(Code::Value, message));
        }
        Ok(Self {
            header: header(text),
            rows,
        })
    }

    /// A word of the header.
    #[must_use]
    pub fn said(&self, name: &str) -> Option<&str> {
        let found = self.header.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Comments of the form `# name: value`.
fn header(text: &str) -> Vec<(String, String)> {
    let comments = text.lines().filter_map(|line| line.strip_prefix('#'));
    let pairs = comments.filter_map(|comment| comment.split_once(':'));
    pairs
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

/// A line on its way.
struct Line<'a> {
    file: &'a str,
    text: &'a str,
    heads: &'a StringRecord,
    record: &'a StringRecord,
}

impl Line<'_> {
    fn word(&self, column: &str) -> &str {
        let place = self.heads.iter().position(|head| head == column);
        let cell = place.and_then(|place| self.record.get(place));
        cell.unwrap_or_default().trim()
    }

    fn number(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    fn wrong(&self, column: &str, expected: &str) -> Diagnostic {
        let message = format!(
            "{column} of {} is \"{}\"; expected {expected}",
            self.word("kernel"),
            self.word(column)
        );
        let before = usize::try_from(self.number()).unwrap_or(1).max(1) - 1;
        let lines = self.text.split_inclusive('\n');
        let start: usize = lines.clone().take(before).map(str::len).sum();
        let length = lines
            .clone()
            .nth(before)
            .map_or(0, |line| line.trim_end().len());
        Diagnostic::new(Code::Value, message).at(self.file, self.text, start..start + length)
    }

    /// A whole number of a size.
    fn size(&self, column: &str) -> Result<u32, Diagnostic> {
        let size = self.word(column).parse::<u32>().ok();
        size.filter(|size| *size > 0)
            .ok_or_else(|| self.wrong(column, "a whole number above zero"))
    }

    fn positive(&self, column: &str) -> Result<f64, Diagnostic> {
        let number = self.word(column).parse::<f64>().ok();
        number
            .filter(|number| *number > 0.0 && number.is_finite())
            .ok_or_else(|| self.wrong(column, "a number above zero"))
    }

    fn kernel(&self) -> Result<MeasuredKernel, Diagnostic> {
        let format = match self.word("format") {
            "bf16" => NumberFormat::Bf16,
            "fp8" => NumberFormat::Fp8,
            _ => return Err(self.wrong("format", "bf16 or fp8")),
        };
        let watts = if self.word("power_watts").is_empty() {
            None
        } else {
            Some(self.positive("power_watts")?)
        };
        Ok(MeasuredKernel {
            line: self.number(),
            work: self.work()?,
            format,
            library: self.word("library").to_owned(),
            seconds: self.positive("seconds")?,
            watts,
        })
    }

    fn work(&self) -> Result<Work, Diagnostic> {
        const KERNELS: [&str; 9] = [
            "gemm",
            "grouped_gemm",
            "prefill",
            "decode",
            "copy",
            "launch",
            "launch_graph",
            "host_to_device",
            "device_to_host",
        ];
        Ok(match self.word("kernel") {
            "gemm" => Work::Shape(Shape::Product {
                rows: self.size("m")?,
                columns: self.size("n")?,
                depth: self.size("k")?,
            }),
            "grouped_gemm" => Work::Shape(Shape::Grouped {
                rows: self.size("m")?,
                columns: self.size("n")?,
                depth: self.size("k")?,
                groups: self.size("groups")?,
            }),
            "prefill" => Work::Shape(self.prefill()?),
            "decode" => Work::Shape(self.decode()?),
            "copy" => Work::Copy {
                bytes: self.positive("bytes")?,
            },
            "launch" => Work::Launch,
            "launch_graph" => Work::GraphLaunch,
            direction @ ("host_to_device" | "device_to_host") => Work::Host {
                bytes: self.positive("bytes")?,
                to_device: direction == "host_to_device",
            },
            other => {
                let near = nearest(other, KERNELS);
                let problem = self.wrong("kernel", &format!("one of {}", KERNELS.join(", ")));
                return Err(if near.is_empty() {
                    problem
                } else {
                    problem.help(format!("did you mean {}?", near.join(", ")))
                });
            }
        })
    }

    fn prefill(&self) -> Result<Shape, Diagnostic> {
        let head = self.size("head")?;
        Ok(Shape::Prefill {
            batch: self.size("batch")?,
            query: self.size("query")?,
            heads: self.size("heads")?,
            kv_heads: self.size("kv_heads")?,
            key: head,
            value: head,
        })
    }

    fn decode(&self) -> Result<Shape, Diagnostic> {
        if self.size("head")? != 128 {
            return Err(self.wrong("head", "128, the width of heads that curves are of"));
        }
        Ok(Shape::Decode {
            batch: self.size("batch")?,
            keys: self.size("keys")?,
            heads: self.size("heads")?,
            kv_heads: self.size("kv_heads")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Measurement, Work};
    use crate::shape::Shape;

    const FILE: &str = "\
# gpu: Made-up GPU
# power_limit_watts: 700.00
kernel,format,library,m,n,k,groups,batch,query,keys,heads,kv_heads,head,bytes,seconds,power_watts
gemm,fp8,torch,64,4096,1024,,,,,,,,,2e-5,
grouped_gemm,bf16,torch,64,4096,1024,8,,,,,,,,2e-5,
decode,bf16,flashinfer,,,,,16,,1024,32,8,128,,2e-5,412.5
";

    #[test]
    fn a_file_is_read_with_its_machine() {
        let read = Measurement::parse("made.csv", FILE).unwrap();
        assert_eq!(read.said("gpu"), Some("Made-up GPU"));
        assert_eq!(read.said("power_limit_watts"), Some("700.00"));
        assert_eq!(read.said("chip"), None);
        let groups = Work::Shape(Shape::Grouped {
            rows: 64,
            columns: 4096,
            depth: 1024,
            groups: 8,
        });
        assert_eq!(read.rows[1].work, groups);
        assert_eq!(read.rows[2].watts, Some(412.5));
        assert_eq!(read.rows[2].line, 6);
    }

    proptest! {
        /// Whatever a file holds, it is read or refused.
        #[test]
        fn no_text_breaks_the_reader(
            from in "[a-z0-9,.#\\n-]{0,2}",
            to in "\\PC{0,5}",
            times in 1_usize..4,
        ) {
            let text = if from.is_empty() { to } else { FILE.replacen(&from, &to, times) };
            if let Ok(read) = Measurement::parse("any.csv", &text) {
                prop_assert!(read.rows.iter().all(|row| row.seconds > 0.0));
            }
        }
    }
}
