//! One page of the list of workloads (wire.md 2.5): scanned, and only what is asked for is kept.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem::Finder;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::walk::{MOST_OPEN, Step, Walk};
use crate::json::{self, Entries, Field, Node};

/// A workload has about so many.
const USUAL_FIELDS: usize = 20;

/// Which elements of a list may matter, judged by their text.
pub(super) type Wanted<'a> = &'a (dyn Fn(&str) -> bool + Send + Sync);

/// What one answer held.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    /// The text of each wanted element.
    pub(crate) elements: Vec<&'a str>,
    pub(crate) rest: Rest,
}

/// What comes after a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// That was all.
    Nothing,
    /// Another page, under this cursor.
    Cursor(String),
    /// More, and no way to ask for it.
    Hidden,
}

/// A workload as the platform tells it.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    pub(crate) id: String,
    pub(crate) slug: String,
    /// The object as it arrived.
    pub(crate) text: String,
    pub(crate) fields: Fields,
}

/// What an object holds, for a few looks into it: to go through its names costs less than to sort them in for a search.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Vec<(String, Value)>);

impl Fields {
    /// What stands under the name; of several the last.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::with_capacity(USUAL_FIELDS);
                while let Some(field) = entries.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

impl Workload {
    /// Reads an object with a non-empty `id` and `slug`; `None` for anything else.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let fields: Fields = serde_json::from_str(text).ok()?;
        let word = |key: &str| {
            fields.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
        };
        Some(Self { id: word("id")?, slug: word("slug")?, text: text.to_owned(), fields })
    }

    pub(super) fn description(&self) -> &str {
        self.fields.get("description").and_then(Value::as_str).unwrap_or_default()
    }
}

/// Has the element this slug, and yet cannot be used: no id, or something in it that no JSON reader takes? To take it for
/// absent would create a second workload beside it.
pub(crate) fn is_unusable(element: &str, slug: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Shallow<'a> {
        #[serde(borrow)]
        slug: Option<&'a RawValue>,
    }
    let shallow = serde_json::from_str::<Shallow<'_>>(element).ok();
    let found = shallow.and_then(|element| serde_json::from_str(element.slug?.get()).ok());
    found.is_some_and(|found: String| found == slug) && Workload::read(element).is_none()
}

/// A string that is looked for in many elements.
pub(crate) struct Sought<'a> {
    string: &'a str,
    finder: Finder<'a>,
}

impl<'a> Sought<'a> {
    pub(crate) fn new(string: &'a str) -> Self {
        Self { string, finder: Finder::new(string) }
    }

    /// May the element have it somewhere? A text without its letters can only have it if something is escaped.
    pub(crate) fn may_be_in(&self, element: &str) -> bool {
        self.finder.find(element.as_bytes()).is_some()
            || memchr::memchr(b'\\', element.as_bytes()).is_some()
    }

    /// Is it the element's slug? Yes where in doubt.
    pub(crate) fn is_slug_of(&self, element: &str) -> bool {
        self.may_be_in(element)
            && match serde_json::from_str::<Field<Slug<'_>>>(element) {
                Ok(Field::Value(Slug(Field::Value(found)))) => found == self.string,
                Ok(_) => false,
                Err(_) => true,
            }
    }
}

/// The slug of an element.
struct Slug<'a>(Field<Cow<'a, str>>);

impl<'de> Node<'de> for Slug<'de> {
    fn object<A: MapAccess<'de>>(entries: &mut Entries<'de, A>) -> Result<Option<Self>, A::Error> {
        let mut found = Field::Absent;
        while let Some(key) = entries.key()? {
            match &*key {
                "slug" => found = entries.value()?,
                _ => entries.skip()?,
            }
        }
        Ok(Some(Self(found)))
    }
}

/// Reads an answer. An error says in words why it is no list.
pub(crate) fn read<'a>(body: &'a [u8], wanted: Wanted<'_>) -> Result<Page<'a>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "not UTF-8".to_owned())?;
    let (mut walk, mut reading) = (Walk::default(), Reading::default());
    while let Some(step) = walk.step(body) {
        match step {
            Step::Element(range) => reading.list.take(&text[range], wanted),
            Step::Key(range) => {
                (reading.key, reading.value_from) = (&text[range.clone()], range.end)
            }
            Step::Value => reading.take_value(&text[reading.value_from..walk.at()])?,
        }
    }
    match text.trim_start().as_bytes().first() {
        _ if walk.is_too_deep() => Err(too_deep(MOST_OPEN)),
        _ if !walk.is_over() => Err(why_no_json(text)),
        Some(b'[') => Ok(Page { elements: reading.list.finish()?, rest: Rest::Nothing }),
        Some(b'n') => Ok(Page { elements: Vec::new(), rest: Rest::Nothing }),
        Some(b'{') => reading.finish(),
        _ => Err(NO_LIST.to_owned()),
    }
}

