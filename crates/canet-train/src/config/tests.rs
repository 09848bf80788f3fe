use super::*;

const CANET: &str = "[model]\nnetwork = \"canet\"";

#[test]
fn files_and_overrides_are_read() {
    let text =
        "epochs = 3\n[model]\nnetwork = \"canet\"\ndepth = 18\n[data.augment]\ncrop = [64, 48]\n";
    let overrides = ["optimizer.lr=0.5", "optimizer.kind=sgd", "model.stem=classic"];
    let config = Config::parse(text, "test", &overrides.map(String::from)).unwrap();
    assert_eq!((config.epochs, config.optimizer.lr), (3, 0.5));
    assert_eq!(config.optimizer.kind, OptimizerKind::Sgd);
    assert_eq!(config.data.augment.crop, Some((64, 48)));
    let ModelConfig::Canet(canet) = &config.model else { panic!("{config:?}") };
    assert_eq!(canet.stem, canet_model::Stem::Classic);
    assert_eq!(config.differences(&config), Vec::<String>::new());
    let other = Config { epochs: 4, ..config.clone() };
    assert_eq!(config.differences(&other), ["epochs: 3, was 4"]);
}

#[test]
fn terms_of_the_loss_are_read_and_written() {
    let text = "[loss]\nclass_weights = \"median-frequency\"\nterms = [{ kind = \"ohem\", min_kept = 0.25 }, { kind = \"cce-dice\", weight = 2 }]";
    let config = Config::parse(text, "test", &[]).unwrap();
    let ohem = LossTerm::Ohem { weight: 1.0, threshold: 0.7, min_kept: 0.25 };
    assert_eq!(config.loss.terms, [ohem, LossTerm::CceDice { weight: 2.0 }]);
    let counted = ClassWeights::Counted(Frequency::MedianFrequency);
    assert_eq!(config.loss.class_weights, Some(counted));
    let written = toml::to_string(&config).unwrap();
    assert_eq!(Config::parse(&written, "written", &[]).unwrap(), config);
    let given = Config::parse("[loss]\nclass_weights = [1, 0.5]", "test", &[]).unwrap();
    assert_eq!(given.loss.class_weights, Some(ClassWeights::Given(vec![1.0, 0.5])));
}

