//! Pictures of the worst frames: frame | truth | prediction, with a legend.

use std::path::Path;

use canet_core::atomic;
use canet_data::dataset::Dataset;
use canet_model::Segmenter;

use crate::gallery::comparison;
use crate::metrics::Scored;
use crate::{Error, Result};

/// Refuses a folder that holds files: pictures of two evaluations would be mixed up.
pub fn check_folder(folder: &Path) -> Result<()> {
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::run(folder, "is not empty; name a new folder for the worst frames"));
    }
    Ok(())
}

/// Predicts the frames again and writes `RANK-DRIVE-FRAME.png` for each: to keep all pictures that
/// were the worst for a while would take more memory than a split needs.
pub fn write(
    folder: &Path,
    worst: &[Scored],
    segmenter: &Segmenter,
    dataset: &Dataset,
) -> Result<()> {
    for (rank, scored) in (1..).zip(worst) {
        let frame = dataset.read(scored.index)?;
        let predicted = segmenter.segment(&frame.image)?.mask;
        let picture = comparison(&frame, &predicted, segmenter.classes())?;
        let name = format!("{rank:02}-{}-{}", scored.frame.drive, scored.frame.frame);
        let path = folder.join(format!("{}.png", plain(&name)));
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture
            .write_to(&mut bytes, image::ImageFormat::Png)
            .map_err(|e| Error::run(&path, format!("cannot be encoded: {e}")))?;
        atomic::write(&path, bytes.get_ref())?;
    }
    Ok(())
}

/// A drive may be named by several folders, and by letters that not every file system has.
fn plain(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    name.chars().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_folder() {
        assert_eq!(plain("01-a/b-../x y"), "01-a_b-.._x_y");
    }

    #[test]
    fn only_an_empty_or_absent_folder_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        check_folder(dir.path()).unwrap();
        check_folder(&dir.path().join("new")).unwrap();
        std::fs::write(dir.path().join("old.png"), b"").unwrap();
        assert_eq!(check_folder(dir.path()).unwrap_err().exit_code(), 2);
    }
}
