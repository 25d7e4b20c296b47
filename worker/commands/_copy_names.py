"""What the copies of pictures are called: each otherwise, on file systems that tell cases apart and on others.

A name follows from the picture's own and from what lies beside it. So it is the same in whatever order pictures are
given, and when some of them are protected again, unless copies go to the folder of the pictures.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from itertools import count, islice
from pathlib import Path

from worker.commands._pictures import SUFFIXES


class CopyNames:
    """Names relative to the output folder. pictures: where each lies, and what its copy would be called by itself."""

    def __init__(self, pictures: Iterable[tuple[Path, Path]]) -> None:
        pictures = list(pictures)
        given = {relative for _, relative in pictures}
        beside = {
            relative.with_name(name)
            for folder, relative in {(source.parent, relative.with_name("_")) for source, relative in pictures}
            for name in _pictures_in(folder)
        }
        self._given = {folded(relative) for relative in given}
        self._alike: dict[str, list[Path]] = {}
        for relative in sorted(given | beside):
            self._alike.setdefault(folded(relative), []).append(relative)
        self._stems = Counter(folded(_stem(relative)) for relative in given | beside)

    def of(self, relative: Path, suffixes: tuple[str, ...]) -> Path:
        """The name of a picture's copy, which ends in one of ``suffixes``.

        It is the picture's own if that ends so. Else the first takes the place of the picture's suffix, or comes after
        it if there is another picture with the same name but for its suffix: ``IMG_2.heic.jpg`` beside ``IMG_2.jpg``.
        Names that differ in nothing but case are numbered.
        """
        own = relative.suffix.lower() in suffixes
        if own:
            name = relative
        else:
            alone = self._stems[folded(_stem(relative))] == 1
            name = Path(f"{_stem(relative) if alone else relative}{suffixes[0]}")
        earlier = self._alike[folded(relative)].index(relative)
        if own and not earlier:
            return name
        free = (one for n in count(1) if folded(one := _numbered(name, n)) not in self._given)
        return next(islice(free, earlier - own, None))


def folded(path: Path) -> str:
    """``path`` as file systems compare names that tell neither cases nor compositions of letters apart."""
    return unicodedata.normalize("NFC", str(path)).lower()


def _stem(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() in SUFFIXES else path


def _numbered(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.stem} ({number}){path.suffix}")


def _pictures_in(folder: Path) -> list[str]:
    """The names of a folder's pictures, as far as names say that they are some; none if it cannot be read."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return []
    return [name for name in names if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES]
