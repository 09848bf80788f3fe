//! Our backbones have exactly the parameters of the published ones, by name and shape.
//!
//! The list is timm's own; `goldens/make_backbone_names.py` made it.

#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

use std::collections::BTreeSet;

use canet_model::{CanetConfig, Depth, Device, ModelConfig, Network, Params, Stem};

/// The entries of our backbone, as `name shape`.
fn ours(depth: Depth, stem: Stem) -> BTreeSet<String> {
    let config = CanetConfig { depth, stem, classes: 1, capacity: 2, ..Default::default() };
    let mut params = Params::blank(&Device::Cpu);
    Network::new(&ModelConfig::Canet(config), &mut params).unwrap();
    let of_backbone = |param: &canet_model::Param| {
        let name = param.name.strip_prefix("backbone.")?;
        let sides: Vec<String> = param.var.dims().iter().map(ToString::to_string).collect();
        Some(format!("{name} {}", sides.join("x")))
    };
    params.iter().filter_map(of_backbone).collect()
}

#[test]
fn timms_backbones_have_our_names_and_shapes() {
    let text = include_str!("goldens/backbone_names.txt");
    let mut models = 0;
    for part in text.split("\nresnet") {
        let (title, entries) = part.split_once('\n').unwrap();
        let &[_, depth, stem] = &title.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{title}")
        };
        let stem = if stem == "v1s" { Stem::V1s } else { Stem::Classic };
        let depth = Depth::try_from(depth.parse::<u32>().unwrap()).unwrap();
        let left_out = |entry: &&str| {
            entry.starts_with("fc.") || entry.trim_end().ends_with("num_batches_tracked")
        };
        let entries: Vec<&str> = entries.lines().map(str::trim_start).collect();
        let (left, theirs): (Vec<_>, BTreeSet<_>) = (
            entries.iter().filter(|e| left_out(e)).collect(),
            entries.iter().filter(|e| !left_out(e)).map(|e| (*e).to_owned()).collect(),
        );
        assert_eq!(theirs, ours(depth, stem), "{title}");
        // The classifier, and a counter for each batch norm.
        let norms = theirs.iter().filter(|entry| entry.contains("running_var")).count();
        assert_eq!(left.len(), 2 + norms, "{title}");
        models += 1;
    }
    assert_eq!(models, 6);
}
