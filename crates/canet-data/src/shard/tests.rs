use super::tar::{END, head, padding};
use super::*;
use crate::names::{DriveId, FrameId};

fn entry(frame: &str, extension: &str) -> Entry {
    Entry {
        drive: DriveId::new("d.1"),
        frame: FrameId::new(frame),
        width: 4,
        height: 2,
        image: format!("images/train/d.1/{frame}.{extension}"),
        mask: format!("masks/train/d.1/{frame}.png"),
        image_sha256: "12".into(),
        mask_sha256: "34".into(),
        packed: None,
    }
}

/// Short, dotted and long names, of which the `tar` crate must make what we meant.
#[test]
fn any_reader_of_tar_finds_the_files_where_they_are_said_to_be() {
    let long = "x".repeat(180);
    let (mut tar, mut expected) = (Vec::new(), Vec::new());
    for (frame, extension, n) in
        [("1", "jpg", 0), ("a.b%", "png", 511), (&long, "jpeg", 512), (&long[..82], "png", 1300)]
    {
        let sample = Sample::of(Split::Train, &entry(frame, extension));
        let (image, mask) = (vec![7; n], vec![9; 3 * n + 1]);
        let (image_at, mask_at, end) =
            sample.lay(tar.len() as u64, image.len() as u64, mask.len() as u64);
        let json = (&sample.json_name, &sample.json);
        for (name, bytes) in [(&sample.image_name, &image), (&sample.mask_name, &mask), json] {
            tar.extend(head(name, bytes.len() as u64));
            tar.extend(bytes);
            tar.extend(padding(bytes.len() as u64));
            expected.push((name.clone(), bytes.clone()));
        }
        assert_eq!(tar.len() as u64, end);
        let within = |r: Range| &tar[r.at as usize..(r.at + r.bytes) as usize];
        assert_eq!((within(image_at), within(mask_at)), (&image[..], &mask[..]));
    }
    tar.extend([0; END as usize]);
    let mut found = Vec::new();
    for file in ::tar::Archive::new(&tar[..]).entries().unwrap() {
        let mut file = file.unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!((file.header().mode().unwrap(), file.header().mtime().unwrap()), (0o644, 0));
        found.push((file.path().unwrap().to_str().unwrap().to_owned(), bytes));
    }
    assert_eq!(found.len(), 12);
    assert!(found == expected);
    assert_eq!(found[3].0, "train/d.1/a%2Eb%25.frame.png");
}

#[test]
fn sizes_have_units() {
    for (text, bytes) in [("1", 1), ("3k", 3072), ("512M", 512 << 20), ("2G", 2 << 30)] {
        assert_eq!(text.parse::<ShardSize>().unwrap().bytes(), bytes);
    }
    for wrong in ["", "G", "0", "0M", "-1", "1.5G", "1T", "99999999999G"] {
        let error = wrong.parse::<ShardSize>().unwrap_err().to_string();
        assert!(error.starts_with("shards: is "), "{error}");
    }
}
