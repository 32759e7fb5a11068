"""Series: states, completeness and selection; pure, no clock and no I/O."""
