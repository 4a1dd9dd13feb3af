"""A model of one's own: the heads of a bundle adapted to own labels, categories added, scores calibrated anew."""

from tsclassify.adapt.fitting import fit
from tsclassify.adapt.recalibrate import calibrate

__all__ = ["calibrate", "fit"]
