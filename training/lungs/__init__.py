"""Training of the compact lung network."""
