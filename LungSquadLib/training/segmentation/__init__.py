"""Training of the segmentation network on cubes or slices of CT with tumour masks."""
