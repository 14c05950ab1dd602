"""A crop and a model in, a Prediction out."""
