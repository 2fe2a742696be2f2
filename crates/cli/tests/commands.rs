//! Bad input of commands other than `compare`: each file of `tests/faults/commands` is a command
//! and the message that it must give, with exit code 2. `UPDATE=1` rewrites the messages.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Words of a command line; double quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn every_fault_of_a_command_is_explained() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join("tests/faults/commands"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 25, "only {} faults", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        let recorded = std::fs::read_to_string(file).unwrap();
        let (first, message) = recorded.split_once('\n').unwrap();
        let command = first.strip_prefix("$ chokepoint ").unwrap();
        let run = Command::new(env!("CARGO_BIN_EXE_chokepoint"))
            .current_dir(root())
            .args(words(command))
            .output()
            .unwrap();
        let found = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(2), "{command}: {found}");
        assert!(run.stdout.is_empty(), "{command} printed a result");
        assert!(found.contains("error[CK"), "{command}: {found}");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(file, format!("{first}\n{found}")).unwrap();
        } else if message != found {
            wrong.push(format!("{command}:\n{found}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "messages changed (UPDATE=1 accepts them):\n{}",
        wrong.join("\n")
    );
}
