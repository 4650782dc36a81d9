"""`python -m registry` is the command `registry`."""

from registry.cli.main import main

main()
