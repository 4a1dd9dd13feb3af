"""The compiled kernel: posts in UTF-8 to logits, or to the rows of a sparse matrix; README.md says how it works."""