const NO_LIST: &str = "neither a list nor an object with one";

fn too_deep(most: usize) -> String {
    format!("nested deeper than {most}")
}

fn why_no_json(text: &str) -> String {
    match serde_json::from_str::<IgnoredAny>(text) {
        Err(error) => json::not_json(&error),
        Ok(_) => NO_LIST.to_owned(),
    }
}

/// The keys a list may stand under; of several, the first in this order counts.
const LISTS: [&str; 3] = ["workloads", "data", "items"];

/// An answer, as far as it has been read.
#[derive(Default)]
struct Reading<'a> {
    /// The list that is the answer, or stands under `key`.
    list: List<'a>,
    /// In quotes; where its value begins, but for a colon and blanks.
    key: &'a str,
    value_from: usize,
    /// The list that counts, and the place of its key in [`LISTS`].
    found: Option<(usize, Vec<&'a str>)>,
    next_cursor: Option<String>,
    cursor: Option<String>,
    has_more: Option<bool>,
}

impl<'a> Reading<'a> {
    fn take_value(&mut self, value: &str) -> Result<(), String> {
        let list = std::mem::take(&mut self.list);
        let value = value.trim_start_matches([':', ' ', '\n', '\r', '\t']);
        let key: String = serde_json::from_str(self.key).map_err(|error| json::not_json(&error))?;
        match &*key {
            "next_cursor" => self.next_cursor = cursor(value),
            "cursor" => self.cursor = cursor(value),
            "has_more" => self.has_more = serde_json::from_str(value).ok(),
            key => match LISTS.iter().position(|name| *name == key) {
                Some(rank) if self.found.as_ref().is_none_or(|(before, _)| rank <= *before) => {
                    let elements = match value.as_bytes() {
                        [b'[', ..] => list.finish()?,
                        b"null" => Vec::new(),
                        _ => return Err(format!("`{key}` is no list")),
                    };
                    self.found = Some((rank, elements));
                }
                _ => {}
            },
        }
        Ok(())
    }

    fn finish(self) -> Result<Page<'a>, String> {
        let (_, elements) = self
            .found
            .ok_or_else(|| "an object without `workloads`, `data` or `items`".to_owned())?;
        Ok(Page { elements, rest: rest(self.next_cursor.or(self.cursor), self.has_more) })
    }
}

fn rest(cursor: Option<String>, has_more: Option<bool>) -> Rest {
    match (cursor, has_more) {
        (_, Some(false)) | (None, None) => Rest::Nothing,
        (Some(cursor), _) => Rest::Cursor(cursor),
        (None, Some(true)) => Rest::Hidden,
    }
}

/// A non-blank string; a cursor of any other type is none.
fn cursor(value: &str) -> Option<String> {
    let text: String = serde_json::from_str(value).ok()?;
    (!text.trim().is_empty()).then_some(text)
}

/// The elements of a list, as far as they are wanted.
#[derive(Default)]
struct List<'a> {
    elements: Vec<&'a str>,
    has_object: bool,
    is_deep: bool,
}

impl<'a> List<'a> {
    fn take(&mut self, element: &'a str, wanted: Wanted<'_>) {
        self.has_object |= element.starts_with('{');
        self.is_deep |= !self.has_object && json::too_deep(element);
        if wanted(element) {
            self.elements.push(element);
        }
    }

    /// An odd sibling of workloads is passed over; without any workload it is the answer itself that is odd.
    fn finish(self) -> Result<Vec<&'a str>, String> {
        match self.is_deep && !self.has_object {
            true => Err(too_deep(json::MAX_DEPTH)),
            false => Ok(self.elements),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: &str) -> Result<(Vec<String>, Rest), String> {
        let page = read(body.as_bytes(), &|_| true)?;
        Ok((page.elements.into_iter().map(str::to_owned).collect(), page.rest))
    }

