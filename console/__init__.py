"""The staff console: a Streamlit app that talks HTTP to the api, and to nothing else."""

__all__: list[str] = []
