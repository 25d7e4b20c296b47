"""The examples of ``docs/extending.md`` work, as a package that is installed; plug-ins that do not are named."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from app.contracts.generator_options import GivenDetails
from app.contracts.records.generator_store import Generators
from app.contracts.storage import FolderStorage
from perturbations.checkpoints import identify, load_checkpoint, sha256
from perturbations.errors import BadPlugin
from perturbations.plugins import forget
from perturbations.score import score_photo
from perturbations.targets import architecture, names
from perturbations.targets.registry import ARCHITECTURES, broken, declared
from perturbations.targets.stargan import StarGAN
from perturbations.testing import TargetContract, WeightingContract, seeded
from perturbations.weighting import names as weightings
from perturbations.weighting import weighting
from worker.commands.targets import app
from worker.generators.loaded import LoadedGenerators
from worker.generators.quarantine import check
from worker.generators.surrogates import Surrogates

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
Install = Callable[..., Path]


def example(kind: str, title: str = "") -> str:
    """The text of the only block of a kind, and title."""
    heading = f'{kind} title="{title}"' if title else kind
    (found,) = re.findall(rf"^```{re.escape(heading)}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Lays a package out as an installer does: its modules, and beside them what it declares."""

    def begin(
        package: str, entries: dict[str, str], modules: dict[str, str] | None = None, *, group: str = "poise.targets"
    ) -> Path:
        site = tmp_path / f"site-{package}"
        info = site / f"{package.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = {value}" for name, value in entries.items())
        (info / "entry_points.txt").write_text(f"[{group}]\n{lines}\n")
        for name, text in (modules or {}).items():
            (site / name).write_text(text)
        monkeypatch.syspath_prepend(site)
        forget()
        return site

    before = set(sys.modules)
    yield begin
    for name in set(sys.modules) - before:
        if name in ("tintgan", "unfinished", "hardest"):
            del sys.modules[name]
    importlib.invalidate_caches()
    monkeypatch.undo()
    forget()


@pytest.fixture
def tintgan(install: Install) -> Path:
    """The package of the page."""
    line = example("toml", "tintgan.toml").splitlines()[-1]
    name, value = (part.strip().strip('"') for part in line.split("="))
    return install("poise-tintgan", {name: value}, {"tintgan.py": example("python", "tintgan.py")})


@pytest.mark.usefixtures("tintgan")
class TestTheArchitectureOfThePage(TargetContract):
    """What the page's own test file runs."""

    architecture = "tintgan"


def test_the_page_runs_the_contract() -> None:
    scope: dict[str, Any] = {}
    exec(compile(example("python", "test_tintgan.py"), "test_tintgan.py", "exec"), scope)  # noqa: S102
    assert issubclass(scope["TestTintGAN"], TargetContract)
    assert scope["TestTintGAN"].architecture == "tintgan"


@pytest.mark.usefixtures("tintgan")
def test_a_plugin_stands_behind_the_built_in_ones() -> None:
    assert names() == (*ARCHITECTURES, "tintgan")
    assert [(p.name, p.source) for p in declared()] == [("tintgan", "poise-tintgan 1.0")]
    assert broken() == {}


@pytest.mark.usefixtures("tintgan")
def test_the_commands_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POISE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    torch.save(seeded("tintgan").generator.state_dict(), tmp_path / "tint.pth")
    runner = CliRunner()
    outputs = {}
    for line in example("sh").splitlines():
        poise, group, command, *options = shlex.split(line)
        assert (poise, group) == ("poise", "targets")
        result = runner.invoke(app, [command, *options, "--json"])
        assert result.exit_code == 0, result.stderr
        outputs[command] = json.loads(result.stdout)
    assert outputs["check"]["architecture"] == outputs["add"]["architecture"] == "tintgan"
    assert outputs["add"]["config"]["edits"] == {"warm": [1, 0], "cold": [0, 1]}
    (listed,) = outputs["list"]["registered"]
    assert (listed["name"], listed["licence"]) == ("mytint", "CC0-1.0")
    assert "tintgan" in {row["architecture"] for row in outputs["list"]["architectures"]}
    assert json.loads(runner.invoke(app, ["list", "--json"]).stdout)["registered"] == []


