"""The pages of docs/reference, by subject; `tools/docs.py` writes them."""
