"""`python -m axialcast` is the `axialcast` command."""

from axialcast.run.cli import main

if __name__ == "__main__":
    main()
