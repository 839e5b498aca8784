"""The token estimator against ctok: error, bias, upper bound and speed, and how its weights were fitted."""
