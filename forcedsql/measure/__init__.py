"""Forced photometry: arrays of positions in, arrays of measurements out."""
