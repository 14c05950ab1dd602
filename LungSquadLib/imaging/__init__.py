"""CT, tumour masks and crops: files in, SimpleITK images out; no torch."""

# The order of the axes in which networks are given images: index x runs to the patient's left, y to
# the back, z to the head. Model files and stores record it. Here, because a card is read without
# SimpleITK; see `geometry`.
AXES = "LPS"
