"""Write the figures of what ships into the documents, from the shipped perturbation's sidecar and the model cards.

    .venv/bin/python -m benchmarks.write_figures        # or: make figures

A document marks where they go: ``<!-- figures:NAME -->`` to ``<!-- /figures -->``, one region for each function in
``REGIONS``. ``tests/test_figures.py`` fails where a document says anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from perturbations.artifact import SIDECAR, shipped
from perturbations.checkpoints.shipped import FOLDER, shipped_names
from perturbations.effect import SUCCESS_THRESHOLD

ROOT: Final = Path(__file__).parents[1]
DOCUMENTS: Final = ("README.md", "SECURITY.md", "docs/targets.md")
_REGION: Final = re.compile(r"(<!-- figures:(\S+) -->\n).*?(<!-- /figures -->)", re.DOTALL)

_CARDS: Final = "../perturbations/assets/surrogates"

Sidecar = Mapping[str, Any]


def effect(sidecar: Sidecar) -> str:
    """README: what the shipped perturbation does to each generator and to its twin."""
    rows, faces, quality = _architectures(sidecar), sidecar["faces"]["measured_on"], sidecar["quality"]
    distance = f"an SSIM of {quality['ssim']:.3f} and a PSNR of {quality['psnr']:.1f} dB"
    return "\n".join(
        [
            f"Version `{sidecar['version']}`, ε {sidecar['epsilon']:g}, on {faces} held-out faces:",
            "",
            *_table(
                ("generator", "attainable L2mask", "L2mask", "interrupted", *_LESS, "its twin", "as papers measure"),
                (
                    (
                        name,
                        f"{row['attainable']:.4f}",
                        *_pair(row),
                        *_shares_of_less(sidecar, name),
                        _twin(row),
                        _share(sidecar["as_in_papers"]["architectures"][name]["success_rate"]),
                    )
                    for name, row in rows.items()
                ),
            ),
            "",
            f"The protected crops have {distance}, and differ by at most {quality['max_abs_diff']} of 255 steps.",
            "",
            _verdict(rows),
        ]
    )


def attackers(sidecar: Sidecar) -> str:
    """SECURITY: the same, from an attacker's side."""
    faces = sidecar["faces"]["measured_on"]
    version = f"version `{sidecar['version']}` (ε {sidecar['epsilon']:g})"
    return "\n".join(
        [
            f"Share of edits interrupted by {version}:",
            "",
            *_table(
                (f"on {faces} held-out faces", "as Poise delivered it", *_LESS, "its twin: other weights"),
                (
                    (
                        name,
                        _share(row["success_rate"]),
                        *_shares_of_less(sidecar, name),
                        _twin(row),
                    )
                    for name, row in _architectures(sidecar).items()
                ),
            ),
        ]
    )


def bounds(sidecar: Sidecar) -> str:
    """docs/targets.md: how far each generator can be disturbed at all, and from which bound on it is interrupted."""
    tried = sidecar["breaks_at"]
    return "\n".join(
        _table(
            ("target", f"attainable L2mask at ε {sidecar['epsilon']:g}", "interrupted from ε"),
            (
                (name, f"{value:.4f}", "none of those tried" if tried[name] is None else f"{tried[name]:g}")
                for name, value in sidecar["attainable"].items()
            ),
        )
    )


def surrogates(sidecar: Sidecar) -> str:
    """docs/targets.md: what the model cards of the surrogates and their twins say."""
    del sidecar
    names = [name + part for name in shipped_names() for part in ("", "-twin")]
    return "\n".join(
        _table(
            ("card", "pixels", "width", *(title for title, _ in _OF_A_CARD)),
            ((f"[{name}]({_CARDS}/{name}.md)", *_of_card((FOLDER / f"{name}.md").read_text())) for name in names),
        )
    )


REGIONS: Final[Mapping[str, Callable[[Sidecar], str]]] = {
    "effect": effect,
    "attackers": attackers,
    "bounds": bounds,
    "surrogates": surrogates,
}

_LESS: Final[Mapping[str, str]] = {"after JPEG 75": "after_jpeg", "in other crops": "in_other_crops"}
"""How an attacker may get less of it, and the field of the sidecar."""
_OF_A_CARD: Final = (
    ("edits that succeed: gender, age; swaps", r"edit accuracy|swaps after which"),
    ("pixels an edit changes", r"pixels in which"),
    ("reconstruction error", r"reconstruction,"),
    ("random signs: L2mask, interrupted", r"fragility, random signs"),
    ("JPEG 75: L2mask, interrupted", r"fragility, clean JPEG"),
)


def render(text: str, sidecar: Sidecar) -> str:
    """A document with every region written anew.

    Raises:
        KeyError: it marks a region that is not in ``REGIONS``.
    """
    return _REGION.sub(lambda found: f"{found[1]}{REGIONS[found[2]](sidecar)}\n{found[3]}", text)


def shipped_sidecar() -> Sidecar:
    """The sidecar of the version that ships."""
    found: Sidecar = json.loads((shipped() / SIDECAR).read_text())
    return found


def main() -> None:
    """Write all documents."""
    for document in DOCUMENTS:
        path = ROOT / document
        path.write_text(render(path.read_text(), shipped_sidecar()))


def _architectures(sidecar: Sidecar) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = sidecar["effect"]["architectures"]
    return found


def _shares_of_less(sidecar: Sidecar, name: str) -> Iterable[str]:
    """What is left of the interrupted share in the cases of ``_LESS``."""
    return (_share(sidecar[field]["architectures"][name]["success_rate"]) for field in _LESS.values())


def _verdict(rows: Mapping[str, Mapping[str, Any]]) -> str:
    resisting = [name for name, row in rows.items() if row["attainable"] < SUCCESS_THRESHOLD]
    best = max(row["twin"]["success_rate"] for row in rows.values() if row["twin"] is not None)
    twins = "no edit of any twin" if best == 0.0 else f"at most {_share(best)} of any twin's edits"
    return (
        f"At this bound {len(rows) - len(resisting)} of {len(rows)} generators can be interrupted"
        f"{f'; {_listed(resisting)} resist' if resisting else ''}. This version interrupts {twins}."
    )


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _pair(row: Mapping[str, Any]) -> tuple[str, str]:
    return f"{row['l2_mask']:.4f}", _share(row["success_rate"])


def _twin(row: Mapping[str, Any]) -> str:
    return "it has none" if row["twin"] is None else _share(row["twin"]["success_rate"])


def _share(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def _of_card(card: str) -> Iterable[str]:
    size, width = re.search(r"\((\d+)×\d+ pixels, width (\d+)\)", " ".join(card.split())).groups()  # type: ignore[union-attr]
    yield from (size, width)
    figures = dict(re.findall(r"^\| (.+) \| (.+) \|$", card, re.MULTILINE))
    for _, wanted in _OF_A_CARD:
        yield next(value for figure, value in figures.items() if re.match(wanted, figure))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    titles = tuple(head)
    return [f"| {' | '.join(cells)} |" for cells in (titles, ["---"] * len(titles), *rows)]


if __name__ == "__main__":
    main()
