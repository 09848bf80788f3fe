//! Classes that a configuration names.

use canet_core::ClassSet;

use crate::Error;

/// Which ids belong to some classes.
#[derive(Debug, Clone)]
pub(super) struct ClassFlags([bool; 256]);

impl ClassFlags {
    /// The classes of these names; `key` names the list in errors.
    pub(super) fn named(
        key: &'static str,
        names: &[String],
        classes: &ClassSet,
    ) -> Result<Self, Error> {
        let mut flags = [false; 256];
        for name in names {
            let Some(id) = classes.classes.iter().position(|class| class.name == *name) else {
                let known: Vec<&str> = classes.classes.iter().map(|c| c.name.as_str()).collect();
                let reason = format!(
                    "names {name:?}, which is no class of this data; its classes are {}",
                    known.join(", ")
                );
                return Err(Error::Options { option: key, reason });
            };
            flags[id] = true;
        }
        Ok(Self(flags))
    }

    /// Whether an id is of one of the classes.
    pub(super) fn has(&self, id: u8) -> bool {
        self.0[usize::from(id)]
    }
}
