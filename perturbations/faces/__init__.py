"""Where the perturbation goes: finds faces, and the square around each that a generator's pipeline would cut out."""

from perturbations.faces.crop import Region, crop_batch, crop_for, cut, frame
from perturbations.faces.face import Face, Found, Locate
from perturbations.faces.locate import locate, locator

__all__ = ["Face", "Found", "Locate", "Region", "crop_batch", "crop_for", "cut", "frame", "locate", "locator"]
