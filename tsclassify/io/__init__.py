"""Posts in and out: JSONL and Parquet as blocks, strict parsing, results spliced onto lines, files whole or absent."""
