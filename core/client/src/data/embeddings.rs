//! An embeddings answer: rows of numbers, read straight into one buffer (wire.md 3.3).

use std::borrow::Cow;
use std::ops::Range;

use serde_json::value::RawValue;

use super::Fault;
use super::account::Usage;
use super::cursor::Cursor;
use super::floats::{self, Wrong};
use super::intake::Arrived;
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

/// Reads a whole answer to `inputs` texts, of which `arrived` has been taken out before.
pub(super) fn read(body: &[u8], inputs: usize, arrived: Arrived) -> Result<Embeddings<'_>, Fault> {
    let mut rows = Rows::new(inputs, body.len(), arrived);
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
                rows.rows.clear();
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

/// The rows so far, in the order of the answer.
struct Rows {
    inputs: usize,
    /// What a hostile first row cannot make us allocate more than.
    most_numbers: usize,
    arrived: Arrived,
    rows: Vec<Row>,
    /// Numbers of the first row, and so of each.
    columns: usize,
    base64: bool,
}

struct Row {
    index: Option<usize>,
    /// Where its numbers begin.
    start: usize,
}

impl Rows {
    fn new(inputs: usize, body_bytes: usize, arrived: Arrived) -> Self {
        Self {
            inputs,
            // A number and its comma take two bytes at least.
            most_numbers: body_bytes / 2,
            arrived,
            rows: Vec::with_capacity(inputs),
            columns: 0,
            base64: false,
        }
    }

    /// Reads one item of `data`.
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<(), String> {
        let row = self.rows.len();
        let (mut index, mut numbers) = (None, None);
        expect(cursor, b'{', || format!("`data[{row}]` is no object"))?;
        cursor.object(|cursor, key| {
            match key {
                "index" => index = index_of(cursor.value()?, row)?,
                "embedding" => numbers = Some(self.read_embedding(cursor, row)?),
                _ => skip(cursor)?,
            }
            Ok(())
        })?;
        let numbers = numbers.ok_or_else(|| format!("`data[{row}].embedding` is missing"))?;
        self.end_row(numbers, index)
    }

    /// Where its numbers are by now.
    fn read_embedding(
        &mut self,
        cursor: &mut Cursor<'_>,
        row: usize,
    ) -> Result<Range<usize>, String> {
        let start = self.arrived.values.len();
        if cursor.peek() == Some(b'"') {
            self.base64 = true;
            let taken = self.arrived.of_row(cursor.place());
            let text: Text<'_> = cursor.value()?;
            if let Some(taken) = taken {
                return Ok(taken);
            }
            self.push_base64(&text.0, row)?;
            return Ok(start..self.arrived.values.len());
        }
        let words = || format!("`data[{row}].embedding` is no list of numbers and no base64");
        expect(cursor, b'[', words)?;
        let taken = self.arrived.of_row(cursor.place());
        let values = &mut self.arrived.values;
        cursor.list(|cursor| {
            let column = values.len() - start;
            let number = cursor
                .number()
                .ok_or_else(|| format!("`data[{row}].embedding[{column}]` is no finite number"))?;
            values.push(number);
            Ok(())
        })?;
        Ok(taken.unwrap_or(start..self.arrived.values.len()))
    }

    fn push_base64(&mut self, text: &str, row: usize) -> Result<(), String> {
        let mut bytes = Vec::new();
        floats::push_bytes(&mut bytes, text.as_bytes())
            .map_err(|error| format!("`data[{row}].embedding` is not base64 ({error})"))?;
        floats::push_numbers(&mut self.arrived.values, &bytes).map_err(|wrong| match wrong {
            Wrong::Broken => format!("`data[{row}].embedding` is not a whole number of float32"),
            Wrong::Holds(float) => format!("`data[{row}].embedding` holds {float}"),
        })
    }

    /// The numbers of the next row are complete.
    fn end_row(&mut self, numbers: Range<usize>, index: Option<usize>) -> Result<(), String> {
        let (row, length) = (self.rows.len(), numbers.len());
        if length == 0 {
            return Err(format!("`data[{row}].embedding` has no numbers"));
        }
        if row == 0 {
            self.columns = length;
            // Those of other rows may be here already.
            let here = self.arrived.values.len() - numbers.end;
            let more = length.saturating_mul(self.inputs.saturating_sub(1)).saturating_sub(here);
            self.arrived.values.reserve_exact(more.min(self.most_numbers));
        } else if length != self.columns {
            let first = self.columns;
            return Err(format!(
                "`data[{row}].embedding` has {length} numbers, the first has {first}"
            ));
        }
        self.rows.push(Row { index, start: numbers.start });
        Ok(())
    }

    /// The rows in the order of the inputs.
    fn in_order(self) -> Result<Vectors, String> {
        let (rows, inputs) = (self.rows.len(), self.inputs);
        if rows != inputs {
            return Err(format!("`data` has {rows} embeddings for {inputs} inputs"));
        }
        let order = self.order()?;
        let (mut values, columns) = (self.arrived.values, self.columns);
        let starts = order.into_iter().map(|row| self.rows[row].start);
        if starts.clone().eq((0..rows).map(|place| place * columns)) {
            values.truncate(rows * columns);
            return Ok(Vectors { values, columns });
        }
        let row = |start: usize| &values[start..start + columns];
        Ok(Vectors { values: starts.flat_map(row).copied().collect(), columns })
    }

    /// Which row belongs to each input. Without any `index`, the order of the list.
    fn order(&self) -> Result<Vec<usize>, String> {
        if self.rows.iter().all(|row| row.index.is_none()) {
            return Ok((0..self.inputs).collect());
        }
        let mut order = vec![None; self.inputs];
        for (row, Row { index, .. }) in self.rows.iter().enumerate() {
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
