//! Checkpoints: exact, deterministic, and never a reason to panic.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod common;

use canet_model::{
    CanetConfig, Checkpoint, CheckpointMeta, Device, Fault, ModelConfig, Options, Params,
    Segmenter, Tensor,
};
use canet_model::{fine_tune, load_backbone, serde_json};
use common::{Scratch, assignment, build, frame, meta, small_canet};
use safetensors::SafeTensors;
use serde_json::json;

fn bits(params: &Params) -> Vec<(String, Vec<u32>)> {
    let values = |var: &Tensor| var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let bits = |var| values(var).into_iter().map(f32::to_bits).collect();
    params.iter().map(|param| (param.name.clone(), bits(&param.var))).collect()
}

fn full_meta() -> CheckpointMeta {
    CheckpointMeta {
        input: Some([64, 48]),
        training: json!({ "step": 12, "miou": 0.25 }),
        ..meta(&assignment(4))
    }
}

#[test]
fn checkpoints_are_exact_and_deterministic() {
    let scratch = Scratch::new("round-trip");
    let (_, params) = build(&assignment(4), 9);
    let velocity = Tensor::new(&[0.1_f32, -0.0], &Device::Cpu).unwrap();
    let extra = [("training.velocity.a".to_owned(), velocity)];
    let [first, second] = ["a.safetensors", "b.safetensors"].map(|name| scratch.file(name));
    Checkpoint::save(&first, &params, &full_meta(), &extra).unwrap();
    let read = Checkpoint::read(&first).unwrap();
    assert_eq!(read.meta, full_meta());
    let (_, loaded) = read.network(&Device::Cpu).unwrap();
    assert_eq!(bits(&loaded), bits(&params));
    let extra: Vec<_> = read.training_tensors.into_iter().collect();
    assert_eq!(extra.len(), 1);
    Checkpoint::save(&second, &loaded, &read.meta, &extra).unwrap();
    assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
    Segmenter::load(&first, Options::cpu()).unwrap().segment(&frame(20, 30)).unwrap();
    let foreign = [("velocity".to_owned(), extra[0].1.clone())];
    let error = Checkpoint::save(&second, &params, &full_meta(), &foreign).unwrap_err();
    assert!(error.to_string().contains("training."), "{error}");
}

#[test]
fn damaged_checkpoints_are_errors() {
    let scratch = Scratch::new("hostile");
    let path = scratch.file("good.safetensors");
    let (_, params) = build(&assignment(4), 9);
    Checkpoint::save(&path, &params, &full_meta(), &[]).unwrap();
    let good = std::fs::read(&path).unwrap();
    let hostile = scratch.file("hostile.safetensors");
    for cut in 0..64 {
        std::fs::write(&hostile, &good[..good.len() * cut / 64]).unwrap();
        let error = Checkpoint::read(&hostile).unwrap_err();
        assert!(error.to_string().contains("cut short"), "{error}");
        assert_eq!(error.fault(), Fault::Data);
    }
    // A thousand bits anywhere in the file, and some more all over its header.
    let header = 8 + usize::try_from(u64::from_le_bytes(good[..8].try_into().unwrap())).unwrap();
    let anywhere = (0..1000).map(|i| canet_core::mix(i) as usize % (8 * good.len()));
    let densely = (0..header).step_by(37).map(|byte| 8 * byte + byte % 8);
    let mut refused = 0;
    for bit in anywhere.chain(densely) {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&hostile, &flipped).unwrap();
        let error = Checkpoint::read(&hostile).expect_err("a flipped bit must not go unseen");
        assert_eq!(error.fault(), Fault::Data, "{error}");
        assert!(error.to_string().contains("hostile.safetensors"), "{error}");
        refused += 1;
    }
    assert_eq!(refused, 1000 + header.div_ceil(37));
}

/// Rewrites the metadata of a checkpoint, as another program would: in format 1, without a hash.
fn with_metadata(bytes: &[u8], change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    header["__metadata__"].as_object_mut().unwrap().remove("canet.sha256");
    header["__metadata__"]["canet.format"] = "1".into();
    change(&mut header["__metadata__"]);
    let header = header.to_string().into_bytes();
    [&(header.len() as u64).to_le_bytes()[..], &header, &bytes[8 + length..]].concat()
}

