//! Bad input: the message names file, line, field, what was expected and the nearest name; the
//! exit code is 2 and nothing is left behind. `UPDATE=1` rewrites the expected messages.

#[path = "../../../tests/support/program.rs"]
mod program;

use program::{chokepoint, every_fault};

#[test]
fn every_fault_is_explained() {
    let out = tempfile::tempdir().unwrap();
    let result = out.path().join("result.json");
    let page = out.path().join("report.html");
    every_fault("tests/faults", "toml", 30, |file| {
        let run = chokepoint(&[
            "compare",
            file,
            "--format",
            "json",
            "--output",
            result.to_str().unwrap(),
            "--html",
            page.to_str().unwrap(),
        ]);
        assert_eq!(
            std::fs::read_dir(out.path()).unwrap().count(),
            0,
            "{file} left a file behind"
        );
        run
    });
}
