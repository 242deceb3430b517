//! The workloads of a list are mostly alike: the same keys in the same order. One that is the same as another but for the text
//! of its strings is as good JSON, and to see that takes a quarter of the time that its letters would.

use std::ops::Range;

use memchr::memchr;

use super::walk::plain_length;

/// A larger element would take memory, and lists are not long because of such.
const LARGEST: usize = 16 * 1024;

/// An element to compare others with.
#[derive(Debug, Default)]
pub(super) struct Model {
    text: Vec<u8>,
    /// Where others may have any other text: between the quotes of strings, but not of keys.
    texts: Vec<Range<usize>>,
}

impl Model {
    /// Takes `element`, which is an object and JSON, for the model. One with a backslash is none, since not every quote in it
    /// would be the begin or the end of a string.
    pub(super) fn set(&mut self, element: &[u8]) {
        self.text.clear();
        self.texts.clear();
        if element.len() > LARGEST || memchr(b'\\', element).is_some() {
            return;
        }
        self.text.extend_from_slice(element);
        // They stand closely, where a search for each costs more than a look at every letter.
        let letters = element.iter().enumerate();
        let mut quotes = letters.filter(|(_, letter)| **letter == b'"').map(|(at, _)| at);
        while let (Some(open), Some(close)) = (quotes.next(), quotes.next()) {
            let is_key = element[close + 1..].trim_ascii_start().starts_with(b":");
            self.texts.extend((!is_key).then_some(open + 1..close));
        }
    }

    /// How long the element is that `text` begins with, if it is like the model.
    pub(super) fn length_of(&self, text: &[u8]) -> Option<usize> {
        let mut rest = text;
        let mut from = 0;
        for own in &self.texts {
            rest = rest.strip_prefix(&self.text[from..own.start])?;
            // What ends this text, if it is not a quote, differs from what comes next in the model.
            rest = &rest[plain_length(rest)..];
            from = own.end;
        }
        rest = rest.strip_prefix(&self.text[from..])?;
        (!self.text.is_empty()).then_some(text.len() - rest.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_alike_that_differ_in_the_text_of_strings() {
        let mut model = Model::default();
        assert_eq!(model.length_of(b"{}"), None, "without a model");
        model.set(br#"{"id" :"1","config":{"a":[1,"x"],"b":""},"gpu":null,"name":"n"}"#);
        for (element, expected) in [
            (r#"{"id" :"1","config":{"a":[1,"x"],"b":""},"gpu":null,"name":"n"}"#, true),
            (
                r#"{"id" :"","config":{"a":[1,"long text, é"],"b":"]}"},"gpu":null,"name":","}"#,
                true,
            ),
            (r#"{"id" :"1","config":{"a":[2,"x"],"b":""},"gpu":null,"name":"n"}"#, false),
            (r#"{"id" :"1","config":{"a":[1,"x"],"c":""},"gpu":null,"name":"n"}"#, false),
            (r#"{"id" :"1","config":{"a":[1,"x"],"b":""},"gpu":"g","name":"n"}"#, false),
            (r#"{"id" :"\"","config":{"a":[1,"x"],"b":""},"gpu":null,"name":"n"}"#, false),
            (
                "{\"id\" :\"\n\",\"config\":{\"a\":[1,\"x\"],\"b\":\"\"},\"gpu\":null,\"name\":\"n\"}",
                false,
            ),
            (r#"{"id" :"1","config":{"a":[1,"x"],"b":""},"gpu":null,"name":"n""#, false),
            (r#"{"id" :"1","config":{"a":[1,"x"],"b":""},"gpu":null,"name":"n"#, false),
            ("", false),
        ] {
            let text = format!("{element},{{");
            let expected = expected.then_some(element.len());
            assert_eq!(model.length_of(text.as_bytes()), expected, "{element}");
        }
        let large = format!(r#"{{"id":"{}"}}"#, "x".repeat(LARGEST));
        for (odd, other) in [(&*large, &*large), (r#"{"a":"\"","b":"c"}"#, r#"{"a":"x"";"b":"c"}"#)]
        {
            model.set(odd.as_bytes());
            assert_eq!(model.length_of(other.as_bytes()), None, "no model: {}", &odd[..10]);
        }
    }
}
