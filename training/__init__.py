"""Training: generated data, tasks and evaluation that build the models."""
