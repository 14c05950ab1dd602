"""LungSquad: a lung tumour's crop, prediction and report from a CT and an outline.

Research software, not a medical device.
"""

__version__ = "0.1.0"
