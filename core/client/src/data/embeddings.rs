//! An embeddings answer: rows of numbers, read straight into one buffer (wire.md 3.3).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::Fault;
use super::account::Usage;
use super::cursor::Cursor;
use crate::json::{self, Field, Filled, Told};
use crate::operation::Vectors;

/// What a caller gets beside the untouched answer.
#[derive(Debug, PartialEq)]
pub(super) struct Embeddings<'a> {
    pub(super) model: Cow<'a, str>,
    pub(super) usage: Option<Usage>,
    pub(super) vectors: Vectors,
    /// Did they come as base64?
    pub(super) base64: bool,
}

/// Reads a whole answer to `inputs` texts.
pub(super) fn read(body: &[u8], inputs: usize) -> Result<Embeddings<'_>, Fault> {
    let mut rows = Rows::new(inputs, body.len());
    let answer = document(body, &mut rows).map_err(Fault::Unreadable)?;
    if answer.error.0 {
        return Err(Fault::ErrorObject);
    }
    if !answer.has_data {
        return Err(Fault::Unreadable("`data` is not a list".to_owned()));
    }
    let base64 = rows.base64;
    let vectors = rows.in_order().map_err(Fault::Unreadable)?;
    let model = answer.model.value().unwrap_or_default();
    Ok(Embeddings { model, usage: Usage::read(answer.usage), vectors, base64 })
}

#[derive(Default)]
struct Answer<'a> {
    error: Filled,
    model: Field<Cow<'a, str>>,
    usage: Told<'a>,
    has_data: bool,
}

fn document<'a>(body: &'a [u8], rows: &mut Rows) -> Result<Answer<'a>, String> {
    let mut cursor = Cursor::new(body);
    let mut answer = Answer::default();
    expect(&mut cursor, b'{', || "the answer is no object".to_owned())?;
    cursor.object(|cursor, key| {
        match key {
            "error" => answer.error = cursor.value()?,
            "model" => answer.model = cursor.value()?,
            "usage" => answer.usage = Told::of(shallow(cursor)?),
            "data" => {
                rows.clear();
                expect(cursor, b'[', || "`data` is not a list".to_owned())?;
                cursor.list(|cursor| rows.read(cursor))?;
                answer.has_data = true;
            }
            _ => skip(cursor)?,
        }
        Ok(())
    })?;
    cursor.end()?;
    Ok(answer)
}

/// A value that begins with anything but `first` is refused in `words`; what is not JSON at all, as that.
fn expect(cursor: &mut Cursor<'_>, first: u8, words: impl Fn() -> String) -> Result<(), String> {
    if cursor.peek() == Some(first) {
        return Ok(());
    }
    skip(cursor)?;
    Err(words())
}

/// Passes over a value, by the rules of [`shallow`].
fn skip(cursor: &mut Cursor<'_>) -> Result<(), String> {
    shallow(cursor).map(drop)
}

/// A value beside the rows; one that is nested too deeply is refused, since hosts read the raw answer.
fn shallow<'a>(cursor: &mut Cursor<'a>) -> Result<&'a RawValue, String> {
    let value: &RawValue = cursor.value()?;
    match json::too_deep(value.get()) {
        true => Err(format!("nested deeper than {}", json::MAX_DEPTH)),
        false => Ok(value),
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

/// The rows so far, as they arrive.
struct Rows {
    inputs: usize,
    /// What a hostile first row cannot make us allocate more than.
    most_numbers: usize,
    values: Vec<f64>,
    columns: usize,
    /// The `index` of each row.
    indexes: Vec<Option<usize>>,
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
            base64: false,
        }
    }

    fn clear(&mut self) {
        self.values.clear();
        self.indexes.clear();
    }

    /// Reads one item of `data`.
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<(), String> {
        let (row, start) = (self.indexes.len(), self.values.len());
        let (mut index, mut has_embedding) = (None, false);
        expect(cursor, b'{', || format!("`data[{row}]` is no object"))?;
        cursor.object(|cursor, key| {
            match key {
                "index" => index = index_of(cursor.value()?, row)?,
                "embedding" => {
                    self.values.truncate(start);
                    self.read_embedding(cursor, row)?;
                    has_embedding = true;
                }
                _ => skip(cursor)?,
            }
            Ok(())
        })?;
        if !has_embedding {
            return Err(format!("`data[{row}].embedding` is missing"));
        }
        self.end_row(start, index)
    }

    fn read_embedding(&mut self, cursor: &mut Cursor<'_>, row: usize) -> Result<(), String> {
        if cursor.peek() == Some(b'"') {
            let text: Text<'_> = cursor.value()?;
            return self.push_base64(&text.0, row);
        }
        let words = || format!("`data[{row}].embedding` is no list of numbers and no base64");
        expect(cursor, b'[', words)?;
        let start = self.values.len();
        cursor.list(|cursor| {
            let column = self.values.len() - start;
            let number = cursor
                .number()
                .ok_or_else(|| format!("`data[{row}].embedding[{column}]` is no finite number"))?;
            self.values.push(number);
            Ok(())
        })
    }

    fn push_base64(&mut self, text: &str, row: usize) -> Result<(), String> {
        self.base64 = true;
        let bytes = STANDARD
            .decode(text)
            .map_err(|error| format!("`data[{row}].embedding` is not base64 ({error})"))?;
        let (floats, []) = bytes.as_chunks::<4>() else {
            return Err(format!("`data[{row}].embedding` is not a whole number of float32"));
        };
        let floats = floats.iter().copied().map(f32::from_le_bytes);
        if let Some(float) = floats.clone().find(|float| !float.is_finite()) {
            return Err(format!("`data[{row}].embedding` holds {float}"));
        }
        self.values.extend(floats.map(f64::from));
        Ok(())
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

/// A string, borrowed from the document where nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
