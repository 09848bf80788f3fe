//! Backbones from a hub: fetched once, checked, kept, and told of where they cannot be had.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use canet_fetch::sha256_of;
use common::{World, run};

const PLACE: &str = "cache/canet/hub/timm/resnet18.tv_in1k/main/model.safetensors";
const RESOLVED: &str = "/timm/resnet18.tv_in1k/resolve/main/model.safetensors";

/// What the hub does besides serving its one file from `/file`.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// The checksum is in the headers, and connections break halfway.
    Linked,
    /// The repository was renamed, and the checksum is in an LFS pointer.
    Pointer,
    /// The headers name another file's checksum.
    Wrong,
    /// There is no checksum anywhere.
    Silent,
}

/// A hub on this machine. It answers some requests, one after the other.
struct Hub {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    fn start(file: Vec<u8>, sha256: String, manner: Manner) -> Self {
        const MOST: usize = 40;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().take(MOST) {
                let mut stream = stream.unwrap();
                let head = read_head(&mut stream);
                let words: Vec<&str> = head.split_whitespace().take(2).collect();
                let &[method, path] = &words[..] else { continue };
                log.lock().unwrap().push(format!("{method} {path}"));
                let from = head.to_lowercase().lines().find_map(|line| {
                    line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok()
                });
                let reply = reply(&file, &sha256, manner, (method, path), from);
                stream.write_all(&reply).ok();
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn reply(
    file: &[u8],
    sha256: &str,
    manner: Manner,
    (method, path): (&str, &str),
    from: Option<usize>,
) -> Vec<u8> {
    let text = |status: &str, headers: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        let body = if method == "HEAD" { &[][..] } else { body };
        [head.as_bytes(), body].concat()
    };
    let renamed = "/timm/renamed/resolve/main/model.safetensors";
    match (path, manner) {
        (RESOLVED, Manner::Pointer) => {
            text("307 Temporary Redirect", &format!("Location: {renamed}\r\n"), b"")
        }
        (RESOLVED, Manner::Linked | Manner::Wrong) => {
            let linked = format!("Location: /file\r\nX-Linked-Etag: \"{sha256}\"\r\n");
            text("302 Found", &linked, b"")
        }
        // A file without LFS has the hash of Git, which is none of its bytes alone.
        (path, _) if path == RESOLVED || path == renamed => {
            text("200 OK", "ETag: \"0123456789012345678901234567890123456789\"\r\n", file)
        }
        ("/timm/resnet18.tv_in1k/raw/main/model.safetensors", Manner::Pointer) => {
            let pointer = format!(
                "version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 1\n"
            );
            text("200 OK", "Content-Type: text/plain\r\n", pointer.as_bytes())
        }
        ("/timm/resnet18.tv_in1k/raw/main/model.safetensors", _) => text("200 OK", "", b"text"),
        ("/file", _) => {
            if let Some(from) = from {
                let range = format!(
                    "ETag: \"v1\"\r\nContent-Range: bytes {from}-{}/{}\r\n",
                    file.len() - 1,
                    file.len()
                );
                text("206 Partial Content", &range, &file[from..])
            } else {
                let mut half = text("200 OK", "ETag: \"v1\"\r\n", file);
                half.truncate(half.len() - file.len() / 2);
                half
            }
        }
        _ => text("404 Not Found", "", b""),
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Starts a training from a hub's backbone. The run's folder holds another run, so that it ends
/// before the first step.
fn start(world: &World, address: &str, model: &str) -> Command {
    let mut command = world.training("taken", &["--backbone", model]);
    for set in ["network=canet", "depth=18", "stem=classic", "capacity=16"] {
        command.args(["--set", &format!("model.{set}")]);
    }
    command.args(["--set", "model.batch_norm_momentum=0.1"]);
    command.env("HF_ENDPOINT", address).env("XDG_CACHE_HOME", world.path("cache"));
    for proxy in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(proxy);
    }
    command
}

/// A backbone of 18 layers with weights that are drawn, as a checkpoint; and its SHA-256.
fn published(path: &Path) -> (Vec<u8>, String) {
    use canet_model::{
        CanetConfig, Checkpoint, CheckpointMeta, Class, ClassSet, Depth, Device, ModelConfig,
        Network, Params, Rgb, Stem,
    };
    let model = ModelConfig::Canet(CanetConfig {
        depth: Depth::D18,
        stem: Stem::Classic,
        classes: 1,
        capacity: 2,
        ..Default::default()
    });
    let mut params = Params::new(5, &Device::Cpu);
    Network::new(&model, &mut params).unwrap();
    let classes = vec![Class { name: "road".into(), color: Rgb([1, 2, 3]) }];
    let meta = CheckpointMeta::new(model, ClassSet { name: "one".into(), classes });
    Checkpoint::save(path, &params, &meta, &[]).unwrap();
    (std::fs::read(path).unwrap(), sha256_of(path).unwrap())
}

fn world() -> World {
    let world = World::new();
    std::fs::create_dir_all(world.path("taken/checkpoints")).unwrap();
    std::fs::write(world.path("taken/checkpoints/last.safetensors"), "a run").unwrap();
    world
}

const STARTED: &str = "the backbone starts from hub:timm/resnet18.tv_in1k: 100 parameters match";
const OFFLINE: &str = "http://127.0.0.1:9";

#[test]
fn a_hubs_backbone_is_fetched_once_and_checked_each_time() {
    let world = world();
    let (file, sha256) = published(&world.path("r18.safetensors"));
    let model = "hub:timm/resnet18.tv_in1k";
    for manner in [Manner::Linked, Manner::Pointer] {
        std::fs::remove_dir_all(world.path("cache")).ok();
        let hub = Hub::start(file.clone(), sha256.clone(), manner);
        let text = run(start(&world, &hub.address, model), 2);
        assert!(text.contains(STARTED) && text.contains("earlier run"), "{text}");
        assert!(world.read(PLACE) == file);
        assert_eq!(world.read(&format!("{PLACE}.sha256")), format!("{sha256}\n").into_bytes());
        assert_eq!(hub.asked()[0], format!("HEAD {RESOLVED}"));
        if manner == Manner::Linked {
            assert_eq!(hub.asked().iter().filter(|a| *a == "GET /file").count(), 2, "it broke off");
        }
        assert!(!world.path(&format!("{PLACE}.part")).exists());
    }
    // Kept: no hub is needed.
    let text = run(start(&world, OFFLINE, model), 2);
    assert!(text.contains(STARTED), "{text}");
    // Damaged since.
    let mut damaged = file.clone();
    damaged[file.len() / 2] ^= 1;
    std::fs::write(world.path(PLACE), damaged).unwrap();
    let text = run(start(&world, OFFLINE, model), 3);
    assert!(text.contains("has sha-256") && text.contains(&sha256), "{text}");
    // Put there by hand.
    std::fs::remove_file(world.path(&format!("{PLACE}.sha256"))).unwrap();
    std::fs::write(world.path(PLACE), &file).unwrap();
    let text = run(start(&world, OFFLINE, model), 2);
    assert!(text.contains(STARTED) && text.contains("was not fetched by this program"), "{text}");
}

#[test]
fn what_cannot_be_had_is_told_with_address_and_place() {
    let world = world();
    let file = b"not the file".to_vec();
    let zeros = "0".repeat(64);
    let hub = |manner| Hub::start(file.clone(), zeros.clone(), manner);
    let (wrong, silent) = (hub(Manner::Wrong), hub(Manner::Silent));
    for (address, model, code, needle) in [
        (OFFLINE, "hub:timm/resnet18.tv_in1k", 3, "cannot be reached"),
        (&wrong.address, "hub:timm/resnet18.tv_in1k", 3, "is not the expected file"),
        (&silent.address, "hub:timm/resnet18.tv_in1k", 3, "names no sha-256"),
        (&wrong.address, "hub:timm/resnet99", 2, "status 404"),
        (&wrong.address, "hub:timm/resnet18.tv_in1k@v9", 2, "status 404"),
    ] {
        let text = run(start(&world, address, model), code);
        assert!(text.contains(needle), "{model}: {text}");
        let (name, revision) =
            model["hub:".len()..].split_once('@').unwrap_or((&model[4..], "main"));
        let place = format!("cache/canet/hub/{name}/{revision}/model.safetensors");
        let url = format!("{address}/{name}/resolve/{revision}/model.safetensors");
        assert!(text.contains(&format!("fetch {url} by hand")), "{text}");
        assert!(text.contains(&format!("put it at {}", world.path(&place).display())), "{text}");
        assert!(!world.path(&place).exists());
    }
    for (address, model) in [("hub.test", "hub:timm/x"), (OFFLINE, "hub:x")] {
        run(start(&world, address, model), 2);
    }
    // A file without network that does not fit: the differences are listed.
    let tensor = br#"{"conv1.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let bytes = [&(tensor.len() as u64).to_le_bytes()[..], tensor, &[0; 4]].concat();
    std::fs::write(world.path("odd.safetensors"), bytes).unwrap();
    let text = run(start(&world, OFFLINE, "odd.safetensors"), 3);
    assert!(text.contains("99 missing") && text.contains("1 of another shape"), "{text}");
}