@pytest.mark.usefixtures("tintgan")
def test_a_checkpoint_of_a_plugin_is_uploaded_and_scored(tmp_path: Path, astronaut_png: bytes) -> None:
    """As over HTTP: it waits in the store, is tried in a process of its own, and keeps score from then on."""
    torch.save(seeded("tintgan").generator.state_dict(), tmp_path / "tint.pth")
    generators = Generators(FolderStorage(tmp_path / "storage"), None)
    details = GivenDetails(image_size=16, edits=["warm", "cold"])
    for name, given in (("mute", None), ("mytint", details)):
        generators.add(tmp_path / "tint.pth", name=name, sha256=sha256(tmp_path / "tint.pth"), details=given)
        check(generators, name, scratch=tmp_path)
    mute = generators.get("mute")
    assert mute is not None
    assert mute.error is not None
    assert mute.error.detail.startswith(
        "This TintGAN checkpoint does not say its image size and the names of its edits"
    )
    target = LoadedGenerators(generators, Surrogates(torch.device("cpu")), scratch=tmp_path).targets(twins=False)[-1]
    (row,) = score_photo(astronaut_png, astronaut_png, targets=[target]).scores
    assert (row.architecture, row.paradigm) == ("mytint", "label-conditioned tinting")
    assert [edit.edit for edit in row.edits] == ["warm", "cold"]


def test_plugins_that_cannot_be_used_are_named_and_harm_nobody(install: Install, tmp_path: Path) -> None:
    modules = {
        "tintgan.py": example("python", "tintgan.py"),
        "unfinished.py": "from perturbations.targets import Target\n\nclass Half(Target):\n    architecture = 'half'\n",
    }
    entries = {
        "tintgan": "tintgan:TintGAN",
        "stargan": "tintgan:TintGAN",
        "lost": "no_such_module:Nothing",
        "half": "unfinished:Half",
        "renamed": "tintgan:TintGAN",
        "decoder": "json:JSONDecoder",
    }
    install("poise-mixed", entries, modules)
    install("poise-other", {"tintgan_two": "tintgan:TintGAN"})
    install("poise-third", {"tintgan_two": "unfinished:Half"})
    reasons = broken()
    assert reasons.keys() == {"stargan", "lost", "half", "renamed", "decoder", "tintgan_two"}
    assert all("poise-mixed 1.0" in reasons[name] for name in ("stargan", "lost", "half", "renamed", "decoder"))
    assert "no_such_module" in reasons["lost"]
    assert "poise-other 1.0 and poise-third 1.0" in reasons["tintgan_two"]
    for name in reasons.keys() - {"stargan"}:
        with pytest.raises(BadPlugin, match=name):
            architecture(name)
    assert architecture("stargan") is StarGAN
    assert architecture("tintgan").architecture == "tintgan"
    assert identify(seeded("tintgan").generator.state_dict())[0] == "tintgan"
    torch.save(seeded("stargan").generator.state_dict(), tmp_path / "stargan.ckpt")
    assert isinstance(load_checkpoint(tmp_path / "stargan.ckpt"), StarGAN)
    result = CliRunner().invoke(app, ["list", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["broken_plugins"].keys() == reasons.keys()


@pytest.fixture
def hardest(install: Install) -> Path:
    """The package of the page."""
    name, value = (part.strip().strip('"') for part in example("toml", "hardest.toml").splitlines()[-1].split("="))
    modules = {"hardest.py": example("python", "hardest.py")}
    return install("poise-hardest", {name: value}, modules, group="poise.weightings")


@pytest.mark.usefixtures("hardest")
class TestTheWeightingOfThePage(WeightingContract):
    """What the page's own test file runs."""

    weighting = "hardest"


def test_the_page_runs_the_contract_of_weightings() -> None:
    scope: dict[str, Any] = {}
    exec(compile(example("python", "test_hardest.py"), "test_hardest.py", "exec"), scope)  # noqa: S102
    assert issubclass(scope["TestHardest"], WeightingContract)
    assert scope["TestHardest"].weighting == "hardest"


@pytest.mark.usefixtures("hardest")
def test_a_weighting_that_is_installed_has_a_name() -> None:
    assert weightings()[-1] == "hardest"
    assert weighting("hardest", targets=2).targets == 2


def test_weightings_that_cannot_be_used_are_named(install: Install) -> None:
    install("poise-mixed", {"aef": "json:JSONDecoder", "lost": "no_such_module:Nothing"}, group="poise.weightings")
    assert weightings().count("aef") == 1
    assert type(weighting("aef", targets=2)).__module__ == "perturbations.weighting.aef"
    with pytest.raises(BadPlugin, match=r"lost.*poise-mixed 1\.0.*no_such_module"):
        weighting("lost", targets=2)
