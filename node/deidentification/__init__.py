"""Taking the person out of what leaves the clinical path: PS3.15 Annex E, pseudonyms, vault, pixels."""