#[test]
fn strange_checkpoints_are_refused_with_the_reason() {
    let scratch = Scratch::new("strange");
    let path = scratch.file("c.safetensors");
    let (_, params) = build(&assignment(4), 9);
    Checkpoint::save(&path, &params, &full_meta(), &[]).unwrap();
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, with_metadata(&good, |_| ())).unwrap();
    assert_eq!(Checkpoint::read(&path).unwrap().meta, full_meta());
    for (key, value, needle) in [
        ("canet.format", Some("3"), "update the program"),
        ("canet.format", Some("0"), "update the program"),
        ("canet.format", Some("2"), "lacks canet.sha256"),
        ("canet.format", None, "backbone ="),
        ("canet.model", None, "lacks the metadata canet.model"),
        ("canet.model", Some("{\"network\":\"unet\"}"), "canet-assignment"),
        ("canet.model", Some("{\"network\":\"canet-assignment\",\"classes\":5}"), "5 classes"),
        (
            "canet.model",
            Some("{\"network\":\"canet\",\"classes\":4,\"capacity\":1000000000000}"),
            "capacity",
        ),
        ("canet.classes", Some("[]"), "canet.classes"),
        ("canet.input", Some("[0,0]"), "input size"),
        ("canet.normalisation", Some("{\"mean\":[0,0,0],\"std\":[1,0,1]}"), "normalisation"),
    ] {
        let changed = with_metadata(&good, |metadata| match value {
            Some(value) => metadata[key] = value.into(),
            None => drop(metadata.as_object_mut().unwrap().remove(key)),
        });
        std::fs::write(&path, changed).unwrap();
        let error = Checkpoint::read(&path).unwrap_err();
        assert!(error.to_string().contains(needle), "{key}: {error}");
        assert_eq!(error.fault(), Fault::Data);
    }
    let missing = Checkpoint::read(&scratch.file("none.safetensors")).unwrap_err();
    assert_eq!(missing.fault(), Fault::Usage, "{missing}");
    let folder = Checkpoint::read(&scratch.file("")).unwrap_err();
    assert_eq!(folder.fault(), Fault::Usage, "{folder}");
}

/// No value at all, and yet sides whose product is beyond every number.
#[test]
fn impossible_shapes_are_refused() {
    let scratch = Scratch::new("shapes");
    let path = scratch.file("s.safetensors");
    for shape in [json!([0, 1_u64 << 63, 4]), json!([1_u64 << 63, 0, 4])] {
        let tensor = json!({ "dtype": "F32", "shape": shape, "data_offsets": [0, 0] });
        let header = json!({ "backbone.conv1.weight": tensor }).to_string().into_bytes();
        let file = [&(header.len() as u64).to_le_bytes()[..], &header].concat();
        std::fs::write(&path, file).unwrap();
        let error = Checkpoint::read(&path).unwrap_err();
        assert!(error.to_string().contains("is impossible"), "{error}");
        assert_eq!(error.fault(), Fault::Data);
    }
}

#[test]
fn another_architecture_is_named_by_its_differences() {
    let scratch = Scratch::new("mismatch");
    let path = scratch.file("c.safetensors");
    let (_, params) = build(&assignment(4), 9);
    Checkpoint::save(&path, &params, &meta(&assignment(4)), &[]).unwrap();
    let checkpoint = Checkpoint::read(&path).unwrap();
    let (_, other) = build(&assignment(5), 1);
    let before = bits(&other);
    let error = checkpoint.load_into(&other).unwrap_err().to_string();
    assert!(error.contains("classifier.weight (expected [5, 64, 3, 3], found [4, 64, 3, 3])"));
    assert_eq!(bits(&other), before, "a refused load must not change anything");
    let (_, other) = build(&small_canet(4), 1);
    let error = checkpoint.load_into(&other).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("missing: backbone.conv1.weight") && text.contains("..."), "{text}");
    assert!(text.contains("unexpected: agcn.left.0.bias"), "{text}");
    assert_eq!(error.fault(), Fault::Data);
}

