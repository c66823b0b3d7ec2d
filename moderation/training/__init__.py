"""Makes the shipped weights: `python -m moderation.training --data <folder>`; needs scikit-learn and pyarrow."""
