//! `cargo xtask gpu-check`: a folder that checks and measures a GPU on a machine without Rust.
//!
//! It holds the programs, PyTorch's side of the comparison, and a script that runs all of it. (Python is
//! there for PyTorch, so it is a script, too, that joins the figures.)

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use canet_data::manifest::Manifest;

use crate::fault;
use crate::progress::{bytes, say};

/// Options of `cargo xtask gpu-check`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder to write [default: gpu-check in cargo's target folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Take the programs as an earlier build left them
    #[arg(long)]
    no_build: bool,
    /// A small prepared folder to take along, for a short training
    #[arg(long, value_name = "DIR")]
    with_data: Option<PathBuf>,
    /// The configuration of that training, which has two epochs [default: configs/sample.toml]
    #[arg(long, value_name = "FILE", requires = "with_data")]
    config: Option<PathBuf>,
    /// More arguments of cargo build
    #[arg(last = true, value_name = "ARGUMENT", conflicts_with = "no_build")]
    cargo: Vec<String>,
}

const BUILD: [&str; 8] = [
    "build",
    "--release",
    "-p",
    "canet-bench",
    "-p",
    "canet-train",
    "--features",
    "canet-bench/cuda,canet-train/cuda",
];

/// What is taken of what was built.
const PROGRAMS: [&str; 2] = ["canet-gpu-check", "canet-train"];

/// What runs it all, in the checkout and in the folder.
const RUN: [&str; 2] = ["xtask/cuda/run.sh", "run.sh"];

/// Taken along to the same places, by which they find each other.
const SCRIPTS: [&str; 10] = [
    "benches/peers/flops.py",
    "benches/peers/gpu.py",
    "benches/peers/gpu_logits.py",
    "benches/peers/gpu_report.py",
    "benches/peers/gpu_rows.py",
    "benches/peers/gpu_time.py",
    "benches/peers/networks.py",
    "benches/peers/pictures.py",
    "benches/peers/weights.py",
    "crates/canet-model/tests/goldens/make_goldens.py",
];

/// Runs the task.
pub(crate) fn run(args: &Args) -> Result<()> {
    let target = target_folder()?;
    let out = args.out.clone().unwrap_or_else(|| target.join("gpu-check"));
    // Before anything takes long.
    check_out(&out)?;
    let copies = copies(checkout(), args.with_data.as_deref(), args.config.as_deref())?;
    if !args.no_build {
        build(&args.cargo)?;
    }
    let (files, size) = pack(&target.join("release"), &copies, &out)?;
    say(format!("{} holds {files} files, {}", out.display(), bytes(size)));
    say("next: copy it to the machine with the GPU, and start its run.sh there");
    Ok(())
}

/// The folder of the workspace.
fn checkout() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Where cargo builds: this program lies in a folder of it.
fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program lies")?;
    let folder = program.parent().and_then(Path::parent);
    Ok(folder.context("this program lies in no target folder")?.to_owned())
}

/// Refuses a folder with something else in it.
fn check_out(out: &Path) -> Result<()> {
    if out.file_name().is_none() {
        return Err(fault::usage(format!("--out {} has no name to write to", out.display())));
    }
    let is_ours = out.join(RUN[1]).is_file();
    let holds = match fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(error).with_context(|| format!("cannot list {}", out.display())),
    };
    if holds && !is_ours {
        let out = out.display();
        return Err(fault::usage(format!(
            "--out {out} holds something else; choose another folder"
        )));
    }
    Ok(())
}

fn build(more: &[String]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(BUILD).args(more).current_dir(checkout()).status();
    let status = status.context("cannot start cargo")?;
    if status.success() {
        return Ok(());
    }
    Err(fault::usage(format!(
        "the programs were not built ({status}); docs/gpu.md says what a build for GPUs needs"
    )))
}

/// A file, and its place in the folder.
#[derive(Debug, PartialEq, Eq)]
struct Item {
    from: PathBuf,
    to: PathBuf,
}

/// All but the programs.
fn copies(checkout: &Path, data: Option<&Path>, config: Option<&Path>) -> Result<Vec<Item>> {
    let copy = |from: PathBuf, to: &Path| Item { from, to: to.to_owned() };
    let mut copies = vec![copy(checkout.join(RUN[0]), Path::new(RUN[1]))];
    copies.extend(SCRIPTS.map(|script| copy(checkout.join(script), Path::new(script))));
    add_tree(&checkout.join("configs"), Path::new("configs"), &mut copies)?;
    if let Some(data) = data {
        Manifest::read(data)?;
        add_tree(data, Path::new("data"), &mut copies)?;
        let config = config.map_or_else(|| checkout.join("configs/sample.toml"), Path::to_owned);
        if !config.is_file() {
            return Err(fault::usage(format!("--config {} is not a file", config.display())));
        }
        copies.push(copy(config, Path::new("config.toml")));
    }
    Ok(copies)
}

/// All files of a folder and of those in it, in the order of their names; without hidden ones.
fn add_tree(from: &Path, to: &Path, copies: &mut Vec<Item>) -> Result<()> {
    let list = || -> std::io::Result<Vec<_>> {
        fs::read_dir(from)?.map(|entry| Ok(entry?.file_name())).collect()
    };
    let mut names = list().with_context(|| format!("cannot list {}", from.display()))?;
    names.sort();
    for name in names.iter().filter(|name| !name.as_encoded_bytes().starts_with(b".")) {
        let (from, to) = (from.join(name), to.join(name));
        if from.is_dir() {
            add_tree(&from, &to, copies)?;
        } else {
            copies.push(Item { from, to });
        }
    }
    Ok(())
}

