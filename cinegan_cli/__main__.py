"""`python -m cinegan_cli`."""

from cinegan_cli.cli.main import main

if __name__ == "__main__":
    main()
