"""The command line: `holdout`, and one file for each other job."""
