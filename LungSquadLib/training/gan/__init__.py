"""Training of the progressive GAN on axial slices."""
