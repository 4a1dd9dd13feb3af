"""From a text as written to normalized tokens, each with its place in the original; the word groups of a lexicon."""
