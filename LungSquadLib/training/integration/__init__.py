"""Training of the integration network on tables of the same patients."""
