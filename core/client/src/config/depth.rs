//! How deep JSON text is nested, found without recursion, so that no input can exhaust the stack.

use memchr::memchr2;

/// Steps of a path that are shown before it is cut with `…`.
const SHOWN_STEPS: usize = 8;

/// The way into the container that is open.
enum Step<'a> {
    /// An object and the key that was read last, still escaped.
    Key(&'a str),
    /// An array and the index of the element.
    Index(usize),
}

/// The path of the first container that is nested deeper than `limit`; `None` if there is none.
/// Text that is no JSON gives any answer: the parser refuses it afterwards.
pub(super) fn too_deep_at(text: &[u8], limit: usize) -> Option<String> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => {
                let string = string_at(&text[at..]);
                at += string.len() + 1;
                let is_key =
                    text.get(at..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b":"));
                if let (Some(Step::Key(key)), true) = (steps.last_mut(), is_key) {
                    *key = std::str::from_utf8(string).unwrap_or_default();
                }
            }
            b'{' | b'[' if steps.len() == limit => return Some(path(&steps)),
            b'{' => steps.push(Step::Key("")),
            b'[' => steps.push(Step::Index(0)),
            b'}' | b']' => drop(steps.pop()),
            b',' => {
                if let Some(Step::Index(index)) = steps.last_mut() {
                    *index += 1;
                }
            }
            _ => {}
        }
    }
    None
}

/// The bytes before the closing quote.
fn string_at(text: &[u8]) -> &[u8] {
    let mut end = 0;
    while let Some(found) = text.get(end..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        end += found;
        if text[end] == b'"' {
            return &text[..end];
        }
        end += 2;
    }
    text
}

/// `config.stops[3]…`; fields of a spec are named without `spec.`, as in every other message about one.
fn path(steps: &[Step<'_>]) -> String {
    let steps = match steps {
        [Step::Key("spec"), rest @ ..] if !rest.is_empty() => rest,
        steps => steps,
    };
    let mut path = String::new();
    for step in steps.iter().take(SHOWN_STEPS) {
        match step {
            Step::Key(key) if path.is_empty() => path.push_str(key),
            Step::Key(key) => path.extend([".", *key]),
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    if steps.len() > SHOWN_STEPS {
        path.push('…');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::too_deep_at;

    #[test]
    fn the_path_leads_to_the_container_that_is_too_deep() {
        for (text, limit, path) in [
            (r#"{"a":{"b":[]}}"#, 3, None),
            (r#"{"a":{"b":[]}}"#, 2, Some("a.b")),
            (r#"{"a":{"x":"y","b":[1,{"c":{}}]}}"#, 4, Some("a.b[1].c")),
            (r#"{"spec":{"config":{"k":{}}}}"#, 3, Some("config.k")),
            (r#"{"a":"[[[[{{{{\"[["}"#, 1, None),
            (r#"{"a\"b" : [[]]}"#, 2, Some(r#"a\"b[0]"#)),
            (r#"{"a":[[[[[[[[[[]]]]]]]]]]}"#, 10, Some("a[0][0][0][0][0][0][0]…")),
            (r#"{"a"#, 1, None),
            ("}}]]", 1, None),
        ] {
            assert_eq!(too_deep_at(text.as_bytes(), limit).as_deref(), path, "{text}");
        }
    }
}
