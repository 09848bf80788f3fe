#!/usr/bin/env bash
# Checks and measures this machine's GPU, beside PyTorch if it is there, in nine minutes at most. `cargo xtask gpu-check`
# packed all that it needs; docs/gpu.md says what it tells.
#
#   ./run.sh [RESULTS [SECONDS [ROW...]]]
#
# The ROWs are PyTorch's, in their order; without them it is asked for all. RESULTS (results/ beside this file) gets
# gpu-report.json, gpu-report.md and log.txt. A part that fails or takes too long is reported as that, and the others go on. Exit codes: 0 our parts are done and right, 1 one is not, 5 a library is missing.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
results=$(realpath -m "${1:-$here/results}")
deadline=$((${2:-540} - 10)) # the report wants a moment
rows=("${@:3}")
cd "$here" || exit 2
rm -rf work
mkdir -p work "$results" || exit 2
# Kernels that the driver compiles are compiled once.
export CUDA_CACHE_PATH=${CUDA_CACHE_PATH:-$here/cache}

# CUDA's libraries as pip installs them, before those of the system.
wheels=$(
    python3 - <<'END' 2>/dev/null
import glob, os, sys
found = [lib for path in sys.path if path for lib in glob.glob(os.path.join(path, "nvidia", "*", "lib"))]
print(":".join(dict.fromkeys(found)))
END
)
libraries=$wheels${LD_LIBRARY_PATH:+${wheels:+:}$LD_LIBRARY_PATH}

missing() {
    LD_LIBRARY_PATH=$libraries LD_TRACE_LOADED_OBJECTS=1 ./canet-gpu-check 2>&1 | grep 'not found'
}

failed=0
# Runs a command for so many seconds at most, and notes how it ended.
part() { # name, seconds, command
    local name=$1 limit=$2 begun=$SECONDS status
    shift 2
    if [ $((deadline - SECONDS)) -lt "$limit" ]; then limit=$((deadline - SECONDS)); fi
    if [ "$limit" -lt 5 ]; then
        status='not begun'
    else
        printf '\n== %s (%s s; %s s at most)\n' "$name" "$SECONDS" "$limit"
        timeout --kill-after=10 "$limit" "$@"
        case $? in
        0) status='done' ;;
        124 | 137) status='out of time' ;;
        *) status='failed' ;;
        esac
    fi
    printf '%s\t%s\t%s\n' "$name" "$status" $((SECONDS - begun)) >>work/parts.tsv
    [ "$status" = 'done' ]
}
ours() { # name, seconds, program with its arguments
    local name=$1 limit=$2
    shift 2
    part "$name" "$limit" env LD_LIBRARY_PATH="$libraries" "$@" || failed=1
}
# What PyTorch cannot do is no fault of ours.
peer() { # name, seconds, arguments of gpu.py
    local name=$1 limit=$2
    shift 2
    part "$name" "$limit" python3 benches/peers/gpu.py "$@" || true
}

run() {
    if missing; then
        echo 'error: these libraries are not on this machine; libcuda.so.1 comes with the driver, the others with CUDA 13'
        return 5
    fi
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader >work/gpu.txt 2>/dev/null
    local torch=yes
    python3 -c 'import torch, numpy, safetensors' || torch=no

    ours 'check' 180 ./canet-gpu-check --out work/canet.json
    ours 'check, deterministic' 40 ./canet-gpu-check --deterministic --out work/deterministic.json \
        --only train-r50 train-assignment
    if [ $torch = yes ]; then
        ours 'logits' 40 ./canet-gpu-check --only logits --logits work/logits
        peer "PyTorch's logits" 60 --logits work/logits
        ours 'logits, compared' 40 ./canet-gpu-check --only logits --logits work/logits --out work/logits.json
    else
        echo 'PyTorch, NumPy or safetensors is not here: nothing is compared'
    fi
    if [ -d data ]; then
        ours 'training' 75 ./canet-train train --device cuda:0 --data data --config config.toml --set epochs=2 \
            --out work/run
    fi
    if [ $torch = yes ]; then
        # Last, since compiling takes what is left.
        peer PyTorch 540 --compile --benchmark-limit 4 --patience 6 --out work/torch.json --only "${rows[@]}"
    fi
    printf '\n== report (%s s)\n' "$SECONDS"
    python3 benches/peers/gpu_report.py work "$results" || failed=1
    return $failed
}

run 2>&1 | tee "$results/log.txt"
exit "${PIPESTATUS[0]}"
