"""Readers of exposure files."""
