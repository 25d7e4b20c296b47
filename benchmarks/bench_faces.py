"""How many faces are found, under which conditions, and at what cost.

    python -m benchmarks.bench_faces --faces DIR [--without DIR] [--detector learned cascade]

``DIR`` holds ``lfw-val.zip`` and ``utkface-val.zip``. Every condition is drawn with a seed from the same photos: each
shows one face whose place is known. ``--without`` adds photos in which there is no face. A face is found where the
square that is protected for it is centred within 0.3 of its side and has 0.6 to 1.67 times its side.
"""

from __future__ import annotations

import argparse
import io
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import skimage.data
from PIL import Image

from benchmarks.cascade import cascade
from perturbations.faces import Locate, crop_for, locate
from perturbations.images import RgbArray
from perturbations.photo.bands import reduced
from perturbations.protect import SEARCHED, searched

SQUARE: Final = (125.0, 136.0, 115.0)
"""The known face of every LFW photo: centre and side of its square."""
GROUPS: Final = ("white", "black", "asian", "indian", "others")
EMPTY: Final = ("brick", "grass", "gravel", "chelsea", "coffee", "rocket", "motorcycle_left", "motorcycle_right",
                "moon", "hubble_deep_field", "page", "text", "clock_motion", "ihc", "retina")  # fmt: skip
