"""Training of the false-positive stage, and of the detector that joins all stages."""
