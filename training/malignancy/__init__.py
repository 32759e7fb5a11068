"""Training of the malignancy model: networks on triplets of slices, then LightGBM on their scores and measurements."""
