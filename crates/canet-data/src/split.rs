//! Splits by drive, never by frame.
//!
//! Frames of one drive show the same street a moment apart. If some were trained on and others
//! scored, the score would measure memory. So a drive goes to one side as a whole, and a data set
//! that comes with official splits keeps them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::draw::Draws;
use crate::names::DriveId;

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Trained on.
    Train,
    /// Scored during training.
    Val,
    /// Scored once, at the end.
    Test,
}

impl Split {
    /// The name in manifests and folders.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Chooses the drives for validation: those of a seeded order that bring the number of frames
/// nearer to `val_share` of all. Each side gets at least one drive.
///
/// `frames` are the frames of each drive.
pub fn choose_validation(
    frames: &BTreeMap<DriveId, usize>,
    val_share: f64,
    seed: u64,
) -> Result<BTreeSet<DriveId>, Error> {
    check_share(val_share)?;
    let drives: Vec<_> = frames.iter().collect();
    if drives.len() < 2 {
        return Err(Error::Options {
            option: "val_share",
            reason: format!(
                "validation needs a drive of its own, but there is {} drive; put the frames of different drives (scenes) into different folders",
                drives.len()
            ),
        });
    }
    let target = val_share * frames.values().sum::<usize>() as f64;
    let order = Draws::new(seed, 0, 0, "split").permutation(drives.len());
    let off = |count: usize| (count as f64 - target).abs();
    let (mut chosen, mut count) = (Vec::new(), 0);
    for &at in &order {
        if off(count + drives[at].1) < off(count) {
            count += drives[at].1;
            chosen.push(at);
        }
    }
    if chosen.is_empty() {
        // Every drive is more than twice the target; the smallest misses it least.
        chosen.extend(order.iter().copied().min_by_key(|&at| drives[at].1));
    } else if chosen.len() == drives.len() {
        chosen.pop();
    }
    Ok(chosen.into_iter().map(|at| drives[at].0.clone()).collect())
}

/// Refuses a share that would leave a side empty.
pub(crate) fn check_share(val_share: f64) -> Result<(), Error> {
    if val_share > 0.0 && val_share < 1.0 {
        return Ok(());
    }
    Err(Error::Options {
        option: "val_share",
        reason: format!("is {val_share}; a share between 0 and 1 is expected, such as 0.2"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use canet_core::Fault;

    fn drives(sizes: &[usize]) -> BTreeMap<DriveId, usize> {
        sizes.iter().enumerate().map(|(i, &n)| (DriveId::new(&format!("{i:03}")), n)).collect()
    }

    #[test]
    fn the_share_is_met_as_nearly_as_whole_drives_allow() {
        for (sizes, share, least, most) in [
            (&[10; 20][..], 0.2, 40, 40),
            (&[1, 1], 0.01, 1, 1),
            (&[1, 1], 0.99, 1, 1),
            (&[100, 3, 3], 0.05, 3, 6),
            (&[50, 60, 70], 0.01, 50, 50),
        ] {
            let all = drives(sizes);
            for seed in 0..50 {
                let val = choose_validation(&all, share, seed).unwrap();
                assert!(!val.is_empty() && val.len() < all.len(), "{sizes:?} {seed}");
                let frames: usize = val.iter().map(|drive| all[drive]).sum();
                assert!((least..=most).contains(&frames), "{sizes:?} {share} {seed}: {frames}");
                assert_eq!(val, choose_validation(&all, share, seed).unwrap());
            }
        }
    }

    #[test]
    fn seeds_choose_differently() {
        let all = drives(&[5; 40]);
        let choices: BTreeSet<_> =
            (0..20).map(|seed| choose_validation(&all, 0.2, seed).unwrap()).collect();
        assert_eq!(choices.len(), 20);
    }

    #[test]
    fn one_drive_and_absurd_shares_are_usage_errors() {
        let fault = |sizes, share| choose_validation(&drives(sizes), share, 0).unwrap_err().fault();
        assert_eq!(fault(&[9], 0.2), Fault::Usage);
        for share in [0.0, 1.0, -0.5, 7.0, f64::NAN, f64::INFINITY] {
            assert_eq!(fault(&[1, 2], share), Fault::Usage, "{share}");
        }
    }
}
