"""What a training of the integration network found, as a page."""
