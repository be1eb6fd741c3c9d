"""``python -m smallwright`` is the ``smallwright`` command."""

from smallwright.cli import main

main()
