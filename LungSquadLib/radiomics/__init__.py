"""Radiomic features as the Image Biomarker Standardisation Initiative (IBSI) defines them.

Source of every definition: the IBSI reference manual, Zwanenburg et al., arXiv:1612.07003, and
Zwanenburg et al., Radiology 2020;295:328-338.
"""
