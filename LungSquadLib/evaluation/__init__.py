"""What is measured of models, as numbers and sentences; pages and figures are in `report`."""
