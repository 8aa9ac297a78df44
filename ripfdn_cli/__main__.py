"""`python -m ripfdn_cli`, for torchrun and for machines where the command is not on the PATH."""

from ripfdn_cli.cli.main import main

if __name__ == "__main__":
    main()
