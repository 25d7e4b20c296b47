#!/bin/sh
# install-torch.sh cpu|cuda PIP: torch of the version in constraints.txt, with or without the code for NVIDIA devices.
set -eu
torch=$(grep '^torch==' constraints.txt)
case "$1" in
    # the builds on the package index carry CUDA and several gigabytes of libraries
    cpu) "$2" install --no-deps --index-url https://download.pytorch.org/whl/cpu "$torch" ;;
    cuda) "$2" install -c constraints.txt "$torch" ;;
    *) echo "TORCH must be cpu or cuda, not '$1'" >&2; exit 1 ;;
esac
