"""System 001: read a CT series, turn it into HU and look at it: histogram, slices, surfaces of bone and lung."""
