#!/bin/sh
# install-torch.sh cpu|cuda PIP: torch of the version in constraints.txt, with or without the code for NVIDIA devices.
# The builds on the usual index carry CUDA and several gigabytes of libraries; TORCH_CPU_INDEX names one with CPU builds.
# pip compares the hashes of every lock file that has some, and of torch.lock in any case.
set -eu
case "$1" in
    cpu)
        if [ -n "${TORCH_CPU_INDEX:-}" ]; then
            "$2" install --no-deps --index-url "$TORCH_CPU_INDEX" -r torch-cpu.lock
        else
            "$2" install --require-hashes --no-deps -r torch.lock
        fi ;;
    cuda) "$2" install --require-hashes --no-deps -r torch.lock ;;
    *) echo "TORCH must be cpu or cuda, not '$1'" >&2; exit 1 ;;
esac
