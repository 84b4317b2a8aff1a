"""Scalar fields over an image, and the calibrations that are made of them."""
