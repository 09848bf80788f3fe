//! The kernels for GPUs, compiled as host code and compared with plain loops: every index and every sum of
//! theirs, on a machine without a GPU. What only a GPU can tell is `canet-gpu-check`'s affair.

use std::path::Path;
use std::process::Command;

#[test]
fn kernels_are_right_on_the_host() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cuda/kernels/host_tests.cpp");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kernels-on-host");
    // Whoever links Rust programs has a C compiler; this one is for C++.
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let built = Command::new(&compiler)
        .args(["-std=c++20", "-O1", "-pthread", "-w", "-o"])
        .args([&program, &source])
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}; install g++, or set CXX", compiler.display()));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let run = Command::new(&program).output().unwrap();
    let report = String::from_utf8(run.stdout).unwrap();
    let count = |word: &str| report.lines().filter(|line| line.starts_with(word)).count();
    assert!(run.status.success() && count("WRONG") == 0 && count("right") > 200, "{report}");
}
