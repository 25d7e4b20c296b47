#!/bin/sh
# install-torch.sh cpu|cuda PIP: torch of the version in constraints.txt, with or without the code for NVIDIA devices.
# The builds on the usual index carry CUDA and several gigabytes of libraries; TORCH_CPU_INDEX names one with CPU builds.
set -eu
torch=$(grep '^torch==' constraints.txt)
case "$1" in
    cpu)
        if [ -n "${TORCH_CPU_INDEX:-}" ]; then
            "$2" install --no-deps --index-url "$TORCH_CPU_INDEX" "$torch"
        else
            "$2" install -c constraints.txt "$torch"
        fi ;;
    cuda) "$2" install -c constraints.txt "$torch" ;;
    *) echo "TORCH must be cpu or cuda, not '$1'" >&2; exit 1 ;;
esac
