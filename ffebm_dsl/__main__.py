"""``python -m ffebm_dsl``: the same as ``ffebm``."""

from ffebm_dsl.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
