//! Numbers between the brackets of a JSON body.

use std::str::FromStr;

/// All numbers of all arrays, in order. Arrays hold numbers only, but for the one around them.
pub(crate) fn all<N: FromStr>(body: &[u8]) -> Vec<N> {
    let mut numbers = Vec::new();
    let mut rest = body;
    while let Some(begin) = memchr::memmem::find(rest, br#""embedding":["#) {
        rest = &rest[begin + br#""embedding":["#.len()..];
        let end = memchr::memchr(b']', rest).unwrap_or(rest.len());
        let row = std::str::from_utf8(&rest[..end]).unwrap_or_default();
        numbers.extend(row.split(',').filter_map(|number| number.parse::<N>().ok()));
        rest = &rest[end..];
    }
    numbers
}
