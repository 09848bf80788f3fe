//! `--set key.path=value`, and saying which key was meant.

use crate::{Error, Result};

/// Applies `a.b=value`. The value is TOML (`0.1`, `true`, `[512, 512]`); anything else is a string.
pub(super) fn set(table: &mut toml::Table, text: &str) -> Result<()> {
    let fail = |reason: String| Error::config(format!("--set {text}"), reason);
    let Some((key, value)) = text.split_once('=') else {
        return Err(fail("is not key=value".into()));
    };
    let value = format!("v = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut path: Vec<&str> = key.trim().split('.').collect();
    let Some(last) = path.pop().filter(|last| !last.is_empty()) else {
        return Err(fail("has no key".into()));
    };
    let mut at = table;
    for part in path {
        let inner = at.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        at = inner.as_table_mut().ok_or_else(|| fail(format!("{part} is a value, not a table")))?;
    }
    at.insert(last.to_owned(), value);
    Ok(())
}

/// Says serde's "unknown field `x`, expected one of `a`, `b`" in words of keys, with the nearest
/// known one first.
pub(super) fn with_suggestion(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let names: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
    let [unknown, known @ ..] = names.as_slice() else { return message.to_owned() };
    if !line.starts_with("unknown field") {
        return message.to_owned();
    }
    let likeness = |name: &&&str| strsim::jaro_winkler(unknown, name);
    let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let hint = match nearest.filter(|name| likeness(name) > 0.6) {
        Some(nearest) => format!("did you mean `{nearest}`? "),
        None => String::new(),
    };
    format!("unknown key `{unknown}`; {hint}known are {}", known.join(", "))
}
