"""One-file model bundles, their cards, and where they are found."""
