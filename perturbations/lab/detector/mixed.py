"""Mix the weights of two states of one detector, and write the file that ships.

python -m perturbations.lab.detector.mixed BEFORE.pt AFTER.pt --share 0.3

A detector that was trained on for something new forgets some of what it knew. Between the two states lie detectors that
are nearly as good at both (Wortsman et al., CVPR 2022).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from perturbations.faces.networks import FOLDER
from perturbations.lab.detector.card import write
from perturbations.lab.detector.network import Detector


def mixed(before: Detector, after: Detector, share: float) -> Detector:
    """A detector with ``share`` of the second one's weights and the rest of the first one's."""
    made = Detector().eval()
    state = {
        name: torch.lerp(weight, after.state_dict()[name], share) if weight.is_floating_point() else weight
        for name, weight in before.state_dict().items()
    }
    made.load_state_dict(state)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs=2, help="before and after it was trained on")
    parser.add_argument("--share", type=float, required=True, help="of the weights after, between 0 and 1")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder to write to")
    given = parser.parse_args()
    states = [torch.load(path, weights_only=True) for path in given.checkpoints]
    before, after = Detector().eval(), Detector().eval()
    for network, state in zip((before, after), states, strict=True):
        network.load_state_dict(state["average"])
    early, late = (int(state["step"]) for state in states)
    write(given.out, mixed(before, after, given.share), steps=late, mixed=(early, given.share))


if __name__ == "__main__":
    main()
