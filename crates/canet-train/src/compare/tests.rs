use super::*;
use crate::report::tests::record;

fn run(name: &str, records: Vec<EpochRecord>) -> Run {
    Run { name: name.into(), config: Config::default(), about: None, records }
}

#[test]
fn rows_tell_the_best_and_what_differs() {
    let mut second = run("b<", vec![record(1, 0.2)]);
    second.config.optimizer.lr = 0.5;
    second.records[0].scores.classes[2].class = "tree".into();
    second.records[0].scores.interval = None;
    let runs = [run("a", vec![record(1, 0.4), record(2, 0.3)]), second];
    let text = text(&runs);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split("  ").collect()).collect();
    let cells = |name: &str| -> Vec<&str> {
        let line = lines.iter().find(|line| line[0] == name).unwrap_or_else(|| panic!("{name}"));
        line[1..].iter().map(|cell| cell.trim()).filter(|cell| !cell.is_empty()).collect()
    };
    assert_eq!(cells("best mIoU"), ["0.4000 (0.100 to 0.900)", "0.2000"]);
    assert_eq!(cells("last mIoU"), ["0.3000 (0.100 to 0.900)", "0.2000"]);
    assert_eq!(cells("best of the averaged weights"), ["0.3500", "-"]);
    assert_eq!(cells("road"), ["0.4000", "0.2000"]);
    assert_eq!(cells("sky"), ["-", "-"]);
    assert_eq!(cells("tree"), ["-", "-"]);
    assert_eq!(cells("optimizer.lr"), ["0.001", "0.5"]);
    assert_eq!(cells("peak memory, MiB"), ["300", "300"]);
    assert!(!text.contains("optimizer.kind"), "{text}");
    let page = page(&runs);
    assert!(page.contains("b&lt;, epoch 1: 0.200") && !page.contains("<b<"), "{page}");
    assert!(page.contains("class=\"line l1\""));
    assert!(!page.contains("<script") && !page.contains("://"));
}

#[test]
fn what_is_no_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |path: &Path| {
        let error = Run::read(path).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    };
    assert!(refused(&dir.path().join("none")).contains("there is no config.toml"));
    assert!(refused(dir.path()).contains("is not the folder of a run"));
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("config.toml", "epochs = 3\n");
    assert!(refused(dir.path()).contains("no epoch of this run was validated yet"));
    write("metrics.jsonl", "{\"epoch\":1,\"loss\":0.5,\"miou\":0.3}\n");
    assert!(refused(dir.path()).contains("is not a list of scores"));
    write("metrics.jsonl", &(serde_json::to_string(&record(1, 0.3)).unwrap() + "\n"));
    let run = Run::read(dir.path()).unwrap();
    assert_eq!((run.config.epochs, run.about, run.records.len()), (3, None, 1));
    write("config.toml", "epoch = 3\n");
    assert!(refused(dir.path()).contains("did you mean `epochs`"));
}

#[test]
fn runs_of_one_name_are_called_by_their_paths() {
    let dir = tempfile::tempdir().unwrap();
    let paths = ["x/a", "y/a"].map(|name| dir.path().join(name)).to_vec();
    for path in &paths {
        std::fs::create_dir_all(path).unwrap();
        std::fs::write(path.join("config.toml"), "").unwrap();
        let line = serde_json::to_string(&record(1, 0.3)).unwrap();
        std::fs::write(path.join("metrics.jsonl"), line).unwrap();
    }
    assert_eq!(read(&paths[..1]).unwrap()[0].name, "a");
    assert_eq!(read(&paths).unwrap()[1].name, paths[1].display().to_string());
}
