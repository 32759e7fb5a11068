"""System 000: features of slice triplets from an ImageNet network, averaged over a patient, and LightGBM."""
