"""Analysis: a volume becomes findings, through the functions of models."""
