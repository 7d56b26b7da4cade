"""Image datasets and the reading of image files."""
