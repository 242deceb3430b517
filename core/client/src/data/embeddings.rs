//! An embeddings answer: rows of numbers, read straight into one buffer (wire.md 3.3).

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Fault;
use crate::json::{self, Field, Filled};
use crate::operation::Vectors;

/// What a caller gets beside the untouched answer.
#[derive(Debug, PartialEq)]
pub(super) struct Embeddings<'a> {
    pub(super) model: Cow<'a, str>,
    pub(super) vectors: Vectors,
    /// Did they come as base64?
    pub(super) base64: bool,
}

/// Reads a whole answer to `inputs` texts.
pub(super) fn read(body: &[u8], inputs: usize) -> Result<Embeddings<'_>, Fault> {
    let mut rows = Rows::new(inputs, body.len());
    let mut reader = serde_json::Deserializer::from_slice(body);
    let document = Document { rows: &mut rows }.deserialize(&mut reader);
    let answer = document
        .and_then(|answer| reader.end().map(|()| answer))
        .map_err(|error| Fault::Unreadable(rows.locate(&error)))?;
    if answer.error.0 {
        return Err(Fault::ErrorObject);
    }
    if !answer.has_data {
        return Err(Fault::Unreadable("`data` is not a list".to_owned()));
    }
    let base64 = rows.base64;
    let vectors = rows.in_order().map_err(Fault::Unreadable)?;
    Ok(Embeddings { model: answer.model.value().unwrap_or_default(), vectors, base64 })
}

/// The rows so far, as they arrive.
struct Rows {
    inputs: usize,
    /// What a hostile first row cannot make us allocate more than.
    most_numbers: usize,
    values: Vec<f64>,
    columns: usize,
    /// The `index` of each row.
    indexes: Vec<Option<usize>>,
    /// Where in a row the reader is.
    column: Option<usize>,
    base64: bool,
}

impl Rows {
    fn new(inputs: usize, body_bytes: usize) -> Self {
        Self {
            inputs,
            // A number and its comma take two bytes at least.
            most_numbers: body_bytes / 2,
            values: Vec::new(),
            columns: 0,
            indexes: Vec::with_capacity(inputs),
            column: None,
            base64: false,
        }
    }

    fn clear(&mut self) {
        self.values.clear();
        self.indexes.clear();
    }

    /// A reader's error, with the path it stopped at.
    fn locate(&self, error: &serde_json::Error) -> String {
        match self.column {
            Some(column) => {
                let row = self.indexes.len();
                format!(
                    "`data[{row}].embedding[{column}]` is no finite number ({})",
                    json::cause(error)
                )
            }
            None => json::not_json(error),
        }
    }

    /// The numbers of the row that starts at `start` are complete.
    fn end_row(&mut self, start: usize, index: Option<usize>) -> Result<(), String> {
        let row = self.indexes.len();
        let length = self.values.len() - start;
        if length == 0 {
            return Err(format!("`data[{row}].embedding` has no numbers"));
        }
        if row == 0 {
            self.columns = length;
            let more = length.saturating_mul(self.inputs.saturating_sub(1));
            self.values.reserve_exact(more.min(self.most_numbers));
        } else if length != self.columns {
            let first = self.columns;
            return Err(format!(
                "`data[{row}].embedding` has {length} numbers, the first has {first}"
            ));
        }
        self.indexes.push(index);
        Ok(())
    }

    /// The rows in the order of the inputs.
    fn in_order(self) -> Result<Vectors, String> {
        let (rows, inputs) = (self.indexes.len(), self.inputs);
        if rows != inputs {
            return Err(format!("`data` has {rows} embeddings for {inputs} inputs"));
        }
        let order = self.order()?;
        let (values, columns) = (self.values, self.columns);
        if order.iter().enumerate().all(|(place, row)| place == *row) {
            return Ok(Vectors { values, columns });
        }
        let row = |row: &usize| &values[row * columns..(row + 1) * columns];
        Ok(Vectors { values: order.iter().flat_map(row).copied().collect(), columns })
    }

    /// Which row belongs to each input. Without any `index`, the order of the list.
    fn order(&self) -> Result<Vec<usize>, String> {
        if self.indexes.iter().all(Option::is_none) {
            return Ok((0..self.inputs).collect());
        }
        let mut order = vec![None; self.inputs];
        for (row, index) in self.indexes.iter().enumerate() {
            let index = index.ok_or_else(|| format!("`data[{row}].index` is missing"))?;
            let place = order.get_mut(index).ok_or_else(|| {
                format!("`data[{row}].index` is {index} for {} inputs", self.inputs)
            })?;
            if place.replace(row).is_some() {
                return Err(format!("`data[{row}].index` is {index} for the second time"));
            }
        }
        // As many rows as inputs, each place taken once: no place is left empty.
        Ok(order.into_iter().flatten().collect())
    }
}