"""Photos of scikit-image in which there is no face."""
DETECTORS: Final[dict[str, Locate]] = {"learned": locate, "cascade": cascade}
Square = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture and the squares of its faces."""

    pixels: RgbArray
    squares: tuple[Square, ...]


Condition = Callable[[np.random.Generator], Photo]


class Archive:
    """The pictures of a ZIP, by number."""

    def __init__(self, path: Path) -> None:
        self._file = zipfile.ZipFile(path)
        self.names = sorted(n for n in self._file.namelist() if n.lower().endswith((".jpg", ".png")))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> RgbArray:
        return np.asarray(Image.open(io.BytesIO(self._file.read(self.names[number]))).convert("RGB"))


class Conditions:
    """Photos under every condition, drawn by a generator."""

    def __init__(self, people: Archive, empty: list[RgbArray]) -> None:
        self.people, self.empty = people, empty

    def plain(self, generator: np.random.Generator) -> Photo:
        return Photo(self.people[int(generator.integers(len(self.people)))], (SQUARE,))

    def tilted(self, degrees: float) -> Condition:
        """Turned about the face, either way, over a plain colour."""

        def photo(generator: np.random.Generator) -> Photo:
            turn = degrees * generator.choice([-1, 1])
            matrix = cv2.getRotationMatrix2D(SQUARE[:2], turn, 1.0)
            pixels = self.plain(generator).pixels
            border = tuple(float(v) for v in pixels[:20].mean((0, 1)))
            return Photo(cv2.warpAffine(pixels, matrix, (250, 250), borderValue=border).astype(np.uint8), (SQUARE,))

        return photo

    def masked(self, generator: np.random.Generator) -> Photo:
        """A shaded mask from the nose to below the chin, with bands to the ears."""
        pixels = self.plain(generator).pixels.copy()
        colour = np.array([(245, 245, 245), (150, 190, 220), (35, 35, 40), (190, 60, 80)][generator.integers(4)])
        shaded = np.linspace(1.0, 0.75, 250)[:, None, None] * colour
        shape = _outline([(0.13, 0.55), (0.5, 0.46), (0.87, 0.55), (0.82, 0.83), (0.5, 1.0), (0.18, 0.83)])
        inside = np.zeros((250, 250), np.uint8)
        cv2.fillPoly(inside, [shape], 1)
        for ear, corner in (((0.02, 0.4), (0.13, 0.56)), ((0.98, 0.4), (0.87, 0.56))):
            a, b = (tuple(int(v) for v in _outline([p])[0]) for p in (ear, corner))
            cv2.line(pixels, a, b, tuple(int(v) for v in colour), 2)
        pixels[inside == 1] = np.broadcast_to(shaded, pixels.shape)[inside == 1]
        return Photo(pixels, (SQUARE,))

    def sunglasses(self, generator: np.random.Generator) -> Photo:
        pixels = self.plain(generator).pixels.copy()
        for x in (0.31, 0.69):
            centre = tuple(int(v) for v in _outline([(x, 0.34)])[0])
            cv2.ellipse(pixels, centre, (20, 14), 0, 0, 360, (15, 15, 18), -1, cv2.LINE_AA)
        cv2.line(pixels, *(tuple(int(v) for v in p) for p in _outline([(0.1, 0.31), (0.9, 0.31)])), (20, 20, 20), 4)  # type: ignore[call-overload]
        return Photo(pixels, (SQUARE,))

    def hat(self, generator: np.random.Generator) -> Photo:
        """To just above the brows."""
        pixels = self.plain(generator).pixels.copy()
        colour = tuple(int(v) for v in generator.integers(0, 256, 3))
        crown = _outline([(-0.1, 0.15), (0.02, -0.35), (0.98, -0.35), (1.1, 0.15), (0.5, 0.2)])
        cv2.fillPoly(pixels, [crown], colour, cv2.LINE_AA)
        return Photo(pixels, (SQUARE,))

    def dark(self, generator: np.random.Generator) -> Photo:
        """A tenth to a quarter of the light, with noise."""
        pixels = self.plain(generator).pixels * generator.uniform(0.1, 0.25) + generator.normal(0, 3, (250, 250, 3))
        return Photo(pixels.clip(0, 255).astype(np.uint8), (SQUARE,))

    def backlit(self, generator: np.random.Generator) -> Photo:
        """The person at a third of the light, all around at more than was there."""
        rows, columns = np.mgrid[:250, :250]
        person = np.exp(-(((columns - 125) / 75.0) ** 4) - (np.maximum(0, 130 - rows) / 90.0) ** 4)[..., None]
        pixels = self.plain(generator).pixels
        return Photo((pixels * (1.5 - 1.17 * person) + 25).clip(0, 255).astype(np.uint8), (SQUARE,))

    def cut(self, generator: np.random.Generator) -> Photo:
        """A fifth of the face's square lies beyond an edge of the photo."""
        left, right = round(SQUARE[0] - 0.3 * SQUARE[2]), round(SQUARE[0] + 0.3 * SQUARE[2])
        top, bottom = round(SQUARE[1] - 0.3 * SQUARE[2]), round(SQUARE[1] + 0.3 * SQUARE[2])
        x, y, to_x, to_y = ((left, 0, 250, 250), (0, 0, right, 250), (0, top, 250, 250), (0, 0, 250, bottom))[
            generator.integers(4)
        ]
        pixels = self.plain(generator).pixels[y:to_y, x:to_x]
        return Photo(np.ascontiguousarray(pixels), ((SQUARE[0] - x, SQUARE[1] - y, SQUARE[2]),))

    def large(self, side: float) -> Condition:
        """Twelve megapixels with four faces of that side."""

        def photo(generator: np.random.Generator) -> Photo:
            return self._scene(generator, (4000, 3000), 4, (side, side))

        return photo

    def crowd(self, generator: np.random.Generator) -> Photo:
        """One megapixel with forty faces."""
        return self._scene(generator, (1152, 864), 40, (50, 80))

    def nobody(self, generator: np.random.Generator) -> Photo:
        """Part of a photo without faces."""
        photo = self.empty[generator.integers(len(self.empty))]
        height, width = photo.shape[:2]
        down, across = (round(side * generator.uniform(0.4, 1.0)) for side in (height, width))
        top, left = generator.integers(height - down + 1), generator.integers(width - across + 1)
        return Photo(np.ascontiguousarray(photo[top : top + down, left : left + across]), ())

    def _scene(
        self, generator: np.random.Generator, size: tuple[int, int], count: int, sides: tuple[float, float]
    ) -> Photo:
        """Heads at the cells of a grid, with soft edges, over a photo without faces."""
        empty = self.empty[generator.integers(len(self.empty))]
        canvas = cv2.resize(empty, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
        columns = round((count * size[0] / size[1]) ** 0.5 + 0.49)
        rows = -(-count // columns)
        squares = []
        for cell in generator.permutation(rows * columns)[:count]:
            side = generator.uniform(*sides)
            head = self.plain(generator).pixels[35:215, 40:210]
            scale = side / SQUARE[2]
            head = cv2.resize(head, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
            down, across = head.shape[:2]
            x = int((cell % columns + 0.5) * size[0] / columns - across / 2)
            y = int((cell // columns + 0.5) * size[1] / rows - down / 2)
            part = canvas[y : y + down, x : x + across]
            rows_, columns_ = np.mgrid[:down, :across]
            far = ((columns_ + 0.5) / across * 2 - 1) ** 4 + ((rows_ + 0.5) / down * 2 - 1) ** 4
            soft = ((1 - far) * 4).clip(0, 1)[..., None]
            part[:] = part + (head.astype(np.float64) - part) * soft
            squares.append((x + (SQUARE[0] - 40) * scale, y + (SQUARE[1] - 35) * scale, side))
        return Photo(canvas, tuple(squares))


def _outline(points: list[tuple[float, float]]) -> np.ndarray:
    """Points of the face's unit square in pixels of the photo."""
    corner = np.array(SQUARE[:2]) - SQUARE[2] / 2
    return np.round(np.array(points) * SQUARE[2] + corner).astype(np.int32)


def found(photo: Photo, locator: Locate) -> tuple[int, int]:
    """How many of the known faces are found, and how many finds there are, as a photo is searched that is protected."""
    image = Image.fromarray(photo.pixels)
    crops = [crop_for(face) for face in searched(image, reduced(image, SEARCHED), locator).faces]
    middles = [(c.x + c.width / 2, c.y + c.height / 2, c.width) for c in crops]
    hits = sum(
        any(
            max(abs(x - a), abs(y - b)) <= 0.3 * side and 0.6 <= size / side <= 1.67
            for a, b, size in middles
        )
        for x, y, side in photo.squares
    )  # fmt: skip
    return hits, len(crops)


def recall(photos: Iterator[Photo], locator: Locate) -> float:
    hits = known = 0
    for photo in photos:
        hits += found(photo, locator)[0]
        known += len(photo.squares)
    return hits / known


def chip(pixels: RgbArray) -> Photo:
    """A tight chip with room around it: its edge repeated."""
    side = pixels.shape[0]
    pad = side // 2
    room = np.pad(pixels, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    return Photo(room, ((pad + side / 2, pad + side / 2, side),))


def groups(chips: Archive, locator: Locate, most: int) -> dict[str, tuple[float, int]]:
    """Recall by the group that a chip's name tells, and how many chips each has."""
    by_group: dict[str, list[int]] = {}
    for number, name in enumerate(chips.names):
        parts = Path(name).name.split("_")
        if len(parts) == 4:
            by_group.setdefault(GROUPS[int(parts[2])], []).append(number)
    order = np.random.default_rng(0)
    drawn = {group: order.permutation(members)[:most] for group, members in sorted(by_group.items())}
    return {g: (recall((chip(chips[int(n)]) for n in ns), locator), len(ns)) for g, ns in drawn.items()}


def cost(locator: Locate, photo: RgbArray, times: int) -> float:
    """Milliseconds of the processor for one photo, the median."""
    locator(photo)
    spent = []
    for _ in range(times):
        start = time.process_time()
        locator(photo)
        spent.append(1000 * (time.process_time() - start))
    return float(np.median(spent))


def empty_photos(folder: Path | None) -> list[RgbArray]:
    here = Path(skimage.data.__file__).parent
    paths = [path for path in sorted(here.iterdir()) if path.stem in EMPTY and path.suffix in {".png", ".jpg"}]
    photos = []
    for path in paths + sorted(folder.rglob("*.[jpw]*") if folder else ()):
        with Image.open(path) as picture:
            picture.thumbnail((2000, 2000))
            photos.append(np.asarray(picture.convert("RGB")))
    return photos


def report(name: str, value: str, wanted: str = "") -> None:
    print(f"  {name:34s} {value:>9s}   {wanted}", flush=True)


def measure_recall(locator: Locate, given: argparse.Namespace) -> None:
    people, chips = Archive(given.faces / "lfw-val.zip"), Archive(given.faces / "utkface-val.zip")
    drawn = Conditions(people, empty_photos(given.without))
    few = -(-given.count // 4)
    conditions: dict[str, tuple[Condition, int, str]] = {
        "tilted by 25 degrees": (drawn.tilted(25), given.count, ">= 95 %"),
        "tilted by 45 degrees": (drawn.tilted(45), given.count, ">= 85 %"),
        "on the side (90 degrees)": (drawn.tilted(90), given.count, ""),
        "upside down": (drawn.tilted(180), given.count, ""),
        "masked": (drawn.masked, given.count, ">= 90 %"),
        "sunglasses": (drawn.sunglasses, given.count, ""),
        "hat": (drawn.hat, given.count, ""),
        "dark": (drawn.dark, given.count, ""),
        "backlit": (drawn.backlit, given.count, ""),
        "cut by 20 % at a side": (drawn.cut, given.count, ">= 90 %"),
        "80 px in 12 megapixels": (drawn.large(80), few, ">= 95 %"),
        "48 px in 12 megapixels": (drawn.large(48), few, ""),
        "crowd of 40 in 1 megapixel": (drawn.crowd, max(1, given.count // 20), ""),
    }
    order = np.random.default_rng(0).permutation(len(people))[: given.all]
    plain = recall((Photo(people[int(n)], (SQUARE,)) for n in order), locator)
    report(f"lfw-val, {len(order)} photos", f"{plain:.2%}", ">= 99 %")
    for condition, (make, count, wanted) in conditions.items():
        generator = np.random.default_rng(1)
        report(condition, f"{recall((make(generator) for _ in range(count)), locator):.1%}", wanted)
    generator = np.random.default_rng(2)
    false = np.mean([found(drawn.nobody(generator), locator)[1] > 0 for _ in range(given.count)])
    report("photos without faces with a find", f"{false:.1%}", "<= 1 %")
    by_group = groups(chips, locator, given.all)
    mean = float(np.mean([share for share, _ in by_group.values()]))
    for group, (share, count) in by_group.items():
        report(f"utkface-val, {group} ({count})", f"{share:.1%}", f"{100 * (share - mean):+.1f} points from the mean")


def measure_cost(locator: Locate) -> None:
    """The astronaut, again and again, in photos of two sizes."""
    astronaut = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    photo = np.tile(astronaut[:432, :384], (2, 3, 1))
    report("1 megapixel, 6 faces", f"{cost(locator, photo, 15):.1f} ms", "<= 15 ms, one thread")
    report("1 megapixel, no face", f"{cost(locator, np.tile(astronaut[300:, 100:], (4, 2, 1)), 15):.1f} ms")
    large = cv2.resize(photo, (4000, 3000)).astype(np.uint8)
    report("12 megapixels", f"{cost(locator, large, 5):.0f} ms", "<= 15 ms a megapixel")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--faces", type=Path, help="the folder of lfw-val.zip and utkface-val.zip; without it, only time"
    )
    parser.add_argument("--without", type=Path, help="a folder of photos without faces")
    parser.add_argument("--detector", nargs="+", choices=DETECTORS, default=["learned"])
    parser.add_argument("--count", type=int, default=200, help="photos of each condition")
    parser.add_argument("--all", type=int, default=10_000, help="photos of lfw-val, and chips of each group, at most")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    for name in given.detector:
        print(name)
        if given.faces:
            measure_recall(DETECTORS[name], given)
        measure_cost(DETECTORS[name])


if __name__ == "__main__":
    main()
