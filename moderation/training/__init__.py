"""Makes the weights that are shipped: `python -m moderation.training --data <folder>`; needs scikit-learn and pyarrow."""
