use super::*;

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
        ("[data.augment]\nflip = 2.0", "", "flip"),
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
fn shipped_configurations_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        Config::read(&path, &[]).unwrap_or_else(|e| panic!("{e}"));
        seen += 1;
    }
    assert!(seen >= 5, "{seen} configurations");
    let defaults = include_str!("../../../../configs/defaults.toml");
    assert_eq!(Config::parse(defaults, "defaults", &[]).unwrap(), Config::default());
}
