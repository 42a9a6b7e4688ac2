"""``ffebm``, also as ``python -m ffebm_dsl``."""

INTERRUPTED = 130


def main() -> int:
    """Run ``ffebm`` with the arguments of the process; Ctrl-C ends it during the imports too."""
    try:
        from ffebm_dsl.cli.main import main as command
    except KeyboardInterrupt:
        return INTERRUPTED
    return command()


if __name__ == "__main__":
    raise SystemExit(main())
