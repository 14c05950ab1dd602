"""CT, tumour masks and crops: files in, SimpleITK images out; no torch."""
