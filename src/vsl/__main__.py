"""``python -m vsl``."""

from vsl.cli.main import main

main()
