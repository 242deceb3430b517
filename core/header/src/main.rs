//! Writes the C header and the list of exports, or checks that the committed ones are up to date.
//!
//! `cargo run -p inferencekey-header` writes, `… -- --check` compares. Each file of `core/ffi` that holds a C type becomes a
//! section: its `//!` lines on top, then what cbindgen makes of its public items. The conventions come from `lib.rs`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use cbindgen::{Builder, Config, DocumentationStyle, Language};

/// The sections of the header, in the order in which a reader needs them.
const SECTIONS: [&str; 11] = [
    "status",
    "types",
    "library",
    "client",
    "cancel",
    "event",
    "error",
    "call",
    "op",
    "queue",
    "spec_file",
];

/// Types that no function of their own section uses, which cbindgen would leave out.
const HANDLES: [&str; 6] =
    ["ikey_client", "ikey_cancel", "ikey_event", "ikey_error", "ikey_op", "ikey_queue"];

const OPENING: &str = "\
// Generated from core/ffi by core/header (`make header`). Do not edit.
";

const BEFORE_SECTIONS: &str = "
#ifndef INFERENCEKEY_H
#define INFERENCEKEY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern \"C\" {
#endif
";

const CLOSING: &str = "
#ifdef __cplusplus
}
#endif

#endif
";

fn main() -> ExitCode {
    let check = env::args().any(|argument| argument == "--check");
    match run(check) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(check: bool) -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let header = header(&root.join("core/ffi/src"))?;
    let symbols = symbols(&header);
    let include = root.join("include");
    for (name, text) in [("inferencekey.h", header), ("inferencekey.symbols", symbols)] {
        let path = include.join(name);
        if !check {
            fs::write(path, text)?;
        } else if fs::read_to_string(path)? != text {
            let words =
                format!("include/{name} differs from core/ffi: run `make header` and commit it");
            return Err(io::Error::other(words));
        }
    }
    Ok(())
}

fn header(sources: &Path) -> io::Result<String> {
    let conventions = module_doc(&fs::read_to_string(sources.join("lib.rs"))?);
    let mut header = format!("{OPENING}{conventions}{BEFORE_SECTIONS}");
    for section in SECTIONS {
        header += &section_text(sources.join(format!("{section}.rs")))?;
    }
    header += CLOSING;
    Ok(header)
}

fn section_text(source: PathBuf) -> io::Result<String> {
    const RULE: &str = "// ------------------------------------------------------------------------------------------\n";
    let doc = module_doc(&fs::read_to_string(&source)?);
    let mut items = Vec::new();
    Builder::new()
        .with_config(config())
        .with_src(source)
        .generate()
        .map_err(io::Error::other)?
        .write(&mut items);
    let items = String::from_utf8(items).map_err(io::Error::other)?;
    Ok(format!("\n{RULE}{doc}{RULE}\n{}\n", columns(items.trim())))
}

/// Puts constants into columns, `name value // meaning`, with a gap before each hundred and what is not a constant.
fn columns(items: &str) -> String {
    let mut text = String::new();
    let mut block = None;
    for item in items.split("\n\n") {
        let constant = constant(item);
        let next = constant.as_ref().map(|(_, value)| value / 100);
        if !text.is_empty() {
            text += if next.is_some() && next == block { "\n" } else { "\n\n" };
        }
        text += constant.as_ref().map_or(item, |(line, _)| line);
        block = next;
    }
    text
}

/// `// meaning` and `#define name value` in one line, with the value; `None` for everything else.
fn constant(item: &str) -> Option<(String, i64)> {
    let (comment, definition) = item.split_once('\n')?;
    let (name, value) = definition.strip_prefix("#define ")?.split_once(' ')?;
    let number = value.parse().ok()?;
    // Parentheses, so that a minus sign stays with its number in every expression.
    let value = if value.starts_with('-') { format!("({value})") } else { value.to_owned() };
    Some((format!("#define {name:<25} {value:>6}  {comment}"), number))
}

fn config() -> Config {
    let mut config = Config {
        language: Language::C,
        documentation_style: DocumentationStyle::C99,
        style: cbindgen::Style::Type,
        no_includes: true,
        usize_is_size_t: true,
        line_length: 100,
        tab_width: 4,
        ..Config::default()
    };
    config.export.include = HANDLES.map(str::to_owned).to_vec();
    config.function.args = cbindgen::Layout::Auto;
    config.function.sort_by = Some(cbindgen::SortKey::None);
    config.constant.sort_by = Some(cbindgen::SortKey::None);
    config
}

/// The `//!` lines of a source file, as C comment lines.
fn module_doc(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| format!("//{line}\n")).collect()
}

/// The names of all functions that the header declares, sorted, one on a line.
fn symbols(header: &str) -> String {
    let mut names: Vec<&str> = header
        .lines()
        .filter(|line| !line.starts_with("//"))
        .filter_map(|line| line.split_once('(').map(|(before, _)| before))
        .filter_map(|before| before.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("ikey_"))
        .collect();
    names.sort_unstable();
    names.iter().map(|name| format!("{name}\n")).collect()
}
