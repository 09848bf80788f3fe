//! Which data set is this? The built-in one whose layout matches most of a tree.

use std::path::Path;

use crate::Error;
use crate::dataset_spec::DatasetSpec;
use crate::layout;

/// Of data sets of one layout this one is taken: Cityscapes' polygons lie where IDD's do.
const FIRST: &str = "idd";

/// The built-in data set whose layout finds most frames with annotations in a tree, and of equals
/// most frames; of equals again IDD, else the first by name.
pub fn dataset(root: &Path) -> Result<DatasetSpec, Error> {
    let mut best: Option<((usize, usize), DatasetSpec)> = None;
    let mut fault = None;
    for name in std::iter::once(FIRST).chain(DatasetSpec::builtin_names()) {
        let spec = DatasetSpec::builtin(name)?;
        match layout::read(root, &spec) {
            Ok(tree) => {
                // A gathered file is taken to be for all frames.
                let gathered = !tree.gathered.is_empty();
                let paired = tree.frames.iter().filter(|f| gathered || f.annotation.is_some());
                let pairs = paired.count();
                let match_of_this = (pairs, tree.frames.len());
                if best.as_ref().is_none_or(|(most, _)| match_of_this > *most) {
                    best = Some((match_of_this, spec));
                }
            }
            // Nothing was found: that layout is another one.
            Err(Error::Layout { path, .. }) if path == root => {}
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    match (best, fault) {
        (Some((_, spec)), _) => Ok(spec),
        (None, Some(error)) => Err(error),
        (None, None) => Err(Error::Layout {
            path: root.to_owned(),
            reason: format!(
                "has the layout of no data set that is known ({}); name one, or a data set file, with --dataset",
                DatasetSpec::builtin_names().collect::<Vec<_>>().join(", ")
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canet_core::Fault;

    #[test]
    fn most_pairs_decide() {
        for (files, expected) in [
            (&["images/1/a.jpg", "masks/1/a.json"][..], Ok("assignment")),
            (
                &["leftImg8bit/val/8/1_leftImg8bit.png", "gtFine/val/8/1_gtFine_polygons.json"],
                Ok("idd"),
            ),
            (
                &["leftImg8bit/val/ulm/u_leftImg8bit.png", "gtFine/val/ulm/u_gtFine_labelIds.png"],
                Ok("cityscapes"),
            ),
            (&["images/train/0_1.png", "labels/train/0_1.png"], Ok("camvid")),
            (&["images/1/a.jpg", "instances.json"], Ok("coco")),
            (&["a/b/c/d.gif"], Err("layout of no data set that is known (assignment, ")),
            (&["images/1/a.jpg", "images/1/a.png"], Err("remove one of the two")),
        ] {
            let dir = tempfile::tempdir().unwrap();
            for file in files {
                let path = dir.path().join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, b"").unwrap();
            }
            match (dataset(dir.path()), expected) {
                (Ok(spec), Ok(name)) => assert_eq!(spec.name, name),
                (Err(error), Err(needle)) => {
                    assert!(error.to_string().contains(needle), "{error}");
                    assert_eq!(error.fault(), Fault::Data);
                }
                (other, expected) => panic!("{expected:?}: {other:?}"),
            }
        }
        let gone = dataset(Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(gone.fault(), Fault::Usage);
    }
}
