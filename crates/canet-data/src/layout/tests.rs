//! Small trees in the layouts that people have.

use super::*;
use canet_core::Fault;

fn tree(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"").unwrap();
    }
    dir
}

fn list(dataset: &str, files: &[&str]) -> Result<Vec<String>, Error> {
    let dir = tree(files);
    let found = read(dir.path(), &DatasetSpec::builtin(dataset).unwrap())?;
    let split = |s: Option<Split>| s.map_or("-", Split::as_str);
    let mut lines: Vec<_> = found
        .frames
        .iter()
        .map(|f| format!("{} {} {} {}", split(f.split), f.drive, f.frame, f.annotation.is_some()))
        .collect();
    lines.extend(
        found
            .orphans
            .iter()
            .map(|p| format!("orphan {}", p.strip_prefix(dir.path()).unwrap().display())),
    );
    lines.extend(
        found
            .gathered
            .iter()
            .map(|(_, p)| format!("gathered {}", p.strip_prefix(dir.path()).unwrap().display())),
    );
    lines.extend(found.left_out.iter().map(|(name, n)| format!("left out {name} {n}")));
    Ok(lines)
}

/// A data set, files of a tree of it, and what is found.
type Tree = (&'static str, &'static [&'static str], &'static [&'static str]);

const TREES: &[Tree] = &[
    (
        "assignment",
        &[
            "data/images/1/b.jpg",
            "data/images/1/a.png",
            "data/masks/1/a.json",
            "data/masks/2/c.json",
            "data/images/1/._a.png",
        ],
        &["- 1 a true", "- 1 b false", "orphan data/masks/2/c.json"],
    ),
    (
        "assignment",
        &[
            "images/s/x_leftImg8bit.png",
            "mask/s/x_gtFine_polygons.json",
            "images/s/y.jpg",
            "mask/s/y.json",
        ],
        &["- s x true", "- s y true"],
    ),
    (
        "idd",
        &[
            "idd20kII/leftImg8bit/train/7/0_leftImg8bit.jpg",
            "idd20kII/gtFine/train/7/0_gtFine_polygons.json",
            "IDD/leftImg8bit/val/8/1_leftImg8bit.png",
            "IDD/gtFine/val/8/1_gtFine_polygons.json",
            "IDD/gtFine/val/8/1_gtFine_labellevel3Ids.png",
            "IDD/leftImg8bit/test/9/2_leftImg8bit.png",
            "IDD/leftImg8bit/Train/9/3_leftImg8bit.png",
            "IDD/gtFine/Train/9/3_gtFine_polygons.json",
        ],
        &["train 7 0 true", "val 8 1 true", "left out Train 1", "left out test 1"],
    ),
    (
        "idd-lite",
        &[
            "l/leftImg8bit/train/1/0_image.jpg",
            "l/gtFine/train/1/0_label.png",
            "l/gtFine/train/1/0_inst_label.png",
        ],
        &["train 1 0 true"],
    ),
    (
        "camvid",
        &[
            "camvid/images/train/0001TP_1.jpg",
            "camvid/labels/train/0001TP_1.png",
            "camvid/images/test/Seq05VD_f0.png",
        ],
        &["train 0001TP 1 true", "test Seq05VD f0 false"],
    ),
    (
        "cityscapes",
        &[
            "a/leftImg8bit/val/ulm/ulm_0_0_leftImg8bit.png",
            "b/gtFine/val/ulm/ulm_0_0_gtFine_labelIds.png",
            "b/gtFine/val/ulm/ulm_0_0_gtFine_instanceIds.png",
        ],
        &["val ulm ulm_0_0 true"],
    ),
    (
        "cityscapes-polygons",
        &[
            "leftImg8bit/train/ulm/ulm_0_0_leftImg8bit.png",
            "gtFine/train/ulm/ulm_0_0_gtFine_polygons.json",
            "gtFine/train/ulm/ulm_0_0_gtFine_labelIds.png",
            "gtFine/test/berlin/b_0_0_gtFine_polygons.json",
        ],
        &["train ulm ulm_0_0 true"],
    ),
    (
        "cityscapes-train-ids",
        &[
            "leftImg8bit/train/ulm/ulm_0_0_leftImg8bit.png",
            "gtFine/train/ulm/ulm_0_0_gtFine_labelIds.png",
            "gtFine/train/ulm/ulm_0_0_gtFine_labelTrainIds.png",
        ],
        &["train ulm ulm_0_0 true"],
    ),
    (
        "idd-20k",
        &[
            "idd20kII/leftImg8bit/train/7/0_leftImg8bit.jpg",
            "idd20kII/gtFine/train/7/0_gtFine_polygons.json",
            "IDD_Segmentation/leftImg8bit/val/8/1_leftImg8bit.png",
            "IDD_Segmentation/gtFine/val/8/1_gtFine_polygons.json",
        ],
        &["train 7 0 true", "val 8 1 true"],
    ),
    (
        "idd-label-images",
        &[
            "leftImg8bit/train/7/0_leftImg8bit.jpg",
            "gtFine/train/7/0_gtFine_polygons.json",
            "gtFine/train/7/0_gtFine_labellevel3Ids.png",
        ],
        &["train 7 0 true"],
    ),
    (
        // The frames' pattern fits the label images, too; the pattern that says more decides.
        "camvid-colors",
        &[
            "CamVid/train/0001TP_009210.png",
            "CamVid/train_labels/0001TP_009210_L.png",
            "CamVid/val/0016E5_07959.png",
            "CamVid/val_labels/0016E5_07959_L.png",
            "CamVid/class_dict.csv",
        ],
        &["train 0001TP 009210 true", "val 0016E5 07959 true"],
    ),
    (
        "camvid-original",
        &[
            "701_StillsRaw_full/0001TP_006690.png",
            "LabeledApproved_full/0001TP_006690_L.png",
            "LabeledApproved_full/Seq05VD_f00000_L.png",
        ],
        &["- 0001TP 006690 true", "orphan LabeledApproved_full/Seq05VD_f00000_L.png"],
    ),
    ("labelme", &["mine/7/a.jpg", "mine/7/a.json", "mine/8/b.jpg"], &["- 7 a true", "- 8 b false"]),
    // Which frames a gathered file names stands in the file.
    (
        "coco",
        &["images/7/a.jpg", "images/instances.json", "annotations/instances.json"],
        &["- 7 a false", "gathered annotations/instances.json", "gathered images/instances.json"],
    ),
];

#[test]
fn the_layouts_of_all_data_sets_are_read() {
    for (dataset, files, expected) in TREES {
        assert_eq!(list(dataset, files).unwrap(), *expected, "{dataset}");
    }
    let in_table = |name: &&str| TREES.iter().any(|(dataset, ..)| dataset == name);
    let elsewhere: Vec<_> = DatasetSpec::builtin_names().filter(|name| !in_table(name)).collect();
    assert_eq!(
        elsewhere,
        ["sample", "voc"],
        "the first is drawn by its own test, the second below"
    );
}

#[test]
fn empty_foreign_and_doubled_trees_are_errors_that_say_what_to_do() {
    for (files, needle) in [
        (&[][..], "the folder is empty"),
        (&["data.zip"], "found 1 file of other names instead, such as `data.zip`"),
        (&["images/1/a.jpg", "images/1/a.png"], "remove one of the two"),
        (&["a/b/c/images/1/a.jpg"], "up to 2 folders deep"),
    ] {
        let error = list("sample", files).unwrap_err();
        assert!(error.to_string().contains(needle), "{error}");
        assert_eq!(error.fault(), Fault::Data);
    }
    let strange = ["leftImg8bit/training/7/0_leftImg8bit.jpg"];
    let error = list("idd", &strange).unwrap_err().to_string();
    let needle = "found only `training` (1 frames), but its splits with labels are train, val";
    assert!(error.contains(needle), "{error}");
    let gone = tree(&[]).path().join("gone");
    let error = read(&gone, &DatasetSpec::builtin("sample").unwrap()).unwrap_err();
    assert_eq!(error.fault(), Fault::Usage);
}

#[test]
fn lists_tell_splits_and_what_is_not_as_they_say_is_told() {
    let dir = tree(&[
        "VOCdevkit/VOC2012/JPEGImages/2007_1.jpg",
        "VOCdevkit/VOC2012/JPEGImages/2007_2.jpg",
        "VOCdevkit/VOC2012/JPEGImages/2007_3.jpg",
        "VOCdevkit/VOC2012/JPEGImages/2007_4.jpg",
        "VOCdevkit/VOC2012/SegmentationClass/2007_1.png",
        "VOCdevkit/VOC2012/SegmentationClass/2007_2.png",
        "VOCdevkit/VOC2012/SegmentationObject/2007_1.png",
    ]);
    let spec = DatasetSpec::builtin("voc").unwrap();
    let error = read(dir.path(), &spec).unwrap_err().to_string();
    assert!(error.contains("the list of the split train, `ImageSets/"), "{error}");
    let lists = dir.path().join("VOCdevkit/VOC2012/ImageSets/Segmentation");
    fs::create_dir_all(&lists).unwrap();
    fs::write(lists.join("train.txt"), "2007_2\n2007_9\n").unwrap();
    fs::write(lists.join("val.txt"), "2007_1\n2007_3\n").unwrap();
    let found = read(dir.path(), &spec).unwrap();
    let line =
        |f: &RawFrame| format!("{:?} {} {} {}", f.split, f.drive, f.frame, f.annotation.is_some());
    assert_eq!(
        found.frames.iter().map(line).collect::<Vec<_>>(),
        ["Some(Train) all 2007_2 true", "Some(Val) all 2007_1 true", "Some(Val) all 2007_3 false"]
    );
    assert_eq!(found.left_out, BTreeMap::from([(IN_NO_LIST.to_owned(), 1)]));
    let missing = [(lists.join("train.txt"), "line 2: there is no frame 2007_9".to_owned())];
    assert_eq!(found.missing, missing);
    assert!(found.orphans.is_empty());
}

#[test]
fn frames_without_drives_are_one_drive_or_one_each_as_the_file_says() {
    let dir = tree(&["a.jpg", "a.json", "b.jpg", "b.json"]);
    let text = include_str!("../../../../data-spec/datasets/sample.toml").replace("{drive}/", "");
    let text = text.replace("images/", "").replace("masks/", "") + "independent_frames = true\n";
    let spec = DatasetSpec::from_toml(&text, "test").unwrap();
    let found = read(dir.path(), &spec).unwrap();
    let drives: Vec<_> = found.frames.iter().map(|frame| frame.drive.as_str()).collect();
    assert_eq!(drives, ["a", "b"]);
}
