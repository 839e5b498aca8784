"""What caching policies cost on recorded traffic, measured against a lower bound that knows the future."""
