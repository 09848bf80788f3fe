#!/usr/bin/env bash
# Puts CUDA 13.0's compiler and libraries into one folder, from the wheels that PyTorch uses, for machines without a CUDA of
# their own. Neither a GPU nor a driver is needed; pip, a C compiler, and the crates (`cargo fetch`) are.
#
#   xtask/cuda/toolchain.sh DEST [link|full]
#   . DEST/env.sh                               # then build with --features cuda
#
# link (the default): what a build needs. The libraries are empty ones that have the right names: programs are linked against
# them, and do not start with them. full: NVIDIA's own libraries, too, 1.7 GB, with which programs start. The driver's library,
# libcuda.so.1, is an empty one in both: the real one comes with the driver.
set -euo pipefail

usage() {
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
fail() {
    printf 'error: %s\n' "$1" >&2
    exit 2
}

if [ $# -lt 1 ] || [ $# -gt 2 ]; then usage; fi
case $1:${2:-link} in
-*) usage ;;
*:link | *:full) ;;
*) usage ;;
esac
dest=$(realpath -m "$1") mode=${2:-link}
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3} cc=${CC:-cc}
[ -z "$(ls -A "$dest" 2>/dev/null)" ] || fail "$dest is not empty; remove it, or choose another folder"
version=$(awk '$0 == "name = \"cudarc\"" { getline; gsub(/"/, "", $3); print $3 }' "$here/../../Cargo.lock")
found=("${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"cudarc-$version"/src)
bindings=${found[0]}
[ -d "$bindings" ] || fail "cudarc $version is not at $bindings; run cargo fetch first"

# Made beside its place, and put there when it is whole.
made=$dest.part
rm -rf "$made"
mkdir -p "$made"
trap 'rm -rf "$made"' EXIT

install() { # requirement files
    PIP_ROOT_USER_ACTION=ignore "$python" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --only-binary=:all: \
        --require-hashes --target "$made/wheels" "${@/#/--requirement=$here/}"
}
if [ "$mode" = full ]; then install compiler.txt libraries.txt; else install compiler.txt; fi
# Wheels of CUDA 13 share a folder; cuDNN has its own.
for folder in "$made"/wheels/nvidia/*/; do
    cp -al "$folder." "$made"
done
rm -rf "$made/wheels"
chmod +x "$made"/bin/* "$made"/nvvm/bin/*
# Builds look here, too.
ln -s lib "$made/lib64"

# The linker asks for names without a version.
for library in "$made"/lib/*.so.*; do
    name=${library##*/}
    ln -sf "$name" "$made/lib/${name%%.so.*}.so"
done

# An empty library with all functions that the bindings know.
mkdir -p "$made/lib/stubs"
stub() { # module of the bindings, name of the library, version of its binary interface
    grep -oE 'pub unsafe fn (cu|nvrtc)[A-Za-z0-9_]+' "$bindings/$1/sys/mod.rs" | awk '{ print "void " $4 "(void) {}" }' |
        sort -u | "$cc" -x c -shared -fPIC -w -fno-builtin "-Wl,-soname,lib$2.so.$3" -o "$made/lib/stubs/lib$2.so" -
}
stub driver cuda 1
if [ "$mode" = link ]; then
    stub cublas cublas 13
    stub cublaslt cublasLt 13
    stub curand curand 10
    stub nvrtc nvrtc 13
    stub cudnn cudnn 9
fi

cat >"$made/env.sh" <<END
# To be sourced. CUDA_COMPUTE_CAP is the GPU's: 80 for an A100, 89 for an L40S, 90 for an H100 or H200.
export CUDA_PATH=$(printf %q "$dest")
export CUDA_COMPUTE_CAP=\${CUDA_COMPUTE_CAP:-90}
export CUDAFORGE_THREADS=\${CUDAFORGE_THREADS:-\$(nproc)}
export PATH="\$CUDA_PATH/bin:\$PATH"
export LIBRARY_PATH="\$CUDA_PATH/lib:\$CUDA_PATH/lib/stubs\${LIBRARY_PATH:+:\$LIBRARY_PATH}"
END
"$made/bin/nvcc" --version | grep release
rmdir "$dest" 2>/dev/null || true
mv "$made" "$dest"
printf 'now: . %q, then build with --features cuda\n' "$dest/env.sh"
