"""The job `study`: many runs of a recipe, side by side, and what they say together."""
