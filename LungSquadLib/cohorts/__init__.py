"""Public cohorts: recipes that turn their files into manifests."""
