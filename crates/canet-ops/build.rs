//! Compiles the kernels for GPUs, if the feature `cuda` is on: to machine code for the data-centre GPUs
//! of compute capability 8.0 and 9.0, and to PTX for all younger than 8.0.
//!
//! At build time, not at first use by NVRTC: candle needs `nvcc` anyway, errors are seen where they are
//! made, the compiler's report tells registers and spills, and the program starts without compiling.

use std::path::{Path, PathBuf};
use std::process::Command;

const KERNELS: &str = "src/cuda/kernels";

fn main() {
    println!("cargo::rerun-if-changed={KERNELS}");
    println!("cargo::rerun-if-changed=build.rs");
    for variable in ["CUDA_PATH", "CUDA_HOME", "PATH"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    if std::env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    let Some(out) = std::env::var_os("OUT_DIR") else { return };
    let out = PathBuf::from(out).join("kernels.fatbin");
    if let Err(reason) = compile(&out) {
        println!("cargo::error=the kernels of canet-ops were not compiled: {reason}");
    }
}

fn compile(out: &Path) -> Result<(), String> {
    let nvcc = ["CUDA_PATH", "CUDA_HOME"]
        .iter()
        .filter_map(std::env::var_os)
        .map(|root| PathBuf::from(root).join("bin/nvcc"))
        .find(|nvcc| nvcc.exists())
        .unwrap_or_else(|| "nvcc".into());
    let result = Command::new(&nvcc)
        .args(["-O3", "-std=c++17", "-fatbin", "-Xptxas", "-v"])
        .args(["-gencode", "arch=compute_80,code=[sm_80,compute_80]"])
        .args(["-gencode", "arch=compute_90,code=sm_90", "-o"])
        .arg(out)
        .arg(Path::new(KERNELS).join("all.cu"))
        .output();
    let result = result.map_err(|e| {
        format!("{} did not start ({e}); docs/gpu.md says how to get CUDA 13.0", nvcc.display())
    })?;
    let report = String::from_utf8_lossy(&result.stderr);
    if !result.status.success() {
        return Err(format!("{} failed:\n{report}", nvcc.display()));
    }
    let text = out.with_extension("txt");
    std::fs::write(&text, report.as_bytes()).map_err(|e| format!("{}: {e}", text.display()))
}