#[test]
fn mistakes_are_named_and_mended() {
    for (text, set, needle) in [
        ("epoch = 3", "", "did you mean `epochs`"),
        ("[optimizer]\nlearning = 1", "", "at optimizer"),
        ("[data.augment]\nflp = 1", "", "did you mean `flip`"),
        ("[model]\nnetwork = \"canet\"\ndpth = 18", "", "did you mean `depth`"),
        ("", "optimizer.lr=fast", "optimizer.lr"),
        ("", "optimizer.lr=-1", "optimizer.lr must be more than 0"),
        ("", "optimizer.lr", "is not key=value"),
        ("", "epochs.x=1", "at epochs"),
        ("epochs = ", "", "TOML parse error"),
        ("", "optimizer.kind=rmsprop", "adamw"),
        ("", "optimizer.nesterov=true", "optimizer.nesterov must be false but for kind sgd"),
        ("", "optimizer.betas=[0.9, 1.0]", "optimizer.betas"),
        ("", "optimizer.eps=0.0", "optimizer.eps must be more than 0"),
        ("", "optimizer.warmup_start=1.5", "optimizer.warmup_start"),
        ("", "optimizer.freeze_norms=head", "backbone"),
        ("", "optimizer.poly_power=0.9", "unknown key `poly_power`"),
        ("", "optimizer.schedule.kind=linear", "cosine"),
        ("[optimizer.schedule]\nkind = \"poly\"\nmin = 0.1", "", "unknown key `min`"),
        ("", "optimizer.schedule={ kind = \"cosine\", min = 2.0 }", "optimizer.schedule.min"),
        ("", "optimizer.schedule.kind=step", "either milestones or every"),
        (
            "",
            "optimizer.schedule={ kind = \"step\", milestones = [4, 4] }",
            "each after the one before",
        ),
        (
            "",
            "optimizer.schedule={ kind = \"step\", every = 9, milestones = [4] }",
            "either milestones or every",
        ),
        ("", "ema.decay=1.0", "ema.decay must be more than 0 and below 1"),
        ("", "ema.dcay=0.9", "did you mean `decay`"),
        ("", "model.stochastic_depth=0.1", "network"),
        ("[data.augment]\nflip = 2.0", "", "flip"),
        ("", "recompute=layer1", "recompute is true, false, or a list of \"stem\", \"layer1\""),
        (CANET, "recompute=[\"layer5\"]", "recompute is true, false, or a list of \"stem\""),
        (CANET, "recompute=[\"layer1\", \"layer1\"]", "recompute must be a list that has no stage"),
        ("", "recompute=true", "recompute must be false but for network = \"canet\""),
        ("[loss]\nterms = []", "", "loss.terms must be a list with at least one term"),
        ("[[loss.terms]]\nkind = \"dise\"", "", "unknown variant `dise`"),
        ("[[loss.terms]]\nkind = \"dice\"\ngamma = 2.0", "", "unknown key `gamma`"),
        ("[[loss.terms]]\nkind = \"ohem\"\ntreshold = 0.5", "", "did you mean `threshold`"),
        ("[[loss.terms]]\nkind = \"ohem\"\nmin_kept = 2", "", "loss.terms.min_kept must be"),
        ("[[loss.terms]]\nkind = \"ohem\"\nthreshold = 0", "", "loss.terms.threshold must be"),
        ("[[loss.terms]]\nkind = \"focal\"\ngamma = -1", "", "loss.terms.gamma must be"),
        ("[[loss.terms]]\nkind = \"dice\"\nsmooth = 0", "", "loss.terms.smooth must be"),
        ("[[loss.terms]]\nkind = \"lovasz\"\nweight = 0", "", "loss.terms.weight must be"),
        ("", "loss.terms=[{kind='dice'}, {kind='dice', smooth=2.0}]", "no kind twice"),
        ("[loss]\nclass_weights = \"rare\"", "", "\"median-frequency\" or"),
        ("[loss]\nclass_weights = [1.0, -1.0]", "", "loss.class_weights must be"),
        (
            "[loss]\nclass_weights = [1.0]\nterms = [{ kind = \"dice\" }]",
            "",
            "loss.class_weights must be left out",
        ),
    ] {
        let overrides: Vec<String> =
            [set].iter().filter(|s| !s.is_empty()).map(ToString::to_string).collect();
        match Config::parse(text, "test", &overrides) {
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains(needle), "{text} {set}: {error}");
            }
            Ok(config) => panic!("{text} {set}: {config:?}"),
        }
    }
}

#[test]
fn what_is_recomputed_is_read_and_written_and_may_change() {
    use canet_model::BackboneStage::{Layer1, Layer4, Stem};
    let read = |value: &str| Config::parse(CANET, "test", &[format!("recompute={value}")]).unwrap();
    for (value, expected) in [
        ("false", &[][..]),
        ("true", &canet_model::BackboneStage::ALL),
        ("[]", &[]),
        ("['layer4', 'stem', 'layer1']", &[Layer4, Stem, Layer1]),
    ] {
        let config = read(value);
        assert_eq!(config.recompute.stages(), expected);
        let written = toml::to_string(&config).unwrap();
        assert_eq!(Config::parse(&written, "written", &[]).unwrap(), config);
        // Nothing that a resumed run would have to be asked about.
        assert_eq!(read("true").changes(&config), []);
    }
}

#[test]
fn schedules_are_read_and_written() {
    for (text, expected) in [
        ("", ScheduleConfig::Poly { power: 0.9 }),
        ("kind = \"poly\"\npower = 2.0", ScheduleConfig::Poly { power: 2.0 }),
        ("kind = \"cosine\"", ScheduleConfig::Cosine { min: 0.0 }),
        (
            "kind = \"step\"\nevery = 7",
            ScheduleConfig::Step { milestones: Vec::new(), every: Some(7), gamma: 0.1 },
        ),
        ("kind = \"constant\"", ScheduleConfig::Constant {}),
    ] {
        let table = if text.is_empty() { "" } else { "[optimizer.schedule]\n" };
        let config = Config::parse(&format!("{table}{text}"), "test", &[]).unwrap();
        assert_eq!(config.optimizer.schedule, expected);
        let written = toml::to_string(&config).unwrap();
        assert_eq!(Config::parse(&written, "written", &[]).unwrap(), config);
    }
}

#[test]
fn shipped_configurations_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        Config::read(&path, &[]).unwrap_or_else(|e| panic!("{e}"));
        seen += 1;
    }
    assert!(seen >= 12, "{seen} configurations");
    let defaults = include_str!("../../../../configs/defaults.toml");
    assert_eq!(Config::parse(defaults, "defaults", &[]).unwrap(), Config::default());
}