    #[test]
    fn every_envelope_is_a_list() {
        for (body, count) in [
            ("[1,2]", 2),
            (" null ", 0),
            (r#"{"workloads":[{}]}"#, 1),
            (r#"{"data":[1,2,3],"total":3}"#, 3),
            (r#"{"total":{"items":[1]},"items":[]}"#, 0),
            (r#"{"items":null}"#, 0),
            (r#"{"data":[1],"workloads":[1,2]}"#, 2),
            (r#"{"workloads":[1,2],"data":[1]}"#, 2),
        ] {
            let (elements, rest) = page(body).expect(body);
            assert_eq!((elements.len(), rest), (count, Rest::Nothing), "{body}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for body in [
            "",
            "<html>",
            "{}",
            r#"{"list":[]}"#,
            r#"{"workloads":{}}"#,
            r#"{"workloads":7}"#,
            r#"{"data":"x"}"#,
            "7",
            "\"x\"",
            "true",
            "[1",
            "[] []",
            "[1,]",
        ] {
            assert!(page(body).is_err(), "{body}");
        }
        assert!(read(b"[\"\xff\"]", &|_| true).is_err());
    }

    #[test]
    fn the_rest_of_a_list_is_known_hidden_or_nothing() {
        for (keys, expected) in [
            (r#""next_cursor":"c 1""#, Rest::Cursor("c 1".into())),
            (r#""cursor":"c","has_more":true"#, Rest::Cursor("c".into())),
            (r#""cursor":"b","next_cursor":"a""#, Rest::Cursor("a".into())),
            (r#""cursor":"b","next_cursor":null"#, Rest::Cursor("b".into())),
            (r#""next_cursor":"c","has_more":false"#, Rest::Nothing),
            (r#""next_cursor":" ","has_more":null"#, Rest::Nothing),
            (r#""next_cursor":7"#, Rest::Nothing),
            (r#""has_more":true"#, Rest::Hidden),
            (r#""has_more":true,"next_cursor":"""#, Rest::Hidden),
            (r#""has_more":"yes""#, Rest::Nothing),
        ] {
            let (_, rest) = page(&format!("{{\"data\":[],{keys}}}")).expect(keys);
            assert_eq!(rest, expected, "{keys}");
        }
    }

    #[test]
    fn only_what_may_match_is_kept_and_odd_siblings_do_not_matter() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        let body = format!(r#"[null,7,"a",{deep},{{"slug":"b"}},{{"slug":"a\u002db","id":"1"}}]"#);
        let page =
            read(body.as_bytes(), &|text| Sought::new("a-b").may_be_in(text)).expect("a list");
        assert_eq!(page.elements, [r#"{"slug":"a\u002db","id":"1"}"#]);
        let workload = Workload::read(page.elements[0]).expect("a workload");
        assert_eq!((workload.id.as_str(), workload.slug.as_str()), ("1", "a-b"));
    }

    #[test]
    fn brackets_without_end_are_not_remembered() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let sibling =
                |depth: usize| format!("[{{}},{}0{}]", open.repeat(depth), close.repeat(depth));
            assert!(page(&sibling(MOST_OPEN - 1)).is_ok());
            for body in [sibling(MOST_OPEN), open.repeat(MOST_OPEN + 1)] {
                assert_eq!(page(&body), Err(too_deep(MOST_OPEN)));
            }
        }
    }

    #[test]
    fn the_slug_of_an_element_is_told_from_other_places() {
        for (element, expected) in [
            (r#"{"slug":"s"}"#, true),
            (r#"{"slug":"\u0073","name":"\n"}"#, true),
            (r#"{"slug":"a","slug":"s"}"#, true),
            (r#"{"slug":"s","slug":"a"}"#, false),
            (r#"{"name":"s","slug":"a"}"#, false),
            (r#"{"config":{"slug":"s"}}"#, false),
            (r#"{"slug":7,"name":"s"}"#, false),
            (r#"{"slug":"\ud800 s"}"#, true),
            (r#"["slug","s"]"#, false),
        ] {
            assert_eq!(Sought::new("s").is_slug_of(element), expected, "{element}");
        }
    }

    #[test]
    fn an_element_with_our_slug_that_cannot_be_used_is_not_absent() {
        let deep =
            format!(r#"{{"id":"1","slug":"s","config":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        for (element, unusable) in [
            (r#"{"id":"1","slug":"s"}"#, false),
            (r#"{"slug":"s"}"#, true),
            (r#"{"id":7,"slug":"s"}"#, true),
            (r#"{"id":"1","slug":"s","name":"\ud800"}"#, true),
            (deep.as_str(), true),
            (r#"{"id":"1","slug":"other","name":"\ud800"}"#, false),
            (r#"{"slug":7}"#, false),
            ("7", false),
        ] {
            assert_eq!(is_unusable(element, "s"), unusable, "{element}");
        }
    }

    #[test]
    fn of_fields_with_one_name_the_last_counts() {
        let text = r#"{"id":"1","slug":"a","config":{},"slug":"b","config":null}"#;
        let workload = Workload::read(text).expect("a workload");
        assert_eq!(workload.slug, "b");
        assert_eq!(workload.fields.get("config"), Some(&Value::Null));
        assert_eq!(workload.fields.get("Config"), None);
    }

    #[test]
    fn a_workload_needs_an_id_and_a_slug() {
        for (text, expected) in [
            (r#"{"id":"1","slug":"a","x":null}"#, true),
            (r#"{"id":"","slug":"a"}"#, false),
            (r#"{"id":1,"slug":"a"}"#, false),
            (r#"{"slug":"a"}"#, false),
            (r#"{"id":"1","slug":null}"#, false),
            (r#"["id","slug"]"#, false),
        ] {
            assert_eq!(Workload::read(text).is_some(), expected, "{text}");
        }
    }
}
