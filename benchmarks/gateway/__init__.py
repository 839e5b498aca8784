"""What a call costs when a gateway stands in front of Claude: thriftgate against nginx, LiteLLM and Portkey, in one run."""
