"""Where others would have put the cache breakpoints: the clients of today, and the bound that no policy can stay below."""
