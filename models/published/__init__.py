"""Weights in the layouts of published models: loaders that are proven against the originals."""
