"""Measuring models: detection as LUNA16 does, scores with intervals, reports."""
