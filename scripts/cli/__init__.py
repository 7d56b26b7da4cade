"""The command line `holdout`."""
