"""`python -m thriftgate`."""

from thriftgate.cli import main

main()
