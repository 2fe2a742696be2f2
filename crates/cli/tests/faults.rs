//! Bad input: the message names file, line, field, what was expected and the nearest name; the
//! exit code is 2 and nothing is left behind. `UPDATE=1` rewrites the expected messages.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_fault_is_explained() {
    let folder = root().join("tests/faults");
    let mut faults: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    faults.sort();
    assert!(faults.len() >= 30, "only {} faults", faults.len());
    let out = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for fault in &faults {
        let name = fault.file_name().unwrap().to_str().unwrap();
        let result = out.path().join("result.json");
        let page = out.path().join("report.html");
        let run = Command::new(env!("CARGO_BIN_EXE_chokepoint"))
            .current_dir(root())
            .args([
                "compare",
                &format!("tests/faults/{name}"),
                "--format",
                "json",
            ])
            .arg("--output")
            .arg(&result)
            .arg("--html")
            .arg(&page)
            .output()
            .unwrap();
        assert_eq!(
            run.status.code(),
            Some(2),
            "{name}: {}",
            String::from_utf8_lossy(&run.stderr)
        );
        assert!(run.stdout.is_empty(), "{name} printed a result");
        assert_eq!(
            std::fs::read_dir(out.path()).unwrap().count(),
            0,
            "{name} left a file behind"
        );
        let message = String::from_utf8(run.stderr).unwrap();
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
