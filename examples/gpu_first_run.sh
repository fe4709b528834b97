#!/usr/bin/env bash
# For a machine with an NVIDIA GPU: all that can only be known there, in one run of a few minutes.
#
#   examples/gpu_first_run.sh [FOLDER]
#
# Builds the CUDA extension, runs the operators' tests on the card, looks at small cases with compute-sanitizer, and times
# (bench_gpu.py). What was printed is in FOLDER (default gpu_run), and report.md there has the tables for docs/gpu.md. Goes
# on after a failure, so that one run tells everything; the exit status is then 1. Needs nvcc and the development packages
# (pip install -e '.[dev]').
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-gpu_run}
mkdir -p "$out"
failed=0

# Runs a command with its output in $out/$1.log as well; notes a failure.
step() {
  local name=$1
  shift
  echo "== $name: $*"
  "$@" 2>&1 | tee "$out/$name.log" | tail -n 40
  local status=${PIPESTATUS[0]}
  echo "| $name | $([ "$status" = 0 ] && echo ok || echo "FAILED ($status)") |" >>"$out/report.md"
  [ "$status" = 0 ] || failed=1
}

printf '| step | outcome |\n|---|---|\n' >"$out/report.md"
step device nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv
step build env CINEGAN_CUDA=1 python setup.py -q build_ext --inplace
step doctor python -m cinegan_cli doctor
step tests python -m pytest -q -n 0 -m cuda tests/ops
small="(by_hand or many_to_one or outside or smooth_flow and 13) and not reference"
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck synccheck; do
    # A quick one of each kind first: under a tool a kernel is a hundred times slower.
    PYTORCH_NO_CUDA_MEMORY_CACHING=1 step "$tool" timeout 600 compute-sanitizer --tool "$tool" --error-exitcode 9 \
      --target-processes all python -m pytest -q -n 0 -m cuda tests/ops -k "$small"
  done
else
  echo "| compute-sanitizer | not installed |" >>"$out/report.md"
fi
step bench python examples/bench_gpu.py --no-build
{
  echo
  cat "$out/bench.log"
} >>"$out/report.md"
echo "the report is $out/report.md"
exit $failed
