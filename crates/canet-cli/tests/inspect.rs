//! `canet inspect` as a whole program.

mod common;

use canet_model::serde_json::json;
use common::{World, canet};

#[test]
fn cards_tell_what_the_checkpoint_holds() {
    let world = World::new("inspect");
    let card = world.json(&["inspect", "small.safetensors", "--size", "128,64", "--json"]);
    assert_eq!(card["model"]["network"], "canet-assignment");
    let parts = card["parameters"]["parts"].as_array().unwrap();
    let sum: u64 = parts.iter().map(|part| part["parameters"].as_u64().unwrap()).sum();
    assert_eq!(card["parameters"]["total"], sum);
    assert_eq!(card["classes"][1], json!({"name": "sky", "color": "#3cc80a"}));
    assert_eq!(card["cost"]["size"], json!([128, 64]));
    assert_eq!(card["file"]["bytes"], world.file("small.safetensors").metadata().unwrap().len());
    assert_eq!(card["training"]["dataset"], json!(null));
    assert_eq!(card["weights"].as_str().unwrap().len(), 64);
    // Twice the pixels are twice the work: nothing here depends on the size but the maps.
    let twice = world.json(&["inspect", "small.safetensors", "--size", "128,128", "--json"]);
    let macs = |card: &canet_model::serde_json::Value| card["cost"]["macs"].as_f64().unwrap();
    assert!((macs(&twice) / macs(&card) - 2.0).abs() < 0.01);

    let text = world.text(&["inspect", "small.safetensors"]);
    for needle in [
        "canet-assignment",
        "global flow",
        "adapted global convolution",
        "#3cc80a  sky",
        "of 512x512: 1.613 G",
        "data hash                   not recorded",
        "best mIoU",
    ] {
        assert!(text.contains(needle), "{needle}: {text}");
    }
    // Not a terminal, so no colours.
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn recorded_training_is_shown_in_all_forms() {
    let world = World::new("inspect-trained");
    world.save("m.safetensors", &canet(), &["road", "sky"], |meta| {
        meta.input = Some([96, 64]);
        meta.training = json!({
            "version": "0.1.0", "dataset": "idd-lite", "data_hash": "ab12", "config_hash": "cd34",
            "config": {"seed": 7, "epochs": 24, "data": {"batch": 8}, "optimizer": {"kind": "adamw", "lr": 0.004}},
            "steps_per_epoch": 150, "cursor": {"step": 1050}, "best": [0.4545, 7], "averaged": true,
            "best_scores": {"pixel_accuracy": 0.8125, "frames": 200, "iou": [0.75, null]},
        });
    });
    let text = world.text(&["inspect", "m.safetensors"]);
    for needle in [
        "dilated ResNet-18",
        "idd-lite",
        "ab12",
        "cd34",
        "1050 (150 an epoch)",
        "adamw, learning rate 0.004",
        "0.4545",
        "0.8125",
        "7, on 200 frames",
        "IoU 0.7500",
        "resized to 96x64",
        "of 96x64:",
        "the moving average of the run's",
        "auxiliary head              in the file",
    ] {
        assert!(text.contains(needle), "{needle}: {text}");
    }
    let card = world.json(&["inspect", "m.safetensors", "--json"]);
    assert_eq!(card["training"]["scores"]["iou"], json!([0.75, null]));
    assert_eq!((&card["training"]["steps"], &card["training"]["seed"]), (&json!(1050), &json!(7)));
    let markdown = world.text(&["inspect", "m.safetensors", "--markdown"]);
    for needle in [
        "pipeline_tag: image-segmentation",
        "- type: mean_iou\n      value: 0.4545",
        "\"idd-lite\"",
        "| 0 | road | `#00c80a` | 0.7500 |",
        "| 1 | sky | `#3cc80a` | not recorded |",
        "| at epoch | 7, on 200 frames |",
    ] {
        assert!(markdown.contains(needle), "{needle}: {markdown}");
    }
    let front: Vec<&str> = markdown.split("---\n").collect();
    assert!(front[0].is_empty() && front[1].starts_with("pipeline_tag"), "{markdown}");
}

/// Neither terminal codes nor markup get through from a checkpoint's texts.
#[test]
fn hostile_names_are_harmless() {
    let world = World::new("inspect-hostile");
    let hostile = "\u{1b}[31m|<b>x</b>\n| # [a](b)\u{202e}\u{9b}";
    world.save("m.safetensors", &common::assignment(), &[hostile, "sky"], |meta| {
        meta.classes.name = hostile.into();
        meta.training = json!({"dataset": hostile, "data_hash": hostile, "best": [0.5, 1]});
    });
    for form in [
        &["inspect", "m.safetensors"][..],
        &["inspect", "m.safetensors", "--json"],
        &["inspect", "m.safetensors", "--markdown"],
    ] {
        let text = world.text(form);
        let acts = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!text.chars().any(acts), "{form:?}: {text:?}");
    }
    let markdown = world.text(&["inspect", "m.safetensors", "--markdown"]);
    let body = markdown.splitn(3, "---\n").nth(2).unwrap();
    assert!(!body.contains("<b>") && !body.contains("[a]"), "{body}");
    for line in body.lines().filter(|line| line.starts_with("| 0 |")) {
        assert_eq!(line.replace("\\|", "").matches('|').count(), 5, "{line}");
    }
    let card = world.json(&["inspect", "m.safetensors", "--json"]);
    assert_eq!(card["classes"][0]["name"], hostile);
}

#[test]
fn what_cannot_be_shown_has_a_code() {
    let world = World::new("inspect-bad");
    std::fs::write(world.file("broken.safetensors"), "no checkpoint").unwrap();
    for (arguments, code, needle) in [
        (&["inspect", "broken.safetensors"][..], 3, "not a safetensors file"),
        (&["inspect", "nowhere.safetensors"], 2, "nowhere.safetensors"),
        (&["inspect", "small.safetensors", "--size", "0,5"], 2, "H,W"),
        (&["inspect", "small.safetensors", "--size", "1,1"], 2, "at least 2"),
        (&["inspect", "small.safetensors", "--json", "--markdown"], 2, "cannot be used with"),
    ] {
        let (found, errors) = world.failure(arguments);
        assert_eq!(found, code, "{arguments:?}: {errors}");
        assert!(errors.contains(needle), "{arguments:?}: {errors}");
    }
    // Far more than is there may be asked for: nothing of it is taken.
    let large = world.json(&["inspect", "small.safetensors", "--size", "1024,16384", "--json"]);
    assert!(large["cost"]["memory"].as_u64().unwrap() > 1 << 30);
}
