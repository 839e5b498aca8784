"""The administrators' API: keys, teams and what else is kept with the books, over HTTP. Start reading at `routes.py`."""
