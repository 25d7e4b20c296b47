"""Faces to train and measure on: archives of pictures, and the labels in their names."""

from perturbations.data.archive import FaceArchive, open_faces
from perturbations.data.labels import ATTRIBUTES, UtkLabel, utk_label

__all__ = ["ATTRIBUTES", "FaceArchive", "UtkLabel", "open_faces", "utk_label"]
