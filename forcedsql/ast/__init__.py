"""Starlink AST: text that describes mappings, checked before the AST library reads it."""