/// Makes the folder, whole or not at all, in the place of an earlier one; how many files it has, and
/// their bytes.
fn pack(programs: &Path, copies: &[Item], out: &Path) -> Result<(usize, u64)> {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = out.with_file_name(name);
    remove(&part)?;
    fs::create_dir_all(&part).with_context(|| format!("cannot make {}", part.display()))?;
    let mut size = 0;
    for program in PROGRAMS {
        size += strip(&programs.join(program), &part.join(program))?;
    }
    for Item { from, to } in copies {
        let to = part.join(to);
        if let Some(folder) = to.parent() {
            let made = fs::create_dir_all(folder);
            made.with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let copied = fs::copy(from, &to);
        size += copied.with_context(|| format!("cannot copy {}", from.display()))?;
    }
    remove(out)?;
    fs::rename(&part, out).with_context(|| format!("cannot rename to {}", out.display()))?;
    Ok((PROGRAMS.len() + copies.len(), size))
}

/// Copies a program without what only a debugger reads; the size of the copy.
fn strip(from: &Path, to: &Path) -> Result<u64> {
    if !from.is_file() {
        let from = from.display();
        return Err(fault::usage(format!("{from} is not there; run this without --no-build")));
    }
    let status = Command::new("strip").arg("-o").arg(to).arg(from).status();
    let status = status.context("cannot start strip, which comes with the linker")?;
    if !status.success() {
        return Err(fault::data(format!("strip does not take {} ({status})", from.display())));
    }
    Ok(fs::metadata(to).with_context(|| format!("cannot look at {}", to.display()))?.len())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canet_core::Fault;
    use clap::Parser;
    use std::collections::BTreeSet;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn command_lines_are_taken_or_refused() {
        for (line, taken) in [
            ("", true),
            ("--out DIR --no-build", true),
            ("--with-data DIR --config FILE", true),
            ("-- --offline --config net.offline=true", true),
            ("--offline", false),
            ("--config FILE", false),
            ("--no-build -- --offline", false),
        ] {
            let parsed = Line::try_parse_from(["x"].into_iter().chain(line.split_whitespace()));
            assert_eq!(parsed.is_ok(), taken, "{line:?}");
            let cargo = parsed.map(|line| line.args.cargo).unwrap_or_default();
            assert_eq!(cargo.is_empty(), !taken || !line.starts_with("-- "), "{line:?}");
        }
    }

    #[test]
    fn only_free_folders_and_earlier_checks_are_written_to() {
        let dir = tempfile::tempdir().unwrap();
        for (name, file) in [("empty", None), ("ours", Some("run.sh")), ("other", Some("run.txt"))]
        {
            fs::create_dir(dir.path().join(name)).unwrap();
            if let Some(file) = file {
                fs::write(dir.path().join(name).join(file), "").unwrap();
            }
        }
        for (name, fault) in [
            ("new", None),
            ("empty", None),
            ("ours", None),
            ("other", Some(Fault::Usage)),
            ("other/run.txt", Some(Fault::Usage)),
            ("..", Some(Fault::Usage)),
        ] {
            let found = check_out(&dir.path().join(name)).err().map(|error| fault::of(&error));
            assert_eq!(found, fault, "{name}");
        }
    }

    /// The scripts beside one that it imports.
    fn imports(script: &str) -> BTreeSet<String> {
        let path = checkout().join(script);
        let text = fs::read_to_string(&path).unwrap();
        let module = |line: &str| {
            let rest = line.strip_prefix("import ").or_else(|| line.strip_prefix("from "))?;
            let module = rest.split([' ', '.', ',']).next()?;
            let file = Path::new(script).with_file_name(format!("{module}.py"));
            checkout().join(&file).is_file().then(|| file.display().to_string())
        };
        text.lines().filter_map(module).collect()
    }

    #[test]
    fn all_that_the_scripts_import_is_packed_and_nothing_else() {
        let run = fs::read_to_string(checkout().join(RUN[0])).unwrap();
        let networks = fs::read_to_string(checkout().join("benches/peers/networks.py")).unwrap();
        let started = SCRIPTS.into_iter().filter(|s| run.contains(s) || networks.contains(s));
        let mut needed: BTreeSet<String> = started.map(str::to_owned).collect();
        assert_eq!(needed.len(), 3, "{needed:?}");
        loop {
            let more: BTreeSet<_> = needed.iter().flat_map(|script| imports(script)).collect();
            let before = needed.len();
            needed.extend(more);
            if needed.len() == before {
                break;
            }
        }
        assert_eq!(needed, SCRIPTS.map(str::to_owned).into());
        for program in PROGRAMS {
            assert!(run.contains(&format!("./{program} ")), "{program}");
        }
    }

    #[test]
    fn data_come_with_their_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let places = |data: Option<&Path>| {
            let copies = copies(checkout(), data, None)?;
            assert!(copies.iter().all(|copy| copy.from.is_file()), "{copies:?}");
            anyhow::Ok(copies.into_iter().map(|copy| copy.to).collect::<Vec<_>>())
        };
        let without = places(None).unwrap();
        let expected = ["run.sh", "configs/sample.toml", "benches/peers/gpu.py"];
        assert!(expected.iter().all(|file| without.contains(&file.into())), "{without:?}");
        assert!(!without.contains(&"config.toml".into()), "{without:?}");
        // What is not prepared is refused.
        assert_eq!(fault::of(&places(Some(dir.path())).unwrap_err()), Fault::Data);
    }

    #[test]
    fn trees_are_listed_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["b/2", "b/1", "a", ".hidden", "c/.hidden"] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let mut copies = Vec::new();
        add_tree(dir.path(), Path::new("data"), &mut copies).unwrap();
        let to: Vec<_> = copies.iter().map(|copy| copy.to.to_str().unwrap()).collect();
        assert_eq!(to, ["data/a", "data/b/1", "data/b/2"]);
    }
}
