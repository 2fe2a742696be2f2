//! Rule files that are refused, each with the reason and the line.

use chokepoint_diag::{Code, Diagnostic};
use chokepoint_rules::RuleBook;

const SOUND: &str = r#"schema = 1
id = "example"
kind = "law"
title = "Example"
citation = "1 FR 1"
sources = ["a page"]
grade = "A"
effective = 2023-11-17
until = 2024-11-17
destinations = ["CN"]
precedence = ["3A090.a"]

[[limb]]
eccn = "3A090.a.1"
all = [{ metric = "tpp", op = "ge", value = 4800 }]

[[review]]
label = "review"
outcome = "license_case_by_case"
conditions = ["end_use"]

[[condition]]
key = "end_use"
text = "no military end use"
"#;

fn refused(name: &str, text: &str) -> Diagnostic {
    RuleBook::parse([(name, text)]).unwrap_err()
}

#[test]
fn the_example_is_sound() {
    RuleBook::parse([("us/example.toml", SOUND)]).unwrap();
}

/// What to replace, by what, and the code, line and words of the diagnostic.
type Mistake = (&'static str, &'static str, Code, usize, &'static str);

const MISTAKES: [Mistake; 24] = [
    (
        "\"tpp\"",
        "\"flops\"",
        Code::Field,
        15,
        "unknown variant `flops`",
    ),
    (
        "\"ge\"",
        "\"above\"",
        Code::Field,
        15,
        "unknown variant `above`",
    ),
    (
        "value = 4800",
        "value = true",
        Code::Value,
        15,
        "compared with a number",
    ),
    (
        "value = 4800",
        "value = -1",
        Code::Value,
        15,
        "not negative",
    ),
    ("value = 4800", "value = nan", Code::Value, 15, "finite"),
    (
        "\"tpp\"",
        "\"datacenter\"",
        Code::Value,
        15,
        "true or false",
    ),
    (
        "citation = \"1 FR 1\"\n",
        "",
        Code::Field,
        1,
        "missing field `citation`",
    ),
    (
        "\"1 FR 1\"",
        "\" \"",
        Code::Provenance,
        5,
        "citation is empty",
    ),
    ("[\"a page\"]", "[]", Code::Provenance, 6, "no source"),
    (
        "until = 2024-11-17",
        "until = 2023-11-16",
        Code::Value,
        9,
        "not after effective 2023-11-17",
    ),
    (
        "until = 2024-11-17",
        "until = 2023-11-17",
        Code::Value,
        9,
        "not after effective",
    ),
    (
        "until = 2024-11-17",
        "compliance = 2023-11-01",
        Code::Value,
        9,
        "compliance",
    ),
    (
        "until = 2024-11-17",
        "suspended_until = 2024-01-01",
        Code::Value,
        9,
        "suspended_from",
    ),
    (
        "2023-11-17",
        "2023-11-17T10:00:00",
        Code::Value,
        8,
        "is no day",
    ),
    (
        "\"3A090.a.1\"",
        "\"3A090.b.1\"",
        Code::Value,
        14,
        "no paragraph of `precedence`",
    ),
    (
        "{ metric = \"tpp\", op = \"ge\", value = 4800 }",
        "",
        Code::Value,
        14,
        "no condition",
    ),
    (
        "[\"CN\"]",
        "[\"China\"]",
        Code::Value,
        10,
        "\"China\" is no place",
    ),
    (
        "[\"CN\"]",
        "[\"D:9\"]",
        Code::UnknownId,
        10,
        "no group of countries \"D:9\"",
    ),
    (
        "destinations = [\"CN\"]\n",
        "",
        Code::Field,
        3,
        "needs `destinations`",
    ),
    (
        "_case_by_case",
        "_maybe",
        Code::Field,
        19,
        "unknown variant",
    ),
    (
        "license_case_by_case",
        "not_controlled",
        Code::Value,
        19,
        "cannot be the outcome",
    ),
    (
        "[\"end_use\"]",
        "[\"end_user\"]",
        Code::UnknownId,
        20,
        "no condition \"end_user\"",
    ),
    (
        "id = \"example\"",
        "id = \"other\"",
        Code::Value,
        2,
        "not the file's name",
    ),
    (
        "schema = 1",
        "schema = 2",
        Code::Value,
        1,
        "expected schema 1",
    ),
];

#[test]
fn each_mistake_is_refused_with_its_reason_and_line() {
    for (wrong, with, code, line, words) in MISTAKES {
        assert!(SOUND.contains(wrong), "{wrong}");
        let found = refused("us/example.toml", &SOUND.replacen(wrong, with, 1));
        assert!(found.message.contains(words), "{with}: {found}");
        assert_eq!(found.code, code, "{with}: {found}");
        let place = found.place.as_ref().unwrap();
        assert_eq!(place.file, "us/example.toml");
        assert_eq!(place.line_column().0, line, "{with}: {found}");
    }
}

#[test]
fn unknown_names_come_with_the_nearest() {
    let typo = refused("example.toml", &SOUND.replacen("\"tpp\"", "\"tpq\"", 1));
    assert_eq!(typo.help.as_deref(), Some("did you mean `tpp`?"));
    let key = SOUND.replacen("[\"end_use\"]", "[\"end_usee\"]", 1);
    let help = refused("example.toml", &key).help.unwrap();
    assert!(help.contains("end_use"), "{help}");
    let field = refused("example.toml", &SOUND.replacen("title", "titel", 1));
    assert_eq!(field.help.as_deref(), Some("did you mean `title`?"));
}

#[test]
fn files_are_checked_against_each_other() {
    let twice = RuleBook::parse([("a/example.toml", SOUND), ("b/example.toml", SOUND)]);
    assert!(twice.unwrap_err().message.contains("used by two files"));
    let amends = "schema = 1\nid = \"later\"\nkind = \"law\"\ntitle = \"t\"\ncitation = \"c\"\n\
        sources = [\"s\"]\ngrade = \"A\"\neffective = 2024-01-01\namends = \"exampel\"\n";
    let found = RuleBook::parse([("example.toml", SOUND), ("later.toml", amends)]).unwrap_err();
    assert_eq!(found.code, Code::UnknownId);
    assert_eq!(found.place.unwrap().line_column().0, 9);
}

#[test]
fn letters_need_addressees_and_text_must_be_toml() {
    let letter = SOUND.replacen("\"law\"", "\"letter\"", 1);
    assert!(
        refused("example.toml", &letter)
            .message
            .contains("addressees")
    );
    let broken = refused("example.toml", "schema = \n");
    assert_eq!(broken.place.unwrap().line_column().0, 1);
}
