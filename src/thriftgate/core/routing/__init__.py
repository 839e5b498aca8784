"""Which model serves a call: what can be told of it beforehand, how a score is read, when a change of model pays. Pure."""
