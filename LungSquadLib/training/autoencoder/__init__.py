"""Training of the variational autoencoder on a table of numbers."""
