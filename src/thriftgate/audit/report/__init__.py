"""The faces of an audit: terminal, JSON, CSV and HTML, each a function of the same `Findings`."""
