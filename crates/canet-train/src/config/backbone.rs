//! Where published weights come from.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a hub's names begin with.
const HUB: &str = "hub:";

/// Published weights to start from: a file, or a model of a hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Backbone {
    /// A safetensors file.
    File(PathBuf),
    /// `hub:OWNER/NAME`, or `hub:OWNER/NAME@REVISION`.
    Hub(HubModel),
}

/// A model of a hub. Its parts can stand in an address and in a path as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubModel {
    repo: String,
    revision: Option<String>,
}

impl HubModel {
    /// The owner and the name, such as `timm/resnet50.tv_in1k`.
    pub fn repo(&self) -> &str {
        &self.repo
    }

    /// A branch, a tag or a commit; the newest of the main branch if none is named.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("main")
    }
}

impl TryFrom<String> for Backbone {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Some(model) = text.strip_prefix(HUB) else {
            return Ok(Self::File(PathBuf::from(text)));
        };
        let (repo, revision) = match model.split_once('@') {
            Some((repo, revision)) => (repo, Some(revision)),
            None => (model, None),
        };
        let parts = repo.split_once('/').filter(|(owner, name)| plain(owner) && plain(name));
        if parts.is_none() || !revision.is_none_or(plain) {
            return Err(format!(
                "{text:?} is not hub:OWNER/NAME or hub:OWNER/NAME@REVISION, as hub:timm/resnet50.tv_in1k is"
            ));
        }
        Ok(Self::Hub(HubModel { repo: repo.to_owned(), revision: revision.map(str::to_owned) }))
    }
}

/// Whether a part of a name has no way out of its place in an address or a path.
fn plain(part: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=96).contains(&part.len()) && part.chars().all(letter) && !part.starts_with('.')
}

impl From<Backbone> for String {
    fn from(backbone: Backbone) -> Self {
        backbone.to_string()
    }
}

impl Display for Backbone {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Hub(model) => write!(f, "{model}"),
        }
    }
}

impl Display for HubModel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{HUB}{}", self.repo)?;
        self.revision.iter().try_for_each(|revision| write!(f, "@{revision}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Backbone, String> {
        Backbone::try_from(text.to_owned())
    }

    #[test]
    fn names_are_read_and_written() {
        for (text, repo, revision) in [
            ("hub:timm/resnet50.tv_in1k", "timm/resnet50.tv_in1k", "main"),
            ("hub:timm/resnet50.tv_in1k@v1.0", "timm/resnet50.tv_in1k", "v1.0"),
        ] {
            let Backbone::Hub(model) = read(text).unwrap() else { panic!("{text}") };
            assert_eq!((model.repo(), model.revision()), (repo, revision));
            assert_eq!(model.to_string(), text);
        }
        assert_eq!(read("a/hub:b.safetensors"), Ok(Backbone::File("a/hub:b.safetensors".into())));
    }

    #[test]
    fn names_that_would_leave_their_place_are_refused() {
        for text in [
            "hub:",
            "hub:resnet50",
            "hub:timm/",
            "hub:/resnet50",
            "hub:timm/../x",
            "hub:../x",
            "hub:timm/x/y",
            "hub:timm/x@",
            "hub:timm/x@..",
            "hub:timm/x@a/b",
            "hub:timm/x@a@b",
            "hub:timm/x?y",
            "hub:timm/ x",
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains("hub:timm/resnet50.tv_in1k"), "{text}: {error}");
        }
    }
}
