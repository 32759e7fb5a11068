"""Assembly: datasets of one series become a volume, or a named reason why not."""
