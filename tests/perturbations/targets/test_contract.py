"""What every registered architecture promises; a new one is tested by being registered."""

from __future__ import annotations

import pytest

from perturbations.errors import UnknownName
from perturbations.targets import architecture, names
from perturbations.testing import TargetContract


@pytest.mark.parametrize("name", names())
class TestEveryArchitecture(TargetContract):
    """Built-in architectures, and those of installed plug-ins."""


def test_unknown_architectures_are_named_with_those_that_exist() -> None:
    with pytest.raises(UnknownName, match=", ".join(sorted(names()))):
        architecture("pix2pix")
