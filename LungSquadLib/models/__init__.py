"""Model files, their cards, and the catalogue of the models on this machine."""
