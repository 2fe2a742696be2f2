//! Where a key of the outermost object stands in a JSON text.

use std::ops::Range;

/// Bytes of the last `"key": value` of the outermost object of a valid JSON text (the one that a
/// reader keeps when there are several), up to the end of a scalar or the start of a nested value.
/// Absent when there is none, or the key is written with escapes.
pub(super) fn locate(text: &str, key: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    let mut found = None;
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let end = string_end(bytes, at);
                let name = text.get(at + 1..end.saturating_sub(1));
                let colon = skip_space(bytes, end);
                if depth == 1 && name == Some(key) && bytes.get(colon) == Some(&b':') {
                    found = Some(at..value_end(bytes, skip_space(bytes, colon + 1)));
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// One past the closing quote of the string that opens at a place.
fn string_end(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn skip_space(bytes: &[u8], from: usize) -> usize {
    let space = |byte: &&u8| byte.is_ascii_whitespace();
    from + bytes.iter().skip(from).take_while(space).count()
}

fn value_end(bytes: &[u8], start: usize) -> usize {
    match bytes.get(start) {
        Some(b'"') => string_end(bytes, start),
        Some(b'{' | b'[') => start + 1,
        _ => {
            let scalar = |byte: &&u8| !matches!(byte, b',' | b'}') && !byte.is_ascii_whitespace();
            start + bytes.iter().skip(start).take_while(scalar).count()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::locate;

    #[test]
    fn finds_the_outer_key_and_not_a_nested_or_quoted_one() {
        let text = r#"{"a": {"n": 1}, "b": "\"n\": 2", "n" : 30, "c": [{"n": 4}]}"#;
        let span = locate(text, "n").unwrap();
        assert_eq!(&text[span], r#""n" : 30"#);
        assert_eq!(locate(text, "missing"), None);
        let twice = r#"{"n": 1, "n": 2}"#;
        assert_eq!(&twice[locate(twice, "n").unwrap()], r#""n": 2"#);
    }
}
