//! In which keys two configurations differ.

use std::collections::BTreeSet;
use std::fmt;

use super::Config;

/// Keys that say how a run is kept and computed, and not what comes out: they may change at any time.
const FREE: [&str; 5] =
    ["save_every_steps", "save_every_minutes", "save_every_epochs", "skip_bad", "recompute"];

/// A key whose value is another than it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The dotted key.
    pub key: String,
    /// Its value now, as JSON, or `unset`.
    pub now: String,
    /// Its value before.
    pub before: String,
}

impl Change {
    /// Whether one of `allowed` is this key, or a part of it up to a dot: `optimizer` stands for
    /// `optimizer.lr`.
    pub fn is_allowed(&self, allowed: &[String]) -> bool {
        let covers = |name: &String| {
            self.key.strip_prefix(name.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('.'))
        };
        allowed.iter().any(covers)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, was {}", self.key, self.now, self.before)
    }
}

impl Config {
    /// The keys in which a configuration differs from an earlier one, but for those that say only
    /// how a run is kept and computed.
    pub fn changes(&self, before: &Self) -> Vec<Change> {
        let (ours, theirs) = (self.flat(), before.flat());
        let keys: BTreeSet<&String> = ours.iter().chain(&theirs).map(|(key, _)| key).collect();
        let value = |of: &[(String, String)], key: &str| {
            of.iter().find(|(k, _)| k == key).map_or("unset".to_owned(), |(_, v)| v.clone())
        };
        keys.into_iter()
            .filter(|key| !FREE.contains(&key.as_str()))
            .map(|key| Change {
                key: key.clone(),
                now: value(&ours, key),
                before: value(&theirs, key),
            })
            .filter(|change| change.now != change.before)
            .collect()
    }

    /// [`Config::changes`] in words, as `key: ours, was theirs`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        self.changes(other).iter().map(ToString::to_string).collect()
    }

    /// All keys that are set, dotted, with their values.
    pub(crate) fn flat(&self) -> Vec<(String, String)> {
        fn walk(prefix: &str, value: &serde_json::Value, out: &mut Vec<(String, String)>) {
            match value {
                serde_json::Value::Object(map) => {
                    for (key, value) in map {
                        let dot = if prefix.is_empty() { "" } else { "." };
                        walk(&format!("{prefix}{dot}{key}"), value, out);
                    }
                }
                other => out.push((prefix.to_owned(), other.to_string())),
            }
        }
        let mut out = Vec::new();
        // A configuration is plain data; where it could not be written there is nothing to compare.
        walk("", &serde_json::to_value(self).unwrap_or_default(), &mut out);
        out
    }
}
