"""What runs a finished model."""
