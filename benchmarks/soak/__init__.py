"""Hours of mixed traffic through a served gateway: does anything grow, slow down, or go missing from the books."""
