"""What each source adds to an integration network."""
