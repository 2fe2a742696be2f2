//! What tests of the program share: running it, and holding its messages against recorded ones.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The program on some arguments, in the root of the repository.
pub fn chokepoint(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chokepoint"))
        .current_dir(root())
        .args(arguments)
        .output()
        .unwrap()
}

/// Every malformed file of a folder, of which there are some at least: the program ends with 2, prints
/// no result, and gives the message recorded beside the file; `UPDATE=1` rewrites these.
pub fn every_fault(folder: &str, ending: &str, least: usize, run: impl Fn(&str) -> Output) {
    let mut faults: Vec<PathBuf> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    faults.sort();
    assert!(faults.len() >= least, "only {} faults", faults.len());
    let mut wrong = Vec::new();
    for fault in faults {
        let name = fault.file_name().unwrap().to_str().unwrap();
        let output = run(&format!("{folder}/{name}"));
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {message}");
        assert!(output.stdout.is_empty(), "{name} printed a result");
        assert!(message.contains("error[CK"), "{name}: {message}");
        let expected = fault.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&expected, &message).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != message {
            wrong.push(format!("{name}:\n{message}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "messages changed (UPDATE=1 accepts them):\n{}",
        wrong.join("\n")
    );
}
