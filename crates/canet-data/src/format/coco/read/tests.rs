//! What is read of COCO files, and what is refused.

use super::*;

fn parse(text: &str) -> Result<Instances, String> {
    let map = LabelMap::builtin("idd-level3").unwrap();
    Instances::parse(text.as_bytes(), Path::new("a.json"), &map).map_err(|e| e.to_string())
}

fn file(annotations: &str) -> String {
    format!(
        r#"{{"info": {{"year": 2024}}, "licenses": [], "categories": [
        {{"id": 3, "name": "car", "supercategory": "vehicle"}}, {{"id": 90, "name": "ghost"}}],
        "images": [{{"id": 7, "file_name": "1/a.png", "width": 6, "height": 4, "license": 1}},
        {{"id": -1, "file_name": "1/b.png", "width": 8, "height": 5, "coco_url": "x"}}],
        "annotations": [{annotations}]}}"#
    )
}

fn annotation(image: i64, category: i64, segmentation: &str) -> String {
    format!(
        r#"{{"id": 1, "image_id": {image}, "category_id": {category}, "iscrowd": 0,
        "area": 1.5, "bbox": [0, 0, 1, 1]{segmentation}}}"#
    )
}

const TRIANGLE: &str = ", \"segmentation\": [[0, 0, 5.5, 0, 0, 3]]";

#[test]
fn objects_come_to_their_images_in_the_order_of_the_file() {
    let two = ", \"segmentation\": [[0, 0, 5, 0, 5, 3, 0, 3], [1, 1, 2, 1, 2, 2], [4, 4]]";
    let all = [annotation(-1, 3, TRIANGLE), annotation(7, 3, two), annotation(-1, 90, TRIANGLE)];
    let instances = parse(&file(&all.join(","))).unwrap();
    let [a, b] = &instances.images[..] else { panic!("{instances:?}") };
    assert_eq!((a.file_name.as_str(), a.annotation.width, a.annotation.height), ("1/a.png", 6, 4));
    assert_eq!((b.file_name.as_str(), b.annotation.width, b.annotation.height), ("1/b.png", 8, 5));
    let objects = |image: &Image| -> Vec<_> {
        image.annotation.objects.iter().map(|o| (o.index, o.class.0, o.points().len())).collect()
    };
    assert_eq!(objects(a), [(1, 9, 4), (1, 9, 3)]);
    assert_eq!(objects(b), [(0, 9, 3)]);
    let counts = (a.annotation.finding_counts(), b.annotation.finding_counts());
    assert_eq!((counts.0.few_points, counts.1.unknown_labels["ghost"]), (1, 1));
    assert_eq!(b.annotation.findings[0].object, 2);
}

#[test]
fn regions_without_polygons_are_found() {
    for (segmentation, expected) in [
        (", \"segmentation\": {\"counts\": [3, 2, 19], \"size\": [4, 6]}", "run-length mask"),
        (", \"segmentation\": {\"size\": [4, 6], \"counts\": \"Q2\"}", "run-length mask"),
        (", \"segmentation\": []", "box"),
        (", \"segmentation\": null", "box"),
        ("", "box"),
    ] {
        let instances = parse(&file(&annotation(7, 3, segmentation))).unwrap();
        let Annotation { objects, findings, .. } = &instances.images[0].annotation;
        let kind = FindingKind::NotAPolygon(expected.to_owned());
        assert!(objects.is_empty() && findings[0].kind == kind, "{segmentation} {findings:?}");
    }
}

#[test]
fn faults_of_form_refuse_the_file_and_say_where() {
    let good = file(&annotation(7, 3, TRIANGLE));
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let whole = TRIANGLE.replace("0, 0, 5.5, 0, 0, 3", "0, 0, 6, 0, 6, 4, 0, 4");
    // What is not read may lie as deep as it likes.
    parse(&good.replace("2024", &deep)).unwrap();
    for (text, needle) in [
        (good[..good.len() / 2].to_owned(), "EOF"),
        ("[]".into(), "a.json: at "),
        (good.replace("\"images\"", "\"image\""), "missing field `images`"),
        (good.replace("\"image_id\": 7", "\"image_id\": 8"), "annotations[0].image_id: 8 is no id"),
        (good.replace("\"image_id\": 7", "\"image_id\": 7.5"), "at annotations[0].image_id"),
        (good.replace("\"category_id\": 3", "\"category_id\": 4"), "annotations[0].category_id: 4"),
        (good.replace("\"id\": -1", "\"id\": 7"), "images[1].id: 7 is the id of an earlier one"),
        (good.replace("\"id\": 90", "\"id\": 3"), "categories[1].id: 3 is the id of an earlier"),
        (good.replace("\"width\": 6", "\"width\": 0"), "at images[0].width: is 0; 1 to 16384"),
        (good.replace("\"height\": 5", "\"height\": 4294967295"), "at images[1].height: is 4294"),
        (good.replace("\"height\": 5", "\"height\": 1e99"), "at images[1].height: invalid type"),
        (good.replace("5.5", "NaN"), "at annotations[0].segmentation[0][2]"),
        (good.replace("5.5", "null"), "at annotations[0].segmentation[0][2]: invalid type: null"),
        (good.replace("5.5", "1e999"), "at annotations[0].segmentation[0][2]: number out of range"),
        (file(&vec![annotation(7, 3, &whole); 2001].join(",")), "at its objects: cover the frame"),
        (good.replace(", 0, 3]", ", 0]"), "at annotations[0].segmentation[0]: the last x has no y"),
        (good.replace("[[0, 0, 5.5, 0, 0, 3]]", "[0, 0, 1]"), "at annotations[0].segmentation[0]"),
        (good.replace("[[0, 0, 5.5, 0, 0, 3]]", "\"x\""), "at annotations[0].segmentation: inv"),
        (good.replace("5.5", &deep), "at annotations[0].segmentation[0][2]"),
        (format!("{good}]"), "at its end: trailing characters"),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.contains(needle), "{text}\n{error}");
    }
}
