"""The translations: what there is to translate, and the catalogues; `tools/translate.py` writes them."""
