"""Training of the candidate network: a region proposal network in three dimensions with three levels of hard mining."""
