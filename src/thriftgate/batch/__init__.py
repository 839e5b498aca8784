"""Serve later: files of jobs, run through the Batches API at half price; may import: engine and below."""