#[test]
fn an_auxiliary_head_is_for_the_training_only() {
    let scratch = Scratch::new("aux");
    let path = scratch.file("c.safetensors");
    let config = small_canet(3);
    let (network, params) = build(&config, 2);
    Checkpoint::save(&path, &params, &meta(&config), &[]).unwrap();
    let loaded = Segmenter::load(&path, Options::cpu()).unwrap();
    let at_hand = Segmenter::from_parts(network, meta(&config)).unwrap();
    assert_ne!(loaded.meta().model, config);
    let masks = [&loaded, &at_hand].map(|s| s.segment(&frame(33, 21)).unwrap().mask);
    assert_eq!(masks[0], masks[1]);
}

/// Writes tensors as torchvision's weights come, under other names.
fn publish(params: &Params, path: &std::path::Path, rename: impl Fn(&str) -> Option<String>) {
    let extra = [("fc.weight", vec![2.0_f32; 4]), ("bn1.num_batches_tracked", vec![0.0])];
    let extra = extra.map(|(name, values)| {
        (name.to_owned(), Tensor::new(values.as_slice(), &Device::Cpu).unwrap())
    });
    let own = params.iter().filter_map(|p| Some((rename(&p.name)?, p.var.as_detached_tensor())));
    let bytes = safetensors::serialize(own.chain(extra), None).unwrap();
    SafeTensors::deserialize(&bytes).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// As `ResNetV1b` calls it: batch norms have a gamma and a beta, and nothing else has a bias.
fn gluon_name(name: &str) -> String {
    let (layer, last) = name.rsplit_once('.').unwrap();
    let norm = layer.contains("bn") || layer.ends_with("downsample.1");
    let last = match last {
        "weight" if norm => "gamma",
        "bias" => "beta",
        last => last,
    };
    format!("{layer}.{last}")
}

#[test]
fn published_backbones_load_whole_or_not_at_all() {
    let scratch = Scratch::new("backbone");
    let path = scratch.file("resnet18.safetensors");
    let (_, published) = build(&small_canet(2), 1);
    let plain = |name: &str| name.strip_prefix("backbone.").map(str::to_owned);
    publish(&published, &path, plain);
    let (_, params) = build(&small_canet(2), 2);
    let report = load_backbone(&params, &path).unwrap();
    assert_eq!(report.loaded, 100);
    assert_eq!(report.left_out, ["bn1.num_batches_tracked", "fc.weight"]);
    assert!(report.to_string().contains("2 left out: bn1.num_batches_tracked, fc.weight"));
    for ((name, ours), (_, theirs)) in bits(&params).into_iter().zip(bits(&published)) {
        assert!(!name.starts_with("backbone.") || ours == theirs, "{name}");
        assert!(name != "low.conv.weight" || ours != theirs);
    }
    let checkpoint = scratch.file("checkpoint.safetensors");
    Checkpoint::save(&checkpoint, &published, &meta(&small_canet(2)), &[]).unwrap();
    assert_eq!(load_backbone(&params, &checkpoint).unwrap().loaded, 100);
    // GluonCV's words for the same.
    let (_, params) = build(&small_canet(2), 3);
    publish(&published, &path, |name| plain(name).map(|n| gluon_name(&n)));
    assert_eq!(load_backbone(&params, &path).unwrap().loaded, 100);
    for ((name, ours), (_, theirs)) in bits(&params).into_iter().zip(bits(&published)) {
        assert!(!name.starts_with("backbone.") || ours == theirs, "{name}");
    }

    let (_, params) = build(&small_canet(2), 2);
    let before = bits(&params);
    publish(&published, &path, |name| plain(name).map(|n| n.replace("layer4", "stage4")));
    let error = load_backbone(&params, &path).unwrap_err().to_string();
    assert!(error.contains("missing: backbone.layer4.0.conv1.weight"), "{error}");
    assert!(error.contains("unexpected: backbone.stage4.0.bn1.bias"), "{error}");
    assert_eq!(bits(&params), before);
    assert!(load_backbone(&build(&assignment(2), 1).1, &path).is_err());
    std::fs::write(&path, b"\x80\x02 a pickle").unwrap();
    let error = load_backbone(&params, &path).unwrap_err().to_string();
    assert!(error.contains(".pth"), "{error}");
}

#[test]
fn a_trained_network_starts_another_one_with_other_classes() {
    let scratch = Scratch::new("fine-tune");
    let path = scratch.file("c.safetensors");
    for (of, classifiers) in
        [(assignment as fn(usize) -> ModelConfig, 2), (small_canet as fn(usize) -> ModelConfig, 4)]
    {
        let (_, trained) = build(&of(4), 9);
        Checkpoint::save(&path, &trained, &meta(&of(4)), &[]).unwrap();
        let (_, fresh) = build(&of(3), 1);
        let (_, params) = build(&of(3), 1);
        let report = fine_tune(&params, &meta(&of(3)), &path).unwrap();
        assert_eq!(report.left_out.len(), classifiers, "{report}");
        assert_eq!(report.loaded + classifiers, params.iter().count());
        assert!(report.left_out[0].contains("for the 4 classes of test, now the 3"), "{report}");
        for (((name, ours), (_, drawn)), (_, theirs)) in
            bits(&params).into_iter().zip(bits(&fresh)).zip(bits(&trained))
        {
            let classifier = name.contains("classifier.");
            assert!(ours == if classifier { drawn } else { theirs }, "{name}");
        }
        // The same classes: everything fits.
        let (_, params) = build(&of(4), 1);
        let report = fine_tune(&params, &meta(&of(4)), &path).unwrap();
        assert_eq!((report.loaded, report.left_out.len()), (params.iter().count(), 0));
        assert_eq!(bits(&params), bits(&trained));
        // As many, but others: what tells them apart is learnt anew.
        let mut others = meta(&of(4));
        others.classes.classes[1].name = "another".into();
        let report = fine_tune(&build(&of(4), 1).1, &others, &path).unwrap();
        assert_eq!(report.left_out.len(), classifiers);
    }
}

#[test]
fn another_network_is_no_start() {
    let scratch = Scratch::new("no-start");
    let path = scratch.file("c.safetensors");
    let (_, trained) = build(&small_canet(4), 9);
    Checkpoint::save(&path, &trained, &meta(&small_canet(4)), &[]).unwrap();
    let canet = |change: fn(&mut CanetConfig)| {
        let ModelConfig::Canet(mut config) = small_canet(3) else { panic!() };
        change(&mut config);
        ModelConfig::Canet(config)
    };
    for (config, needle) in [
        (canet(|c| c.capacity = 8), "capacity: 8 here, 16 there"),
        (canet(|c| c.rates = vec![2, 4]), "rates: [2,4] here, [2,4,8,16] there"),
        (canet(|c| c.aux = false), "aux: false here, true there"),
        (assignment(3), "network: \"canet-assignment\" here, \"canet\" there"),
    ] {
        let (_, params) = build(&config, 1);
        let before = bits(&params);
        let error = fine_tune(&params, &meta(&config), &path).unwrap_err();
        assert!(error.to_string().contains(needle), "{error}");
        assert_eq!(error.fault(), Fault::Usage);
        assert_eq!(bits(&params), before);
    }
    // What the training alone looks at may differ.
    let config = canet(|c| (c.dropout, c.batch_norm_momentum) = (0.3, 0.2));
    fine_tune(&build(&config, 1).1, &meta(&config), &path).unwrap();
    // A file that does not keep its word.
    let tensors = trained.iter().filter(|p| p.name != "low.conv.weight");
    let tensors = tensors.map(|p| (p.name.clone(), p.var.as_detached_tensor()));
    let bytes = std::fs::read(&path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut metadata = header.metadata().clone().unwrap();
    metadata.remove("canet.sha256");
    metadata.insert("canet.format".into(), "1".into());
    std::fs::write(&path, safetensors::serialize(tensors, Some(metadata)).unwrap()).unwrap();
    let error = fine_tune(&build(&small_canet(3), 1).1, &meta(&small_canet(3)), &path).unwrap_err();
    assert!(error.to_string().contains("1 missing: low.conv.weight"), "{error}");
    assert_eq!(error.fault(), Fault::Data);
}
