"""Recipes from the public data of a study to a report on its results, made of the other verbs."""