#[derive(Default)]
struct Answer<'a> {
    error: Filled,
    model: Field<Cow<'a, str>>,
    has_data: bool,
}

/// Passes over a value; one that is nested too deeply is refused, since hosts read the raw answer.
fn skip<'de, A: MapAccess<'de>>(entries: &mut A) -> Result<(), A::Error> {
    let value: &RawValue = entries.next_value()?;
    if json::too_deep(value.get()) {
        return Err(A::Error::custom(format!("nested deeper than {}", json::MAX_DEPTH)));
    }
    Ok(())
}

/// A reader of one JSON value that puts numbers into [`Rows`].
macro_rules! seed {
    ($name:ident => $value:ty, $method:ident) => {
        impl<'de> DeserializeSeed<'de> for $name<'_> {
            type Value = $value;
            fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<$value, D::Error> {
                from.$method(self)
            }
        }
    };
}

struct Document<'r> {
    rows: &'r mut Rows,
}

seed!(Document => Answer<'de>, deserialize_map);

impl<'de> Visitor<'de> for Document<'_> {
    type Value = Answer<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Answer<'de>, A::Error> {
        let mut answer = Answer::default();
        while let Some(key) = entries.next_key::<String>()? {
            match key.as_str() {
                "error" => answer.error = entries.next_value()?,
                "model" => answer.model = entries.next_value()?,
                "data" => {
                    self.rows.clear();
                    entries.next_value_seed(List { rows: self.rows })?;
                    answer.has_data = true;
                }
                _ => skip(&mut entries)?,
            }
        }
        Ok(answer)
    }
}

struct List<'r> {
    rows: &'r mut Rows,
}

seed!(List => (), deserialize_seq);

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list under `data`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Item { rows: self.rows })?.is_some() {}
        Ok(())
    }
}

struct Item<'r> {
    rows: &'r mut Rows,
}

seed!(Item => (), deserialize_map);

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object at `data[{}]`", self.rows.indexes.len())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let row = self.rows.indexes.len();
        let start = self.rows.values.len();
        let (mut index, mut has_embedding) = (None, false);
        while let Some(key) = entries.next_key::<String>()? {
            match key.as_str() {
                "index" => {
                    index = index_of(entries.next_value()?, row).map_err(A::Error::custom)?
                }
                "embedding" => {
                    self.rows.values.truncate(start);
                    entries.next_value_seed(Row { rows: self.rows })?;
                    has_embedding = true;
                }
                _ => skip(&mut entries)?,
            }
        }
        if !has_embedding {
            return Err(A::Error::custom(format!("`data[{row}].embedding` is missing")));
        }
        self.rows.end_row(start, index).map_err(A::Error::custom)
    }
}

fn index_of(value: &RawValue, row: usize) -> Result<Option<usize>, String> {
    match value.get() {
        "null" => Ok(None),
        text => match text.parse() {
            Ok(index) => Ok(Some(index)),
            Err(_) => Err(format!("`data[{row}].index` is not a place in the list")),
        },
    }
}

struct Row<'r> {
    rows: &'r mut Rows,
}

seed!(Row => (), deserialize_any);

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of numbers or base64 at `data[{}].embedding`", self.rows.indexes.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<(), A::Error> {
        let start = self.rows.values.len();
        loop {
            self.rows.column = Some(self.rows.values.len() - start);
            match numbers.next_element::<f64>()? {
                Some(number) => self.rows.values.push(number),
                None => break,
            }
        }
        self.rows.column = None;
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let row = self.rows.indexes.len();
        self.rows.base64 = true;
        let bytes = STANDARD.decode(text).map_err(|error| {
            E::custom(format!("`data[{row}].embedding` is not base64 ({error})"))
        })?;
        let (floats, []) = bytes.as_chunks::<4>() else {
            let words = format!("`data[{row}].embedding` is not a whole number of float32");
            return Err(E::custom(words));
        };
        for float in floats.iter().copied().map(f32::from_le_bytes) {
            if !float.is_finite() {
                return Err(E::custom(format!("`data[{row}].embedding` holds {float}")));
            }
            self.rows.values.push(f64::from(float));
        }
        Ok(())
    }
}
