"""A model of one's own: the heads of a bundle adapted to own labels, categories added, scores calibrated anew."""

from tsclassify.adapt.recalibrate import calibrate
from tsclassify.adapt.fitting import fit

__all__ = ["calibrate", "fit"]
